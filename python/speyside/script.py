"""Script mode: a file is run once as `__main__`, and the server that it starts is Speyside.

Most callers need Script.run. The script's make_server and its kin end up in Script.serve: with one worker and one
thread the thread that called serves, so that the script sees what the application changes; with more, workers are
forked and the thread waits. A script that ends without having served is served by its `application`, then `app`.
"""

from __future__ import annotations

import builtins
import errno
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from types import FrameType, ModuleType
from typing import Any

from speyside import _faults, frameworks, loader, report, script_server, worker
from speyside.failure import Failure, summary, trimmed
from speyside.loader import Application
from speyside.zygote import Zygote

LAST_CALL = 1.0  # seconds that the main thread has to end by itself, when another thread served


class Script:
    """A script, from its first line to the end of the process."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._path = zygote.load.app
        self._worker: worker.SingleWorker | None = None
        self._recorded: frameworks.Recorded | None = None
        self._refused: OSError | None = None  # the last answer when it listens nowhere
        self._listening: list[tuple[str, int]] = []  # the address as the script has it, and with the port that it got
        self._loaded = False
        self._stopped = False  # a serve has returned because the front stops
        self._returned = False  # and it was a serve_forever
        self._interrupting = False
        self._over = False  # the last line of the script has run
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._idle = threading.Condition()
        self._serving = 0

    def run(self) -> int:
        """Run the script to its end and return its exit status; raise Failure when it fails before it has served."""
        self._handle_signals()
        script_server.take_over(self)
        frameworks.take_over(self._record)
        status = self._execute()
        self._over = True
        with self._idle:
            while self._serving:
                self._idle.wait()
        self._zygote.channel.send("ScriptEnded", status=status)
        return status

    def listen(self, host: str, port: int) -> tuple[str, int]:
        """Have the front listen for the script; return where it does."""
        if self._loaded:
            raise OSError("a script is served at one address by Speyside: make one server")
        if self._listening and (host, port) not in self._listening:
            said = "{}:{}".format(*self._listening[0])
            raise OSError(f"a script is served at one address by Speyside, and this one has {said}: make one server")
        try:
            given = self._zygote.wanted(host, port)
        except OSError as error:
            self._refused = error
            raise
        self._listening = [(host, port), (host, given[1])]
        return given

    def serve(self, application: Application, extra: Mapping[str, object], limit: int = 0) -> None:
        """Serve until told to stop; with a limit, so many requests, in the calling thread."""
        if self._stopped:
            if limit or self._returned:
                raise KeyboardInterrupt  # the script's loop would never end: this is how Ctrl-C ends it elsewhere
            self._returned = True
            return
        load = self._zygote.load
        with self._idle:
            self._serving += 1
        try:
            if limit or load.most_workers * load.threads == 1:
                self._serve_here(application, extra, limit)
            else:
                self._serve_in_workers(application, extra)
        finally:
            self._returned = self._stopped and not limit
            with self._idle:
                self._serving -= 1
                self._idle.notify_all()

    def shutdown(self) -> None:
        """Make serve return, whichever thread is in it."""
        if self._worker is not None:
            self._worker.pause()
        elif self._loaded:
            os.eventfd_write(self._wake, 1)
        with self._idle:
            while self._serving:
                self._idle.wait()

    def _serve_here(self, application: Application, extra: Mapping[str, object], limit: int) -> None:
        if self._worker is None:
            self._load(application, alone=True)
            self._worker = self._zygote.join(extra)
        self._worker.serve(application, limit)
        if self._worker.draining:
            self._worker.drained()
            self._stop()

    def _serve_in_workers(self, application: Application, extra: Mapping[str, object]) -> None:
        self._load(application, alone=False)
        if not self._zygote.fork_workers(application, extra, self._wake):
            worker.vanish(0)
        self._stop()

    def _load(self, application: Application, alone: bool) -> None:
        if self._loaded:
            raise RuntimeError(
                "a script is served by one serve_forever() at a time; once, if workers or threads are more"
            )
        self._loaded = True
        self._zygote.loaded(application, alone)

    def _stop(self) -> None:
        self._stopped = True
        if threading.current_thread() is not threading.main_thread():
            timer = threading.Timer(LAST_CALL, self._interrupt)
            timer.daemon = True
            timer.start()

    def _interrupt(self) -> None:
        """End a main thread that sleeps until Ctrl-C while another thread served."""
        self._interrupting = True
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGINT)

    def _handle_signals(self) -> None:
        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGTERM, self._on_terminate)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupting and not self._over:
            self._interrupting = False
            raise KeyboardInterrupt

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        if self._worker is not None:
            self._worker.drain()
        elif not self._loaded:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def _record(self, recorded: frameworks.Recorded) -> None:
        self._recorded = recorded

    def _execute(self) -> int:
        main = self._main_module()
        try:
            try:
                exec(self._compiled(), main.__dict__)  # noqa: S102 - running the script is the purpose
            except SystemExit as error:
                if self._exit_status(error) or self._loaded:
                    raise
            if not self._loaded:
                self._serve_rest(main.__dict__)
        except KeyboardInterrupt:
            return 0 if self._stopped else 130
        except Failure:
            raise
        except SystemExit as error:
            return self._exited(error)
        except BaseException as error:
            return self._raised(error)
        return 0

    def _exited(self, error: SystemExit) -> int:
        status = self._exit_status(error)
        if not self._loaded:
            text = f"{self._path} called sys.exit({error.code!r}) before it served"
            raise Failure(_faults.SCRIPT_FAILED, text, "it has to come to its make_server(), or to its end.") from error
        if isinstance(error.code, str):
            sys.stderr.write(error.code + "\n")
        return status

    def _raised(self, error: BaseException) -> int:
        if isinstance(error, OSError) and error is self._refused:
            taken = error.errno == errno.EADDRINUSE
            code = _faults.ADDRESS_IN_USE if taken else _faults.ADDRESS_NOT_BINDABLE
            raise Failure(code, error.strerror or str(error)) from error
        if not self._loaded:
            raise Failure(_faults.SCRIPT_FAILED, f"running {self._path}: {summary(error)}", "", error) from error
        report.record("ERROR", "script failed", trimmed(error), script=self._path, pid=os.getpid())
        return 1

    def _exit_status(self, error: SystemExit) -> int:
        if error.code is None:
            return 0
        return error.code & 0xFF if isinstance(error.code, int) else 1

    def _main_module(self) -> ModuleType:
        full = os.path.abspath(self._path)
        main = ModuleType("__main__")
        main.__dict__.update(__builtins__=builtins, __annotations__={}, __cached__=None)
        main.__dict__.update(__file__=full, __loader__=SourceFileLoader("__main__", full))
        sys.modules["__main__"] = main
        sys.argv[:] = [self._path]
        return main

    def _compiled(self) -> Any:
        try:
            with open(self._path, "rb") as file:
                source = file.read()
        except OSError as error:
            text = f"there is no file {self._path}" if isinstance(error, FileNotFoundError) else summary(error)
            raise Failure(_faults.SCRIPT_FAILED, text, f"the directory is {os.getcwd()}.") from error
        return compile(source, os.path.abspath(self._path), "exec", dont_inherit=True)

    def _serve_rest(self, names: dict[str, Any]) -> None:
        """Serve the application of a script that has ended without serving one."""
        if self._recorded is not None:
            self.listen(self._recorded.host, self._recorded.port)
            application = self._recorded.application
        else:
            application = loader.default(names, self._path)
        self.serve(application, {})
