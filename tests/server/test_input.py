"""wsgi.input: every way to read gives what io.BytesIO gives, for bodies of every kind."""

from __future__ import annotations

import importlib
import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from harness.client import chunks, request

from harness import Server, running

OPERATIONS = [
    "read",
    "read:-1,read",
    "read:0,read:1,read:10,read",
    "pieces:1000",
    "pieces:16384",
    "pieces:100000",
    "read:16383,read:2,read:16384,read",
    "readline,readline,read:3,readline,read",
    "readline:0,readline:5,readline:100000,readline:-1,read",
    "readlines",
    "readlines:100,readlines:20000,readlines",
    "readlines:0",
    "iterate",
    "readline,iterate",
    "read:50,iterate,read,readline,readlines,iterate",
    "read,read,read:5,readline,readlines,iterate",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.inputs", workers=1, threads=2) as made:
        yield made


def lines(size: int) -> bytes:
    """Return lines of many lengths, empty and longer than any block, the last one without an end."""
    rng = random.Random(size)
    parts = []
    total = 0
    while total < size:
        length = rng.choice([0, 1, 3, 60, 61, 62, 1000, 20_000])
        part = rng.randbytes(length).replace(b"\n", b"\r") + b"\n"
        parts.append(part)
        total += len(part)
    return b"".join(parts)[: size - 1] + b"x" if size else b""


BODIES = {"nothing": lines(0), "small": lines(300), "hundred-kb": lines(100_000), "five-mb": lines(5 << 20)}


def expected(body: bytes, operations: str) -> Any:
    perform = importlib.import_module("apps.inputs").perform
    stream = io.BytesIO(body)
    return [perform(stream, operation) for operation in operations.split(",")]


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_reads_what_a_file_would(body: bytes, framing: str, server: Server) -> None:
    operations = OPERATIONS if len(body) < 1 << 20 else OPERATIONS[::3]
    with server.connect() as client:
        for ops in operations:
            target = f"/read?ops={ops}"
            if framing == "length":
                client.send(request("POST", target, body=body))
            else:
                head = request("POST", target, [("Transfer-Encoding", "chunked")])
                client.send(head + chunks(body[at : at + 9999] for at in range(0, len(body), 9999)))
            assert client.reply().json == expected(body, ops), ops


@pytest.mark.parametrize("size", [4, 14_000, 100_000, 5 << 20])
def test_reading_after_the_request_raises(size: int, server: Server) -> None:
    with server.connect() as client:
        client.post("/keep", lines(size))
        for _ in range(3):
            results = client.post("/kept", b"the body of another request").json
            assert len(results) == 5
            assert [each for each in results if " raised " not in each or "the request is over" not in each] == []
