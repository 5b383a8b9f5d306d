"""Starts a server with an application and stops it.

Most callers need `running`, a context that gives the port once the server has answered a request. It never ends a
process that it did not start, and never waits without a deadline.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import Connection, UnsoundAnswer

TESTS = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sys.executable).parent  # not resolved: a virtual environment links its Python
START_DEADLINE = 60.0
STOP_DEADLINE = 15.0
PAUSE = 0.05
READY = b"GET / HTTP/1.1\r\nHost: frameworks.example\r\nConnection: close\r\n\r\n"


class ServerDidNotStart(Exception):
    """The server ended, or gave no answer before the deadline; the message has the end of its log."""


@dataclass(frozen=True)
class Server:
    """A name, the command for a port and an application, whether it keeps connections, and how a module is named."""

    name: str
    command: Callable[[int, str], list[str]]
    keeps: bool
    wrap: str = "{}:application"


def _wsgiref(port: int, application: str) -> list[str]:
    return [sys.executable, "-m", "frameworks.serve_wsgiref", str(port), application]


def _gunicorn(port: int, application: str) -> list[str]:
    options = ["--workers", "1", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "75"]
    return [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *options, application]


def _speyside(port: int, application: str) -> list[str]:
    program = Path(os.environ.get("SPEYSIDE") or SCRIPTS / "speyside").absolute()
    return [str(program), "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4", application]


WSGIREF = Server("wsgiref", _wsgiref, keeps=False)
GUNICORN = Server("gunicorn", _gunicorn, keeps=True)
SPEYSIDE = Server("speyside", _speyside, keeps=True)
SERVER_NAMES = frozenset(server.name for server in (WSGIREF, GUNICORN, SPEYSIDE))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    server: Server, application: str, environment: dict[str, str], log: Path, deadline: float = START_DEADLINE
) -> Iterator[int]:
    """The port of a server that has answered `GET /`."""
    port = free_port()
    process = _started(server.command(port, application), environment, log)
    try:
        _await_answer(process, server, port, log, deadline)
        yield port
        if process.poll() is not None:
            raise AssertionError(f"{server.name} ended during the replay{_tail(log)}")
    finally:
        _stop(process)


def _started(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with log.open("wb") as output:
        try:
            return subprocess.Popen(
                command,
                cwd=TESTS,
                env={**os.environ, "PATH": path, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            hint = "build it, or name it in $SPEYSIDE" if "speyside" in command[0] else "see tests/requirements.txt"
            raise ServerDidNotStart(f"{command[0]}: {error.strerror}; {hint}") from error


def _await_answer(process: subprocess.Popen[bytes], server: Server, port: int, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerDidNotStart(f"{server.name} ended with {process.returncode} before it answered{_tail(log)}")
        if _answers(port, deadline - time.monotonic()):
            return
        time.sleep(PAUSE)  # between two tries to connect; the deadline decides
    raise ServerDidNotStart(f"{server.name} gave no answer in {seconds:.0f} s{_tail(log)}")


def _answers(port: int, patience: float) -> bool:
    try:
        connection = Connection(port, max(patience, PAUSE))
    except OSError:
        return False
    try:
        return connection.exchange("GET", READY).status == 200
    except (OSError, UnsoundAnswer):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()[-30:]
    return "; its log ends:\n" + "\n".join(lines) if lines else "; its log is empty"
