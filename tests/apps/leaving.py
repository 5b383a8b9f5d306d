"""Asks whether its client has left: `/watch` until it has, in the thread that `?thread=own` names."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

from .replies import application
from .routes import LONGEST, as_json, query, text, wait_for_gate

__all__ = ["application"]
kept: dict[str, Callable[[], bool]] = {}


def await_leave(name: str, left: Callable[[], bool]) -> None:
    """Wait until the client has left, and print it."""
    deadline = time.monotonic() + LONGEST
    while not left():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.002)
    print(f"left {name}")


@application.add("/watch")
def watch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer when the client has left."""
    told = query(environ)
    left: Callable[[], bool] = environ["speyside.client_disconnected"]
    print(f"watching {told['name']} {left()}")
    if told.get("thread") == "own":
        thread = threading.Thread(target=await_leave, args=(told["name"], left))
        thread.start()
        thread.join()
    else:
        await_leave(told["name"], left)
    return text(start_response, "watched\n")


@application.add("/watch-late")
def watch_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a first block, and watch then."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return late(query(environ)["name"], environ["speyside.client_disconnected"])


def late(name: str, left: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the blocks."""
    yield b"first"
    await_leave(name, left)
    yield b"second"


@application.add("/keep")
def keep(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer when the gate opens, and keep what can be asked."""
    name = query(environ)["name"]
    kept[name] = environ["speyside.client_disconnected"]
    print(f"keeping {name}")
    wait_for_gate(environ)
    return text(start_response, "kept\n")


@application.add("/kept")
def ask_kept(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what the kept ones say."""
    return as_json(start_response, {name: left() for name, left in sorted(kept.items())})
