"""gunicorn's hooks in a worker.

Most callers need Member: prepare before the worker claims, then what happens to it. With a hook for requests, or access
lines that go through the user's loggers, the application is wrapped (requests.py); else it is served as it is.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from speyside import _faults
from speyside.gunicorn.facades import Server, Worker
from speyside.gunicorn.hooks import Hooks
from speyside.loader import Application

ABORT = 62  # a signal that nobody else uses: has the main thread call worker_abort
PATIENCE = 0.5  # seconds that the main thread has for it, then another thread does
QUICK = (signal.SIGINT, signal.SIGQUIT)


class Member:
    """The hooks of one worker."""

    def __init__(self, hooks: Hooks, server: Server, worker: Worker) -> None:
        self.hooks = hooks
        self.server = server
        self.worker = worker
        self.retire: Callable[[], None] = _nothing  # has the worker drain
        worker.leave = lambda: self.retire()
        self._left = False
        self._leaving = threading.RLock()
        self._interrupted = threading.Event()
        self._interruption = [True]  # taken by whoever calls worker_int
        self._aborting: list[threading.Event] = []  # what is to be called once, by whoever comes first

    def prepare(self, load: Callable[[], Application]) -> Application:
        """Call the hooks between fork and service, and import in between; return what to serve. Raise Failure."""
        self.hooks.call("post_fork", _faults.WORKER_HOOK_FAILED, self.server, self.worker)
        os.environ.update(self.server.cfg.env)
        self._take_signals()
        app = self.worker.app
        if app.callable is None:
            app.callable = load()
        before = self.worker.wsgi = app.callable
        self.hooks.call("post_worker_init", _faults.WORKER_HOOK_FAILED, self.worker)
        served = self.worker.wsgi if self.worker.wsgi is not before else app.callable
        self.worker.booted = True
        if served is None or not self._watches_requests():
            return before if served is None else served
        from speyside.gunicorn.requests import Watched

        return Watched(served, self)

    def _watches_requests(self) -> bool:
        return "pre_request" in self.hooks or "post_request" in self.hooks or self.worker.cfg.logs_access

    def _take_signals(self) -> None:
        for number in QUICK:
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGUSR1, self._reopen)
        signal.signal(ABORT, self._abort)

    def interrupt(self) -> None:
        """Call worker_int, because the server was interrupted: in the main thread, if that comes to it."""
        main = threading.main_thread()
        if threading.current_thread() is not main and signal.getsignal(signal.SIGINT) == self._signalled:
            signal.pthread_kill(main.ident or 0, signal.SIGINT)
            self._interrupted.wait(PATIENCE)
        self._signalled()

    def _signalled(self, number: int = 0, frame: FrameType | None = None) -> None:
        try:
            self._interruption.pop()
        except IndexError:
            return  # once is enough: the terminal and the front may both say it
        self.hooks.tell("worker_int", _faults.WORKER_HOOK_FAILED, self.worker)
        self._interrupted.set()

    def _reopen(self, number: int, frame: FrameType | None) -> None:
        self.worker.log.reopen_files()

    def abort(self) -> None:
        """Call worker_abort, because a request has used up its time: in the main thread, if that comes to it."""
        if "worker_abort" not in self.hooks:
            return
        called = threading.Event()
        self._aborting.append(called)
        main = threading.main_thread()
        if threading.current_thread() is not main and signal.getsignal(ABORT) == self._abort:
            signal.pthread_kill(main.ident or 0, ABORT)
            called.wait(PATIENCE)
        self._abort()

    def _abort(self, number: int = 0, frame: FrameType | None = None) -> None:
        try:
            called = self._aborting.pop()
        except IndexError:
            return
        self.worker.alive = False
        self.worker.aborted = True
        self.hooks.tell("worker_abort", _faults.WORKER_HOOK_FAILED, self.worker)
        called.set()

    def exit(self, requests: int) -> None:
        """Call worker_exit, the last thing before the process ends."""
        with self._leaving:  # whoever comes second waits for the hook, and then may end the process
            if self._left:
                return
            self._left = True
            self.worker.nr = max(self.worker.nr, requests)
            self.worker.alive = False
            self.hooks.tell("worker_exit", _faults.WORKER_HOOK_FAILED, self.server, self.worker)


def _nothing() -> None:
    """Do nothing, before there is a worker that could drain."""
