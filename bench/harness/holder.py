"""The process that holds one server: starts it, adopts and reaps what it leaves behind, and ends it.

Started by `running.Running` as ``python -m harness.holder JSON``; callers need only that JSON's shape, `Order`. Being
a child subreaper it is an ancestor of every process of the server for as long as that lives, which makes the count in
processes.py complete. When its standard input closes, which also happens when the runner is killed, it ends
the whole tree; it never signals a process that is not below it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import TypedDict

from harness import processes

PR_SET_CHILD_SUBREAPER = 36


class Order(TypedDict):
    """What the runner wants held."""

    command: list[str]
    directory: str
    environment: dict[str, str]
    grace_seconds: float


def become_subreaper() -> None:
    """Orphans below us become our children."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reap() -> list[tuple[int, int]]:
    """Wait for every child that is dead already; answer their pids and exit codes."""
    gone: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return gone
        if not pid:
            return gone
        gone.append((pid, os.waitstatus_to_exitcode(status)))


def wait_for_end(server: int, wakeup: int) -> None:
    """Reap until standard input closes. Sleeps in select meanwhile: a holder must not cost the server CPU."""
    while True:
        readable, _, _ = select.select([0, wakeup], [], [])
        if wakeup in readable:
            os.read(wakeup, 4096)
            for pid, code in reap():
                if pid == server:
                    print(f"bench: server exited with {code}", file=sys.stderr, flush=True)
        if 0 in readable and not os.read(0, 4096):
            return


def signal_tree(number: signal.Signals) -> bool:
    """Signal all that lives below us; False when there is nothing left."""
    below = processes.descendants(processes.read_table(), os.getpid())
    for process in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
    return bool(below)


def end(server: int, grace_seconds: float) -> None:
    """Ask the server to stop, give it some seconds, then kill what is left of its tree."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline:
        reap()
        if not processes.descendants(processes.read_table(), os.getpid()):
            return
        time.sleep(0.02)
    while signal_tree(signal.SIGKILL):
        reap()
        time.sleep(0.02)


def hold(order: Order) -> None:
    """Run the server until told to end it."""
    become_subreaper()
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    began = time.monotonic()
    server = subprocess.Popen(
        order["command"],
        cwd=order["directory"],
        env=order["environment"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    print(f"bench: server started at {began:.6f} as {server.pid}", file=sys.stderr, flush=True)
    try:
        wait_for_end(server.pid, readable)
    finally:
        end(server.pid, order["grace_seconds"])
        # We reaped it ourselves; without this Popen would warn that it still runs.
        server.returncode = 0


if __name__ == "__main__":
    hold(json.loads(sys.argv[1]))
