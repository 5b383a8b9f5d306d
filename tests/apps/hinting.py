"""Gives early hints, as the path says, before it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

from .replies import application
from .routes import query, text, wait_for_gate

__all__ = ["application"]
Hints = Callable[[list[tuple[str, str]]], None]
STYLE = ("Link", "</style.css>; rel=preload; as=style")
SCRIPT = ("Link", "</script.js>; rel=preload; as=script")


@application.add("/hints")
def hints(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give two hints, and answer when the gate opens."""
    give: Hints = environ["wsgi.early_hints"]
    give([STYLE, ("X-First", "caf\xe9")])
    give([SCRIPT])
    give([])
    wait_for_gate(environ)
    return text(start_response, "hinted\n")


@application.add("/hints-late")
def late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give hints when start_response has been called, and when the first block has left."""
    give: Hints = environ["wsgi.early_hints"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    give([STYLE])
    return pieces(give)


def pieces(give: Hints) -> Iterator[bytes]:
    """Yield the blocks, and what a hint between them raises."""
    give([SCRIPT])
    yield b"first "
    try:
        give([STYLE])
    except RuntimeError as error:
        yield str(error).encode()


@application.add("/hints-raise")
def raises(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give a hint, and fail as the query says."""
    give: Hints = environ["wsgi.early_hints"]
    give([STYLE])
    how = query(environ)["how"]
    if how == "many":
        for _ in range(100):
            give([SCRIPT])
    elif how == "large":
        give([("X-Large", "x" * 10_000)])
        give([("X-Large", "x" * 10_000)])
    elif how == "split":
        give([("Link", "a\r\nSet-Cookie: stolen=1")])
    raise ValueError(how)
