"""The server as process 1 of a container: signals reach it, and it takes the status of every orphan."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import PATIENCE, SANITIZED, Server, processes, running, until

pytestmark = pytest.mark.alone  # their patience is short
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
APPLICATION = """
import os

def application(environ, start_response):
    if environ["PATH_INFO"] == "/stray":  # a grandchild of the worker that outlives its parent: it waits for a pipe
        if os.fork() == 0:
            if os.fork() == 0:
                os.execvp("cat", ["cat", environ["QUERY_STRING"]])
            os._exit(0)
        os.wait()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getppid()]
"""


@functools.cache
def namespaces() -> str:
    """Say why there can be no process namespace, or ""."""
    if shutil.which("unshare") is None:
        return "there is no unshare"
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"no process namespace: {tried.stderr.decode().strip()}"


@contextmanager
def contained(tmp_path: Path, provoked: bool = False) -> Iterator[tuple[Server, int]]:
    """Run the server as process 1 of a namespace; the pid is its own outside of it."""
    if why := namespaces():
        pytest.skip(why)
    (tmp_path / "strays.py").write_text(APPLICATION)
    with running("strays", "--workers=1", workers=None, cwd=tmp_path, within=UNSHARE, provoked=provoked) as server:
        server.log(r" worker ready ")
        (front,) = processes.children(server.process.pid)
        yield server, front
        os.kill(front, signal.SIGTERM)
        server.check_end(0)


def test_terminate_drains_and_hangup_reloads(tmp_path: Path) -> None:
    with contained(tmp_path) as (server, front):
        assert server.get("/").status == 200
        os.kill(front, signal.SIGHUP)
        server.log(r" generation took over generation=2")
        assert server.get("/").status == 200


def test_upgrade_is_refused(tmp_path: Path) -> None:
    with contained(tmp_path, provoked=True) as (server, front):
        os.kill(front, signal.SIGUSR2)
        server.log(r' WARN  upgrade refused why="the end of process 1 is the end of its container" code=SPY0019 ')
        assert server.get("/").status == 200


def test_signals_without_a_meaning_do_nothing(tmp_path: Path) -> None:
    with contained(tmp_path) as (server, front):
        for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGWINCH, signal.SIGPIPE, signal.SIGCONT, signal.SIGIO):
            os.kill(front, number)
        assert server.get("/").status == 200


@pytest.mark.skipif(SANITIZED, reason="a fork under a sanitizer takes its time")
def test_orphans_are_reaped_soon(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with contained(tmp_path) as (server, front):
        for _ in range(20):
            assert server.get("/stray?pipe").status == 200
        until(lambda: len(processes.children(front)) == 21, "orphans are the server's", PATIENCE)
        until(
            lambda: opened(tmp_path / "pipe") and len(processes.children(front)) == 1, "all orphans are dead", PATIENCE
        )
        began = time.monotonic()
        until(lambda: len(everyone(front)) == 1, "the zygote is the only child", PATIENCE)
        assert time.monotonic() - began < 3


def opened(pipe: Path) -> bool:
    """Let go who waits for the other end of a pipe now; who comes later waits for the next time."""
    with contextlib.suppress(OSError):  # nobody does
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return True


def everyone(pid: int) -> list[int]:
    """Return the children of a process, the dead ones too."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and processes.parent(int(entry)) == pid]


def test_what_the_application_left_running_ends_with_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with contained(tmp_path) as (server, front):
        assert server.get("/stray?pipe").status == 200
        until(lambda: len(processes.children(front)) == 2, "the orphan is the server's", PATIENCE)
