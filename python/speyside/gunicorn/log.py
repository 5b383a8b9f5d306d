"""What a hook sees as `server.log` and `worker.log`, and the loggers `gunicorn.error` and `gunicorn.access` behind it.

Most callers need Log. The application may use these loggers too, or their handlers; `logconfig`, `logconfig_dict` and
`logconfig_json` configure them and any other. The server's own log is another one: that of the front.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import logging.config
import logging.handlers
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from speyside import _faults, report
from speyside.failure import Failure, summary
from speyside.gunicorn.config import Config

ERROR, ACCESS = "gunicorn.error", "gunicorn.access"
FORMAT, DATE = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "[%Y-%m-%d %H:%M:%S %z]"
LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
OURS = "_gunicorn"  # set on handlers that are replaced when the loggers are set up again; applications look at it
STDOUT, STDERR = 1, 2


def _defaults() -> dict[str, Any]:
    """Return what the user's dictionary is laid over, key by key."""

    def logger(name: str, handler: str) -> dict[str, Any]:
        return {"level": "INFO", "handlers": [handler], "propagate": True, "qualname": name}

    def handler(stream: str) -> dict[str, Any]:
        return {"class": "logging.StreamHandler", "formatter": "generic", "stream": f"ext://sys.{stream}"}

    return {
        "version": 1,
        "disable_existing_loggers": False,
        "root": {"level": "INFO", "handlers": ["console"]},
        "loggers": {ERROR: logger(ERROR, "error_console"), ACCESS: logger(ACCESS, "console")},
        "handlers": {"console": handler("stdout"), "error_console": handler("stderr")},
        "formatters": {"generic": {"format": FORMAT, "datefmt": DATE, "class": "logging.Formatter"}},
    }


class Atoms(dict[str, Any]):
    """What an access log format may name; what is not there is `-`, and headers are found in any case."""

    def __init__(self, atoms: Mapping[str, Any]) -> None:
        super().__init__({n: v.replace('"', '\\"') if isinstance(v, str) else v for n, v in atoms.items()})

    def __missing__(self, name: str) -> Any:
        """Return what stands for a name that is not there."""
        return self.get(name.lower(), "-") if name.startswith("{") else "-"


class Log:
    """The loggers, and methods that log."""

    def __init__(self, cfg: Config) -> None:
        self.cfg = cfg
        self.error_log = logging.getLogger(ERROR)
        self.access_log = logging.getLogger(ACCESS)
        self.loglevel = logging.INFO

    def setup(self, cfg: Config) -> None:
        """Make handlers for both loggers, then do what the user's logging configuration says; raise Failure."""
        self.cfg = cfg
        self.loglevel = LEVELS.get(str(cfg.value("loglevel", "info")).lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        error_file, access_file = cfg.value("errorlog", "-"), cfg.value("accesslog")
        for logger in (self.error_log, self.access_log):
            logger.propagate = False
            logger.handlers[:] = [handler for handler in logger.handlers if not getattr(handler, OURS, False)]
        if cfg.value("capture_output") and error_file != "-" and not report.relayed():
            self._capture(error_file)
        self._handle(self.error_log, _handler("errorlog", error_file, sys.stderr), logging.Formatter(FORMAT, DATE))
        if access_file is not None:
            self._handle(
                self.access_log, _handler("accesslog", access_file, sys.stdout), logging.Formatter("%(message)s")
            )
        self._configure()

    @staticmethod
    def _handle(logger: logging.Logger, handler: logging.Handler, formatter: logging.Formatter) -> None:
        handler.setFormatter(formatter)
        setattr(handler, OURS, True)
        logger.addHandler(handler)

    @staticmethod
    def _capture(path: str) -> None:
        """Have what is printed, also by programs that are started, written to the file."""
        with _opened("errorlog", path) as file:
            for descriptor in (STDOUT, STDERR):
                os.dup2(file, descriptor)

    def _configure(self) -> None:
        dictionary, document, file = (
            self.cfg.value(name) for name in ("logconfig_dict", "logconfig_json", "logconfig")
        )
        name = "logconfig_dict" if dictionary else "logconfig_json" if document else "logconfig"
        try:
            if dictionary:
                logging.config.dictConfig({**_defaults(), **dictionary})
            elif document:
                with open(document, "rb") as opened:
                    logging.config.dictConfig({**_defaults(), **json.load(opened)})
            elif file:
                self._configure_from(file)
        except Exception as error:  # whatever the user's own classes raise
            text = f"{name} cannot be used: {_chained(error)}"
            raise Failure(
                _faults.CONFIGURATION_FAILED, text, "see the documentation of logging.config.", error
            ) from error

    @staticmethod
    def _configure_from(file: str) -> None:
        if not os.path.exists(file):
            raise FileNotFoundError(f"there is no file {file}")
        defaults = {**_defaults(), "__file__": file, "here": os.path.dirname(file)}
        texts = {name: value for name, value in defaults.items() if isinstance(value, str)}
        logging.config.fileConfig(file, defaults=texts, disable_existing_loggers=False)

    def critical(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log."""
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log."""
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log."""
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log."""
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log."""
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log, with the exception that is being handled."""
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at a level."""
        number = LEVELS.get(lvl.lower(), logging.INFO) if isinstance(lvl, str) else lvl
        self.error_log.log(number, msg, *args, **kwargs)

    def now(self) -> str:
        """Return the time as an access log has it."""
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def atoms(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta) -> dict[str, Any]:
        """Return everything that an access log format may name."""
        microseconds = request_time // timedelta(microseconds=1)
        seconds = request_time.seconds
        sent = getattr(resp, "sent", None)
        return {
            "h": environ.get("REMOTE_ADDR", "-"),
            "l": "-",
            "u": _user(environ) or "-",
            "t": self.now(),
            "r": f"{environ['REQUEST_METHOD']} {environ.get('RAW_URI', '')} {environ['SERVER_PROTOCOL']}",
            "s": str(resp.status).split(None, 1)[0],
            "m": environ["REQUEST_METHOD"],
            "U": environ.get("PATH_INFO"),
            "q": environ.get("QUERY_STRING"),
            "H": environ["SERVER_PROTOCOL"],
            "b": "-" if sent is None else str(sent),
            "B": sent,
            "f": environ.get("HTTP_REFERER", "-"),
            "a": environ.get("HTTP_USER_AGENT", "-"),
            "T": seconds,
            "D": microseconds,
            "M": microseconds // 1000,
            "L": f"{seconds}.{request_time.microseconds:06d}",
            "p": f"<{os.getpid()}>",
            **_named(_pairs(getattr(req, "headers", req)), "i"),
            **_named(_pairs(resp.headers), "o"),
            **_named(environ.items(), "e"),
        }

    def access(self, resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta) -> None:
        """Log a request, as `access_log_format` says."""
        if not (self.cfg.logs_access or self.cfg.value("accesslog")):
            return
        try:
            self.access_log.info(self.cfg.access_log_format, Atoms(self.atoms(resp, req, environ, request_time)))
        except Exception:  # a format that cannot be, a handler of the user's: the request itself is well
            self.exception("The line for a request was not written")

    def reopen_files(self) -> None:
        """Open every log file anew, because it was renamed."""
        if self.cfg.value("capture_output") and self.cfg.value("errorlog", "-") != "-" and not report.relayed():
            self._capture(self.cfg.errorlog)
        names = list(logging.root.manager.loggerDict)  # other threads may make loggers meanwhile
        loggers = [logging.getLogger(), *map(logging.getLogger, names)]
        for handler in {handler for logger in loggers for handler in logger.handlers}:
            if isinstance(handler, logging.FileHandler):
                with handler.lock or nullcontext():
                    if handler.stream is not None:
                        handler.close()
                        handler.stream = handler._open()


@contextmanager
def _opened(setting: str, path: str) -> Iterator[int]:
    """Open a log file to append to it; raise Failure."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        text = f"{setting} cannot be written: {path}: {error.strerror}"
        raise Failure(_faults.CONFIGURATION_FAILED, text) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _handler(setting: str, output: str, stream: Any) -> logging.Handler:
    if output == "-":
        return logging.StreamHandler(stream)
    with _opened(setting, output):
        return logging.handlers.WatchedFileHandler(output)  # which notices by itself that its file was renamed


def _chained(error: BaseException) -> str:
    """Return what was raised and what that came from: logging says first where, and only then what."""
    told = summary(error)
    while error.__cause__ is not None:
        error = error.__cause__
        told += f": {error}"
    return told


def _pairs(headers: Any) -> Iterable[tuple[str, Any]]:
    pairs: Iterable[tuple[str, Any]] = headers.items() if hasattr(headers, "items") else headers
    return pairs


def _named(pairs: Iterable[tuple[str, Any]], letter: str) -> dict[str, Any]:
    return {f"{{{name.lower()}}}{letter}": value for name, value in pairs}


def _user(environ: Mapping[str, Any]) -> str:
    """Return the name in an Authorization header of the kind Basic."""
    scheme, _, credentials = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip()).partition(b":")[0].decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
