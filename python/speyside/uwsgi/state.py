"""What the module `uwsgi` knows: what the file says, which worker this is, and what the workers tell each other.

Most callers need State. Counts lie in memory that all workers of a generation share; each writes its own row, and reads
the others'. Locks are the kernel's, on a file that all generations of a server share, and end with their process.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator

ROW = struct.Struct("8q")  # pid, requests, exceptions, microseconds, spawned, busy, respawned, –
ROWS = 4352  # as many numbers as workers can have
LOCKS_AT = 1 << 60  # beyond every byte of the spool: only the places are locked
PAGE = os.sysconf("SC_PAGE_SIZE")


class State:
    """One server's, as a process of it sees it."""

    def __init__(self, told: dict[str, object], spool: int, workers: int, threads: int) -> None:
        self.options = {name: value.encode() for name, value in _pairs(told.get("options"))}
        self.workers, self.threads = workers, threads
        self.imports, self.shared_imports = _texts(told.get("import")), _texts(told.get("shared_import"))
        self.argv = [word for line in _texts(told.get("argv")) for word in line.split()]
        self.added = [_header(line) for line in _texts(told.get("add_header"))]
        self.deleted = {name.strip().lower() for name in _texts(told.get("del_header"))}
        self.static = [one for one in _list(told.get("static")) if isinstance(one, dict)]
        self.indexes, self.skipped = _texts(told.get("static_index")), tuple(_texts(told.get("static_skip")))
        self.safe = _texts(told.get("static_safe"))
        title = told.get("title")
        self.title = (str(title.get("before")), str(title.get("after"))) if isinstance(title, dict) else None
        locks = told.get("locks")
        self.locks = [Lock(spool, n) for n in range(1 + (locks if isinstance(locks, int) else 0))]
        self.master = os.getppid()
        self.started = int(time.time())
        self.number = -1  # of the worker, counted from 0; -1: the process that forks them
        self.local = threading.local()
        self.reload: Callable[[], None] | None = None
        self._shared = mmap.mmap(-1, ROWS * ROW.size)
        self._counting = threading.Lock()

    def be_worker(self, number: int, reload: Callable[[], None]) -> None:
        """Begin this worker's row."""
        self.number, self.reload = number, reload
        _, _, _, _, spawned, _, respawned, _ = self.row(number)
        self._put(number, (os.getpid(), 0, 0, 0, int(time.time()), 0, respawned + (spawned != 0), 0))

    def row(self, number: int) -> tuple[int, ...]:
        """Return what a worker has told of itself."""
        return ROW.unpack_from(self._shared, number * ROW.size)

    def _put(self, number: int, row: tuple[int, ...]) -> None:
        ROW.pack_into(self._shared, number * ROW.size, *row)

    def count(self, requests: int, exceptions: int, microseconds: int, busy: int) -> None:
        """Add to this worker's row."""
        with self._counting:
            pid, served, raised, used, spawned, running, respawned, rest = self.row(self.number)
            row = (
                pid,
                served + requests,
                raised + exceptions,
                used + microseconds,
                spawned,
                running + busy,
                respawned,
                rest,
            )
            self._put(self.number, row)

    def rows(self) -> list[tuple[int, tuple[int, ...]]]:
        """Return number and row of every worker that lives."""
        return [(number, row) for number, row in enumerate(self._all()) if row[0] and _lives(row[0])]

    def _all(self) -> Iterator[tuple[int, ...]]:
        return ROW.iter_unpack(self._shared[:])

    def total(self) -> int:
        """Return how many requests all workers have served."""
        return sum(row[1] for row in self._all())


class Lock:
    """A lock that one thread of one worker has. It is given back when its worker ends, however it ends."""

    def __init__(self, file: int, number: int) -> None:
        self._file = file
        self._place = LOCKS_AT + number
        self._threads = threading.Lock()

    def acquire(self) -> None:
        """Wait until nobody has it."""
        self._threads.acquire()
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, self._place, os.SEEK_SET)
        except BaseException:  # a request that has timed out, too: the lock may be had by now
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place, os.SEEK_SET)
            self._threads.release()
            raise

    def release(self) -> None:
        """Give it back; without effect when this worker does not have it."""
        if not self._threads.locked():
            return
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place, os.SEEK_SET)
        self._threads.release()

    def locked(self) -> bool:
        """Tell whether a thread of any worker has it."""
        if not self._threads.acquire(blocking=False):  # while it is held no other thread can take what is tried here
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._place, os.SEEK_SET)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place, os.SEEK_SET)
        except OSError:
            return True
        finally:
            self._threads.release()
        return False


def memory(pid: int) -> tuple[int, int]:
    """Return how many bytes a process has in RAM, and of addresses."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            size, resident = file.read().split()[:2]
    except OSError:
        return 0, 0
    return int(resident) * PAGE, int(size) * PAGE


def _lives(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item for item in _list(value) if isinstance(item, str)]


def _pairs(value: object) -> list[tuple[str, str]]:
    return [(str(item[0]), str(item[1])) for item in _list(value) if isinstance(item, list) and len(item) == 2]


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()
