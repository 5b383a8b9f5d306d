"""Tells who serves a request, dies in several ways, and does what only some threads may."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from types import FrameType
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import Routes, as_json, query, text, wait_for_gate

application = Routes()
imported_by = os.getpid()
database: list[sqlite3.Connection] = []


@application.add("/")
def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer at once."""
    return text(start_response, "hello\n")


@application.add("/who")
def who(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Tell process and thread."""
    return as_json(
        start_response,
        {
            "pid": os.getpid(),
            "imported_by": imported_by,
            "thread": threading.get_ident(),
            "main": threading.current_thread() is threading.main_thread(),
            "multithread": environ["wsgi.multithread"],
            "multiprocess": environ["wsgi.multiprocess"],
        },
    )


@application.add("/faults")
def faults(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Use a MiB of the C library's heap, free it, and tell how many pages came from the kernel meanwhile."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    pieces = [b"x" * 65_536 for _ in range(16)]
    used = len(pieces)
    del pieces
    return as_json(
        start_response, {"used": used, "faults": resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before}
    )


@application.add("/gated")
def gated(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say who has begun the request, and answer when the gate opens."""
    name = query(environ)["name"]
    print(f"started {name} pid={os.getpid()}")
    wait_for_gate(environ)
    return text(start_response, f"{name} pid={os.getpid()}")


@application.add("/count")
def count(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Print the request's name, so that the test can count how often it was served, and take a moment."""
    name = query(environ)["name"]
    print(f"served {name}.")
    time.sleep(float(query(environ).get("pause", 0.002)))
    return text(start_response, name)


@application.add("/exit")
def leave(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """End the worker."""
    print(f"leaving {os.getpid()}")
    os._exit(7)


@application.add("/segfault")
def crash(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read where nothing is, in C code."""
    ctypes.string_at(0)
    return []


@application.add("/abort")
def abort(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """End as a failed assertion in C code does."""
    os.abort()


@application.add("/hog")
def hog(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Take memory until there is no more."""
    taken = []
    while True:
        taken.append(b"x" * (1 << 20))


@application.add("/exit-begun")
def leave_begun(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """End the worker in the middle of the reply."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    wait_for_gate(environ)
    os._exit(7)


@application.add("/subprocess")
def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Run programs in several ways."""
    script = "import signal, sys; print(signal.getsignal(signal.SIGINT) == signal.default_int_handler)"
    inner = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    failed = subprocess.run(["false"], check=False)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"forked")
        os._exit(5)
    os.close(writer)
    said = os.read(reader, 100).decode()
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return as_json(start_response, [inner.stdout, failed.returncode, said, status])


@application.add("/shell")
def shell(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Print from another program, among our own lines."""
    print("before the shell")
    subprocess.run(["sh", "-c", "echo from the shell"], check=True)
    print("after the shell")
    return text(start_response, "ran")


@application.add("/signal")
def handle(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Set a signal handler and have it called."""
    called: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        called.append(number)

    before = signal.signal(signal.SIGUSR1, handler)
    signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    return as_json(start_response, called == [signal.SIGUSR1])


@application.add("/sqlite")
def sqlite(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Use a connection that an earlier request has made: sqlite3 allows it in the same thread only."""
    if not database:
        database.append(sqlite3.connect(":memory:"))
        database[0].execute("create table calls (number integer)")
    database[0].execute("insert into calls values (1)")
    return as_json(start_response, database[0].execute("select count(*) from calls").fetchone()[0])


@application.add("/asyncio")
def run_asyncio(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Run an event loop, and in it a program, for which asyncio wants signals."""

    async def program() -> str:
        process = await asyncio.create_subprocess_exec("echo", "from asyncio", stdout=subprocess.PIPE)
        said, _ = await process.communicate()
        return said.decode()

    return as_json(start_response, asyncio.run(program()))
