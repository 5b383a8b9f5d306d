"""The module `uwsgi`, as applications import it.

Most callers need make. What uWSGI gives as bytes is bytes; what is not there says so (missing.py).
"""

from __future__ import annotations

import os
import socket
import sys
import time
from types import ModuleType
from typing import Any

from speyside import _gateway
from speyside.uwsgi import missing
from speyside.uwsgi.state import Lock, State, memory

VERSION = (2, 0, 31, 0, b"")  # the uWSGI whose ways are followed


class Module(ModuleType):
    """A module that says what is not there, and why."""

    def __getattr__(self, name: str) -> Any:
        raise missing.error("uwsgi", name)


class Calls:
    """The functions."""

    def __init__(self, state: State) -> None:
        self._state = state

    def worker_id(self) -> int:
        """Return the number of this worker, from 1; 0 in the process that forks them."""
        return self._state.number + 1

    def masterpid(self) -> int:
        """Return the process that HUP reloads: the front."""
        return self._state.master

    def mule_id(self) -> int:
        """Return 0: this is no mule."""
        return 0

    def lock(self, number: int = 0) -> None:
        """Wait for a lock that one thread of all workers has."""
        self._lock(number).acquire()

    def unlock(self, number: int = 0) -> None:
        """Give a lock back."""
        self._lock(number).release()

    def is_locked(self, number: int = 0) -> bool:
        """Tell whether somebody has a lock."""
        return self._lock(number).locked()

    def _lock(self, number: int) -> Lock:
        if not 0 <= number < len(self._state.locks):
            raise ValueError("Invalid lock number")
        return self._state.locks[number]

    def reload(self) -> bool:
        """Load the application anew, beside this generation of it."""
        if self._state.reload is None:
            raise RuntimeError("uwsgi.reload() is for a worker, and this process forks them")
        self._state.reload()
        return True

    def set_logvar(self, name: str, value: str | bytes) -> None:
        """Remember a text with this request."""
        self._variables()[_bytes(name)] = _bytes(value)

    def get_logvar(self, name: str) -> bytes | None:
        """Return what set_logvar has remembered, or None."""
        return self._variables().get(_bytes(name))

    def _variables(self) -> dict[bytes, bytes]:
        variables: dict[bytes, bytes] | None = getattr(self._state.local, "variables", None)
        if variables is None:
            raise RuntimeError("there is no request in this thread")
        return variables

    def request_id(self) -> int:
        """Return how many requests this worker had served before this one."""
        return self._state.row(self._state.number)[1] if self._state.number >= 0 else 0

    def total_requests(self) -> int:
        """Return how many requests all workers have served since the application was loaded."""
        return self._state.total()

    def workers(self) -> tuple[dict[str, object], ...]:
        """Return what there is to know of each worker."""
        return tuple(_worker(number, row) for number, row in self._state.rows())

    def mem(self) -> tuple[int, int]:
        """Return how many bytes this process has in RAM, and of addresses."""
        return memory(os.getpid())

    def set_user_harakiri(self, seconds: int) -> None:
        """Have this request end after so many seconds; 0: no more."""
        if not _gateway.limit(max(0, int(seconds)) * 10):
            raise RuntimeError("there is no request in this thread")

    def log(self, text: str | bytes) -> bool:
        """Write a line to the log."""
        print(_bytes(text).decode(errors="replace"), file=sys.stderr)
        return True

    def setprocname(self, name: str) -> None:
        """Have the kernel show another name for this process, of at most 15 bytes."""
        with open("/proc/self/comm", "wb") as file:
            file.write(_bytes(name)[:15])

    def accepting(self) -> None:
        """Do nothing: the front knows which workers are ready."""

    def ready(self) -> bool:
        """Tell whether this is a worker."""
        return self._state.number >= 0

    def is_a_reload(self) -> bool:
        """Tell whether the application was loaded before."""
        return os.environ.get("SPEYSIDE_GENERATION", "1") != "1"

    def listen_queue(self, number: int = 0) -> int:
        """Return 0: the front accepts at once."""
        return 0

    def micros(self) -> int:
        """Return the time in microseconds."""
        return time.time_ns() // 1000

    def i_am_the_lord(self, legion: str = "") -> bool:
        """Return False: there are no legions."""
        return False


def make(state: State) -> Module:
    """Return the module."""
    module = Module("uwsgi", "What uWSGI has for applications, as far as Speyside has it.")
    calls = Calls(state)
    for name in dir(Calls):
        if not name.startswith("_"):
            setattr(module, name, getattr(calls, name))
    hostname = socket.gethostname().encode()
    values: dict[str, object] = {
        "opt": state.options,
        "numproc": state.workers,
        "cores": state.threads,
        "has_threads": 1,
        "version": b"2.0.31",
        "version_info": VERSION,
        "hostname": hostname,
        "started_on": state.started,
        "buffer_size": int(state.options.get("buffer-size", b"4096") or 4096),
        "applications": None,
        "unbit": None,
        "magic_table": {b"%": b"%", b"h": hostname, b"k": str(os.cpu_count() or 1).encode()},
    }
    module.__dict__.update(values)
    return module


def _worker(number: int, row: tuple[int, ...]) -> dict[str, object]:
    pid, requests, exceptions, microseconds, spawned, busy, respawned, _ = row
    resident, size = memory(pid)
    return {
        "id": number + 1,
        "pid": pid,
        "requests": requests,
        "delta_requests": requests,
        "signals": 0,
        "exceptions": exceptions,
        "status": b"busy" if busy > 0 else b"idle",
        "rss": resident,
        "vsz": size,
        "running_time": microseconds,
        "last_spawn": spawned,
        "respawn_count": respawned,
        "tx": 0,
        "avg_rt": microseconds // requests if requests else 0,
        "apps": (),
    }


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)
