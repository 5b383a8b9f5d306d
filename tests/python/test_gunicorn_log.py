"""What hooks see as cfg and log, beside what gunicorn itself makes of the same settings."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.handlers
import os
import sys
import types
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import KNOWN_SETTINGS
from gunicorn.config import Config as TheirConfig
from gunicorn.glogging import Logger as TheirLog

from speyside.failure import Failure
from speyside.gunicorn.config import Config
from speyside.gunicorn.hooks import ARGUMENTS, Hook
from speyside.gunicorn.log import ACCESS, ERROR, Atoms, Log

DEFAULTS = {setting.name: setting.default for setting in KNOWN_SETTINGS if setting.name not in ARGUMENTS}
LOGGERS = (ERROR, ACCESS, "shop", "")
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "RAW_URI": '/a"b?q=1',
    "PATH_INFO": '/a"b',
    "QUERY_STRING": "q=1",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_REFERER": 'http://evil/"',
    "HTTP_USER_AGENT": "curl",
    "HTTP_AUTHORIZATION": "Basic YW5uOnNlY3JldA==",
}
EVERY_ATOM = (
    '%(h)s %(l)s %(u)s "%(r)s" %(s)s %(m)s %(U)s %(q)s %(H)s %(b)s %(B)s "%(f)s" "%(a)s" %(T)s %(D)s %(M)s %(L)s %(p)s '
    "%({X-Id}i)s %({x-none}i)s %({Content-TYPE}o)s %({HTTP_REFERER}e)s %(nothing)s"
)


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Leave all loggers as they were."""
    before = [(log, log.handlers[:], log.level, log.propagate) for log in map(logging.getLogger, LOGGERS)]
    yield
    for log, handlers, level, propagate in before:
        for handler in log.handlers:
            if handler not in handlers:
                handler.close()
        log.handlers[:], log.propagate = handlers, propagate
        log.setLevel(level)


def config(**values: Any) -> Config:
    return Config({**DEFAULTS, **values}, {}, {})


def theirs(**values: Any) -> TheirConfig:
    made = TheirConfig()
    for name, value in values.items():
        made.set(name, value)
    return made


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"bind": ["unix:/run/a.sock", "[::1]:80", "Example.org", "fd://3", ":81", "unix:///run/b"]},
        {"threads": 4},
        {"worker_class": "gevent", "threads": 4, "proc_name": "shop", "raw_env": ["A=1", "B=x=y"]},
        {"certfile": __file__, "loglevel": "debug"},
        {"user": "nobody", "group": "daemon"},
        {"user": "1", "group": 2},
    ],
)
def test_configuration_has_the_values_that_gunicorn_has(values: dict[str, Any]) -> None:
    ours, their = config(**values), theirs(**values)
    for name in (
        "address",
        "worker_class_str",
        "proc_name",
        "env",
        "uid",
        "gid",
        "user",
        "group",
        "loglevel",
        "workers",
        "threads",
        "bind",
    ):
        if name != "bind" or "bind" in values:
            assert getattr(ours, name) == getattr(their, name), name
    assert bool(ours.is_ssl) == bool(their.is_ssl)
    assert ours.settings["threads"].get() == their.settings["threads"].get()
    assert "threads" in str(ours)
    with pytest.raises(AttributeError):
        _ = ours.no_such_setting


def test_user_that_is_not_named_is_the_own_one() -> None:
    assert (config(user="", group=None).uid, config(group="").gid) == (os.geteuid(), os.getegid())
    assert config(user="no such user").user == "no such user"


def test_what_only_the_file_can_have_is_its_own() -> None:
    class Mine: ...

    hook = Hook(lambda server: None, 1)
    made = Config(
        {"logger_class": None, "workers": 3, "when_ready": None},
        {"logger_class": Mine, "workers": 2},
        {"when_ready": hook},
    )
    assert (made.logger_class, made.workers, made.when_ready) == (Mine, 3, hook.call)
    made.pre_fork(None, None)  # one that is not there does nothing


def a_request() -> tuple[Any, Any]:
    resp = types.SimpleNamespace(status="404 Not Found", sent=17, headers=[("Content-Type", "text/plain")])
    return resp, types.SimpleNamespace(headers=[("X-ID", "7")])


def test_access_lines_are_gunicorns(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"accesslog": "-", "access_log_format": EVERY_ATOM}
    ours, lines = Log(config(**values)), []
    ours.setup(ours.cfg)
    for made in (ours, TheirLog(theirs(**values))):
        resp, req = a_request()
        made.now = lambda: "[now]"  # type: ignore[method-assign]
        made.access(resp, req, ENVIRON, timedelta(seconds=61, microseconds=1234))
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1]
    assert 'ann "GET /a\\"b?q=1 HTTP/1.1" 404' in lines[0] and lines[0].endswith('7 - text/plain http://evil/\\" -\n')


def test_atoms_are_found_in_any_case() -> None:
    atoms = Atoms({"{x-id}i": "1", "h": 'a"b'})
    shown = "%({X-ID}i)s %(h)s %({Y}i)s %(z)s" % atoms  # noqa: UP031 - as an access_log_format is used
    assert shown == '1 a\\"b - -'


def test_error_log_is_written_as_gunicorn_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(config(loglevel="warning"))
    log.setup(log.cfg)
    log.info("not this")
    log.warning("that %s", 1)
    log.log("error", "and that")
    try:
        raise KeyError("x")
    except KeyError:
        log.exception("also")
    told = capsys.readouterr().err
    assert "not this" not in told and "KeyError: 'x'" in told
    assert [line.split("] ", 3)[-1] for line in told.splitlines() if line.startswith("[2")] == [
        "that 1",
        "and that",
        "also",
    ]
    assert logging.getLogger(ERROR).handlers[0]._gunicorn  # type: ignore[attr-defined] # applications look for it


def test_logging_configuration_is_applied_as_gunicorn_applies_it(tmp_path: Path) -> None:
    dictionary = {
        "version": 1,
        "formatters": {"short": {"format": "%(levelname)s %(name)s %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(tmp_path / "log"), "formatter": "short"}},
        "root": {"level": "DEBUG", "handlers": ["file"]},
        "loggers": {ERROR: {"level": "INFO", "handlers": ["file"], "propagate": False}, "shop": {"level": "WARNING"}},
    }

    def state() -> list[tuple[str, int, bool, list[str]]]:
        return [
            (name, log.level, log.propagate, [type(handler).__name__ for handler in log.handlers])
            for name, log in zip(LOGGERS, map(logging.getLogger, LOGGERS), strict=True)
        ]

    ours = Log(config(logconfig_dict=dictionary))
    ours.setup(ours.cfg)
    mine = state()
    ours.info("hello")
    assert (tmp_path / "log").read_text() == "INFO gunicorn.error hello\n"
    TheirLog(theirs(logconfig_dict=dictionary))
    assert mine == state()


def test_logging_file_and_json_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.ini").write_text(
        "[loggers]\nkeys=root,shop\n[handlers]\nkeys=out\n[formatters]\nkeys=\n[logger_root]\nhandlers=out\nlevel=INFO\n"
        "[logger_shop]\nlevel=ERROR\nhandlers=out\nqualname=shop\n[handler_out]\nclass=FileHandler\nargs=('%(here)s/out',)\n"
    )
    log = Log(config(logconfig=str(tmp_path / "a.ini")))
    log.setup(log.cfg)
    assert logging.getLogger("shop").level == logging.ERROR and (tmp_path / "out").exists()
    (tmp_path / "a.json").write_text('{"loggers": {"shop": {"level": "CRITICAL"}}}')
    log = Log(config(logconfig_json=str(tmp_path / "a.json")))
    log.setup(log.cfg)
    assert logging.getLogger("shop").level == logging.CRITICAL


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"logconfig_dict": {"version": 2}}, "logconfig_dict cannot be used: ValueError: Unsupported version: 2"),
        (
            {"logconfig_dict": {"handlers": {}}},
            "logconfig_dict cannot be used: ValueError: Unable to configure logger 'gunicorn.error': ",
        ),
        ({"logconfig": "/nowhere.ini"}, "logconfig cannot be used: FileNotFoundError: there is no file /nowhere.ini"),
        ({"logconfig_json": __file__}, "logconfig_json cannot be used: json.decoder.JSONDecodeError: "),
        ({"errorlog": "/nowhere/log"}, "errorlog cannot be written: /nowhere/log: No such file or directory"),
        ({"accesslog": "/"}, "accesslog cannot be written: /: Is a directory"),
    ],
)
def test_logging_configuration_that_cannot_be_is_one_error(values: dict[str, Any], said: str) -> None:
    log = Log(config(**values))
    with pytest.raises(Failure) as caught:
        log.setup(log.cfg)
    assert str(caught.value).startswith(said)


def test_log_file_that_was_renamed_is_made_anew(tmp_path: Path) -> None:
    log = Log(
        config(
            errorlog=str(tmp_path / "log"),
            logconfig_dict={
                "root": {},
                "handlers": {"plain": {"class": "logging.FileHandler", "filename": str(tmp_path / "plain")}},
                "loggers": {"shop": {"handlers": ["plain"], "propagate": False}},
            },
        )
    )
    log.setup(log.cfg)
    for round_ in range(2):
        logging.getLogger("shop").warning("%d", round_)
        if round_ == 0:
            (tmp_path / "plain").rename(tmp_path / "plain.1")
            log.reopen_files()
    assert (tmp_path / "plain").read_text() == "1\n" and (tmp_path / "plain.1").read_text() == "0\n"


def test_streams_are_those_of_the_time() -> None:
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream):
        log = Log(config())
        log.setup(log.cfg)
        log.error("here")
    assert "[ERROR] here" in stream.getvalue() and sys.stderr is not stream
