"""How much CPU bodies cost that are larger than what fits one read or one write."""

from __future__ import annotations

from dataclasses import replace

from harness.answers import Expected, Request
from harness.load import Wrk
from harness.metrics import CPU
from harness.paced import Closed
from scenarios import hello
from scenarios.base import Scenario, Target

MIB = bytes(range(256)) * 4096
PEERS = (*hello.IN_PROCESS, "granian", "gunicorn", "uwsgi", "uwsgi-nginx", "waitress", "cheroot")


def upload(name: str, size: int, connections: int, target: float, short: tuple[str, ...]) -> Scenario:
    """A POST whose body the application reads at once."""
    return replace(
        hello.SCENARIO,
        name=name,
        what=f"CPU per request of the whole server tree, POST of {size >> 10:,} KiB that the application reads",
        why="the body is copied on its way, and each server has its own way",
        app="upload_app:app",
        expected=Expected(b"taken", headers={"Content-Type": "text/plain", "Content-Length": "5"}),
        load=Wrk(connections=connections, request=Request(method="POST", body=b"x" * size)),
        target=Target(CPU, target),
        peers=PEERS,
        short=short,
    )


def binary(times: int) -> Expected:
    """Some MiB, of known length."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(MIB) * times)}
    return Expected(MIB, headers=headers, times=times)


UPLOAD = upload("upload", 64 << 10, 64, 1.00, hello.FASTEST)
UPLOAD_LARGE = upload("upload-8m", 8 << 20, 4, 1.20, ())

REPLY = replace(
    hello.SCENARIO,
    name="large-reply",
    what="CPU per request of the whole server tree, a reply of 1 MiB",
    why="in-process servers write from the application's own object; between processes the bytes are copied once more",
    app="large_app:app",
    expected=binary(1),
    target=Target(CPU, 1.20),
    peers=PEERS,
    short=hello.FASTEST,
)

REPLY_HUGE = replace(
    REPLY,
    name="reply-100m",
    what="CPU per request of the whole server tree, a reply of 100 MiB in 100 blocks, to 2 clients",
    why="more than any buffer: the server waits for its clients, and what it keeps meanwhile shows in its memory. "
    "Every "
    "body is checked",
    app="large_app:huge",
    expected=binary(100),
    load=Closed(connections=2),
    target=Target(CPU, 1.50),
    short=(),
)

STREAM = replace(
    REPLY,
    name="stream",
    what="CPU per request of the whole server tree, a generator of 1,000 blocks of 1 KiB, length unknown",
    why="PEP 3333 has each block sent before the next is asked for: 1,000 times what a block costs. Every body is "
    "checked. "
    "FastWSGI, fastpysgi and bjoern may join blocks",
    app="stream_app:app",
    expected=Expected(bytes(range(256)) * 4, headers={"Content-Type": "application/octet-stream"}, times=1000),
    load=Closed(connections=8),
    target=Target(CPU, 1.50),
    # waitress closes the connection after a reply whose length it did not know.
    peers=(*hello.IN_PROCESS, "granian", "gunicorn", "uwsgi", "uwsgi-nginx", "cheroot"),
    short=(),
)

FILE = replace(
    REPLY,
    name="file-wrapper",
    what="CPU per request of the whole server tree, a file of 1 MiB through wsgi.file_wrapper",
    why="servers that have it may send the file without reading it; for the others the application reads blocks of "
    "64 KiB",
    app="file_app:app",
    target=Target(CPU, 1.20),
    short=(),
)

SCENARIOS = (UPLOAD, UPLOAD_LARGE, REPLY, REPLY_HUGE, STREAM, FILE)
