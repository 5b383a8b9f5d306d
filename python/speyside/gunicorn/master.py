"""gunicorn's hooks in the zygote: what its master does with Python, in its order.

Most callers need Master. Master.set_up comes before the application is imported, Master.start after it and before the
first fork; then each worker has Master.before_fork, Master.forked and, in itself, what Master.member returns.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from speyside import _faults, worker
from speyside.gunicorn.config import Config
from speyside.gunicorn.facades import App, Server, Worker
from speyside.gunicorn.hooks import Hooks
from speyside.gunicorn.log import Log
from speyside.gunicorn.member import Member

if TYPE_CHECKING:
    from speyside.gunicorn.reader import Configuration
    from speyside.loader import Application

START, RELOAD = "start", "reload"  # of the server; a zygote that replaces one that died is neither


class Master:
    """One generation's hooks."""

    def __init__(self, values: Mapping[str, Any], configuration: Configuration | None, app: str) -> None:
        """Take the values of the settings that are in effect, what was read, and the application's name."""
        own: dict[str, Any] = {}
        if configuration is not None:
            own = {name: configuration.names[name] for name in configuration.settings if name in configuration.names}
        found = configuration.hooks if configuration is not None else {}
        self.hooks = Hooks(found, configuration.file if configuration is not None else "")
        self.cfg = Config(values, own, found)
        self.log = Log(self.cfg)
        signal.signal(signal.SIGUSR1, worker.nothing)  # workers reopen their log files at it, when they can
        self.server = Server(self.cfg, self.log, App(app, self.cfg), 0)
        self._ends = False

    def set_up(self, workers: int, before: int | None) -> None:
        """Make the loggers, say how many workers there will be, set the environment; raise Failure."""
        self.log.setup(self.cfg)
        self.server.num_workers = workers
        self.hooks.call("nworkers_changed", _faults.HOOK_FAILED, self.server, workers, before)
        os.environ.update(self.cfg.env)

    def start(self, occasion: str, application: Application | None) -> None:
        """Begin to serve; the application is None when each worker imports it. Raise Failure."""
        self.server.app.callable = application
        if occasion == START:
            self.hooks.call("on_starting", _faults.HOOK_FAILED, self.server)
            self.hooks.call("when_ready", _faults.HOOK_FAILED, self.server)
        elif occasion == RELOAD:
            self.hooks.call("on_reload", _faults.HOOK_FAILED, self.server)

    def scaled(self, workers: int) -> None:
        """Note another number of workers."""
        before, self.server.num_workers = self.server.num_workers, workers
        self.hooks.tell("nworkers_changed", _faults.HOOK_FAILED, self.server, workers, before)

    def before_fork(self, age: int) -> Worker:
        """Return the worker that is about to be forked, the age-th of the server; raise Failure."""
        self.server.worker_age = age
        made = Worker(self.server)
        self.hooks.call("pre_fork", _faults.HOOK_FAILED, self.server, made)
        return made

    def forked(self, one: Worker, pid: int) -> None:
        """Note which process the worker is."""
        one.pid = pid
        self.server.WORKERS[pid] = one

    def member(self, one: Worker) -> Member:
        """Return the hooks of a worker, in its own process."""
        one.pid = os.getpid()
        return Member(self.hooks, self.server, one)

    def reaped(self, pid: int) -> None:
        """Tell of a worker that has ended."""
        ended = self.server.WORKERS.pop(pid, None)
        if ended is not None:
            self.hooks.tell("child_exit", _faults.HOOK_FAILED, self.server, ended)

    def before_exec(self) -> bool:
        """Call pre_exec in a process of its own, as gunicorn does; return whether the upgrade may go on."""
        if "pre_exec" not in self.hooks:
            return True
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if self.hooks.tell("pre_exec", _faults.HOOK_FAILED, self.server) else 1)
            finally:
                os._exit(1)
        return os.waitpid(pid, 0)[1] == 0

    def reopen(self) -> None:
        """Open log files anew, here and in the workers."""
        self.log.reopen_files()
        self.server.kill_workers(signal.SIGUSR1)

    def end_service(self) -> None:
        """Note that the server ends with this generation."""
        self._ends = True

    def end(self) -> None:
        """Say goodbye, when the server ends."""
        if self._ends:
            self._ends = False
            self.hooks.tell("on_exit", _faults.HOOK_FAILED, self.server)
