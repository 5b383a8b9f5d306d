"""Processes as /proc shows them."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def parent(pid: int) -> int:
    """Return the parent of a process, 0 when it is gone."""
    return _stat(pid)[1]


def running(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    return _stat(pid)[0] not in ("", "Z", "X")


def state(pid: int) -> str:
    """Return the letter of a process's state, "" when it is gone."""
    return _stat(pid)[0]


def stopped(pid: int) -> bool:
    """Say whether no thread of a process that was sent SIGSTOP runs on, or the process is gone."""
    try:
        threads = os.listdir(PROC / str(pid) / "task")
    except OSError:
        return True
    return all(_stat(int(thread), PROC / str(pid) / "task")[0] in ("T", "Z", "X", "") for thread in threads)


def _stat(pid: int, directory: Path = PROC) -> tuple[str, int]:
    try:
        text = (directory / str(pid) / "stat").read_text()
    except OSError:
        return "", 0
    letter, above = text.rpartition(")")[2].split()[:2]
    return letter, int(above)


def children(pid: int) -> list[int]:
    """Return the living children of a process, oldest first."""
    found = [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]
    return sorted(other for other in found if parent(other) == pid and running(other))


def marked(variable: str, value: str) -> list[int]:
    """Return the living processes that were started with this in their environment, whoever their parent is now."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in os.listdir(PROC):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environment = (PROC / entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and running(int(entry)):
            found.append(int(entry))
    return sorted(found)


def memory(pid: int) -> int:
    """Return the bytes that a process has in memory and shares with nobody through the segment."""
    sizes = {}
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssFile"):
            sizes[name] = int(value.split()[0]) * 1024
    return sum(sizes.values())


def resident(pid: int) -> int:
    """Return the bytes that a process has in memory, those of the segment among them."""
    pages = (PROC / str(pid) / "statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def maps(pid: int, library: str) -> bool:
    """Say whether a process has a library in memory."""
    return os.path.realpath(library) in (PROC / str(pid) / "maps").read_text()


def processor_time(pid: int) -> float:
    """Return the seconds that a process has computed, for itself and in the kernel."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(PROC / str(pid) / "fd"))


def files(pid: int) -> list[str]:
    """Return what the open descriptors of a process lead to."""
    directory = PROC / str(pid) / "fd"
    found = []
    for name in os.listdir(directory):
        try:
            found.append(os.readlink(directory / name))
        except OSError:  # closed meanwhile
            continue
    return found
