"""What hooks are given: `server` and `worker`, with the names that they have in gunicorn.

Most callers need Server and Worker. The master of gunicorn is two processes here: the front has the network, obeys
signals and has the pid that `server.pid` is; the hooks run in the zygote beside it, which forks the workers.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

from speyside import loader
from speyside.gunicorn.config import Config
from speyside.gunicorn.log import Log
from speyside.loader import Application

BOOTING = "[booting]"  # the pid of a worker that is not forked yet


class App:
    """The application as `server.app` and `worker.app`."""

    def __init__(self, name: str, cfg: Config) -> None:
        self.app_uri = name
        self.cfg = cfg
        self.callable: Application | None = None

    def load(self) -> Application:
        """Import the application."""
        return loader.load(self.app_uri, self.cfg.raw_paste_global_conf)

    def wsgi(self) -> Application:
        """Return the application; import it first when it is not there."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable


class Facade:
    """An object with gunicorn's names; what is not there says so."""

    what = "object"

    def __getattr__(self, name: str) -> Any:
        """Say that there is no such attribute, and why."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"the {self.what} of a hook has no {name!r} under Speyside")


class Server(Facade):
    """The server, as gunicorn's arbiter."""

    what = "server"

    def __init__(self, cfg: Config, log: Log, app: App, workers: int) -> None:
        self.cfg = cfg
        self.log = log
        self.app = app
        self.pid = os.getppid()  # the front's: signals to it act on the server
        self.address = cfg.address
        self.num_workers = workers
        self.timeout = cfg.value("timeout", 0)
        self.proc_name = cfg.proc_name
        self.worker_class = Worker
        self.worker_class_str = cfg.worker_class_str
        self.worker_age = 0
        self.master_name = "Master"
        self.master_pid = self.reexec_pid = 0
        self.pidfile = cfg.value("pidfile")
        self.systemd = "LISTEN_FDS" in os.environ
        self.WORKERS: dict[int, Worker] = {}
        self.LISTENERS: list[object] = []  # the front's alone

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal to a worker."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)

    def kill_workers(self, sig: int) -> None:
        """Send a signal to every worker."""
        for pid in list(self.WORKERS):
            self.kill_worker(pid, sig)

    def reload(self) -> None:
        """Load configuration and application anew, as HUP does."""
        os.kill(self.pid, signal.SIGHUP)

    def stop(self, graceful: bool = True) -> None:
        """End the server, as TERM does, or QUIT."""
        os.kill(self.pid, signal.SIGTERM if graceful else signal.SIGQUIT)


class Worker(Facade):
    """One worker: made in the zygote before the fork, and the same in the worker after it."""

    what = "worker"

    def __init__(self, server: Server) -> None:
        self.age = server.worker_age
        self.pid: int | str = BOOTING
        self.ppid = server.pid
        self.app = server.app
        self.cfg = server.cfg
        self.log = server.log
        self.timeout = server.timeout / 2
        self.sockets: list[object] = []
        self.wsgi: Application | None = None
        self.nr = 0
        self.max_requests = self._limit()
        self.leave: Callable[[], None] = _nothing  # has the process drain, once it serves
        self._alive = True
        self.booted = self.aborted = False
        self.reloader = None

    def _limit(self) -> int:
        most = int(self.cfg.value("max_requests", 0))
        return most + random.randint(0, int(self.cfg.value("max_requests_jitter", 0))) if most > 0 else sys.maxsize  # noqa: S311

    @property
    def alive(self) -> bool:
        """Whether it goes on; one that a hook, or a thread of its, sets to False finishes what it has and ends."""
        return self._alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self._alive = alive
        if not alive:
            self.leave()

    def notify(self) -> None:
        """Do nothing: nobody listens for the heartbeat of a worker, which may take its time."""

    def __str__(self) -> str:
        """Return what stands in log lines."""
        return f"<Worker {self.pid}>"


def _nothing() -> None:
    """Do nothing, where no worker serves yet."""
