"""Notes in a file each request that it starts, and fails in every way that an application can.

Environment:
    LEDGER   a directory: `starts` is the file, and what else lies there tells a load of this application how to
             behave: `broken` (the import raises), `slow` (it takes a second), `unforked` (fork fails), `hold`
             (requests wait for `gate`).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import query

DIRECTORY = Path(os.environ["LEDGER"])
GENERATION = os.environ.get("SPEYSIDE_GENERATION", "")
STARTS = os.open(DIRECTORY / "starts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
PIECE = 16_000
HOG = 64 << 20

if (DIRECTORY / "broken").exists():
    raise RuntimeError("this load of the application is broken")
if (DIRECTORY / "slow").exists():
    time.sleep(1)

fork = os.fork


def fork_or_fail() -> int:
    """Fork, unless there shall be no room for another process."""
    if (DIRECTORY / "unforked").exists():
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()


os.fork = fork_or_fail


def hog() -> None:
    """Use all the memory that this process may have, and a little more."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + HOG, before[1]))
    held = []
    try:
        while True:
            held.append(mmap.mmap(-1, 1 << 20))
    except (OSError, MemoryError):
        held.append(bytes(1 << 30))  # raises MemoryError, as an application's own would
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def pieces(body: bytes, pause: float) -> Iterator[bytes]:
    """Yield a body in pieces."""
    for at in range(0, len(body), PIECE):
        yield body[at : at + PIECE]
        if pause:
            time.sleep(pause)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes] | list[bytes]:
    """Note the start, do what the path says, and answer with name, generation and pid, as often as `times` says."""
    asked = query(environ)
    name = asked["name"]
    os.write(STARTS, f"{name} {GENERATION} {os.getpid()}\n".encode())
    if (DIRECTORY / "hold").exists():
        while not (DIRECTORY / "gate").exists():
            time.sleep(0.005)
    match environ["PATH_INFO"]:
        case "/sleep":
            time.sleep(float(asked["seconds"]))
        case "/segfault":
            ctypes.string_at(0)
        case "/kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "/exit":
            os._exit(7)
        case "/hog":
            hog()
    got = len(environ["wsgi.input"].read())
    body = f"{name} {GENERATION} {os.getpid()} {got}\n".encode() * int(asked.get("times", 1))
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return pieces(body, float(asked.get("pause", 0)))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
