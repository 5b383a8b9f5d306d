"""wsgi.input reads a body wherever it lies, and nothing after the request."""

import gc
import io
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from front import Front, N, until

KINDS = [
    pytest.param(N.BodyInline, id="inline"),
    pytest.param(N.BodyBlocks, id="blocks"),
    pytest.param(N.BodySpool, id="spool"),
]


def reading(front: Front, read: Callable[[Any], Any], body: bytes, kind: int) -> Any:
    """What read() of the application's wsgi.input returned."""
    got: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        got.append(read(environ["wsgi.input"]))
        return [b""]

    front.ask(application, method=b"POST", body=body, kind=kind)
    assert not front.reports, front.reports
    return got[0]


def body_for(kind: int) -> bytes:
    size = 5000 if kind == N.BodyInline else 5 * N.BlockSize + 77
    random.seed(kind)
    return b"".join(b"x" * random.choice([0, 1, 50, 900, 20000]) + b"\n" for _ in range(400))[:size]


def test_without_a_body_everything_is_empty(front: Front) -> None:
    def read(body: Any) -> Any:
        return body.read(), body.read(5), body.readline(), body.readlines(), list(body), body.readinto(bytearray(3))

    empty = (b"", b"", b"", [], [], 0)
    assert reading(front, read, b"", N.BodyNone) == empty
    assert reading(front, read, b"", N.BodyInline) == empty


@pytest.mark.parametrize("kind", KINDS)
def test_all_at_once(front: Front, kind: int) -> None:
    body = body_for(kind)
    for arguments in ((), (-1,), (None,), (10**9,)):
        assert reading(front, lambda i, a=arguments: i.read(*a), body, kind) == body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 4096, N.BlockSize - 1, N.BlockSize, N.BlockSize + 1, 65536, 70000])
def test_in_pieces(front: Front, kind: int, size: int) -> None:
    body = body_for(kind)[: 3 * N.BlockSize if size == 1 else None]

    def read(source: Any) -> list[bytes]:
        return list(iter(lambda: source.read(size), b""))

    pieces = reading(front, read, body, kind)
    assert b"".join(pieces) == body
    assert all(len(piece) == size for piece in pieces[:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_lines_are_those_of_bytesio(front: Front, kind: int) -> None:
    body = body_for(kind)
    assert reading(front, list, body, kind) == list(io.BytesIO(body))
    assert reading(front, lambda i: i.readlines(), body, kind) == io.BytesIO(body).readlines()
    for size in (1000, 20000, 1, 10**6):
        assert reading(front, lambda i, n=size: i.readlines(n), body, kind) == io.BytesIO(body).readlines(size)
        lines = reading(front, lambda i, n=size: list(iter(lambda: i.readline(n), b""))[:3000], body, kind)
        source = io.BytesIO(body)
        assert lines == list(iter(lambda s=source, n=size: s.readline(n), b""))[:3000]
    assert reading(front, lambda i: i.readline(0), body, kind) == b""


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_mixed_agree_with_bytesio(front: Front, kind: int) -> None:
    body = body_for(kind)

    def read(source: Any) -> list[Any]:
        random.seed(7)
        got: list[Any] = []
        for _ in range(300):
            size = random.choice([-1, 0, 1, 10, 5000, 40000]) if random.random() < 0.9 else 3
            way = random.choice(["read", "readline", "readinto", "readlines", "next"])
            if way == "readinto":
                into = bytearray(max(size, 0))
                got.append((source.readinto(into), bytes(into)))
            elif way == "next":
                got.append(next(source, None))
            elif way == "readlines":
                got.append(source.readlines(max(size, 1)))
            elif size >= 0:
                got.append(getattr(source, way)(size))
        return got

    assert reading(front, read, body, kind) == read(io.BytesIO(body))


@pytest.mark.parametrize("kind", KINDS)
def test_a_buffered_reader_can_be_put_on_it(front: Front, kind: int) -> None:
    class Raw(io.RawIOBase):
        def __init__(self, source: Any) -> None:
            self.source = source

        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            return int(self.source.readinto(into))

    body = body_for(kind)
    assert reading(front, lambda i: io.BufferedReader(Raw(i)).read(), body, kind) == body  # type: ignore[arg-type]


def test_arguments_are_checked(front: Front) -> None:
    def read(source: Any) -> None:
        for call in (lambda: source.read("1"), lambda: source.read(1, 2), lambda: source.readinto(b"read only")):
            with pytest.raises((TypeError, BufferError)):
                call()
        assert not hasattr(source, "close")
        with pytest.raises(TypeError):
            type(source)()

    reading(front, read, b"abc", N.BodyInline)


@pytest.mark.parametrize("kind", [pytest.param(N.BodyNone, id="none"), *KINDS])
def test_after_the_request_every_use_raises(front: Front, kind: int) -> None:
    kept: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        kept[0].readline(2)
        start_response("200 OK", [])
        return [b""]

    front.ask(application, method=b"POST", body=b"a\nb\nc" * 2000 if kind != N.BodyNone else b"", kind=kind)
    source = kept[0]
    front.environ()  # another request, which must not wake it
    for use in ("read", "readline", "readlines", "__next__", "__iter__"):
        with pytest.raises(ValueError, match="the request is over"):
            getattr(source, use)()
    with pytest.raises(ValueError, match="the request is over"):
        source.readinto(bytearray(1))
    del source, kept[:]
    gc.collect()


def test_a_body_read_after_the_reply_is_complete_keeps_the_slot(front: Front) -> None:
    body = b"y" * 3 * N.BlockSize
    got: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "1")])
        yield b"1"
        got.append(environ["wsgi.input"].read())

    reply = front.ask(application, method=b"POST", body=body, kind=N.BodyBlocks)
    assert reply.body == b"1" and got == [body] and not front.reports


def test_a_spool_that_is_too_short_is_an_oserror(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        os.ftruncate(front.spool, 10)
        with pytest.raises(OSError, match="the spool ends"):
            environ["wsgi.input"].read()
        with pytest.raises(OSError, match="the spool ends"):
            environ["wsgi.input"].readline()
        start_response("200 OK", [])
        return [b""]

    front.ask(application, method=b"POST", body=b"z" * 100000, kind=N.BodySpool)
    assert not front.reports


def test_a_broken_chain_of_blocks_is_an_oserror(front: Front) -> None:
    for broken in (0, 2**32 - 1, 10**6):

        def application(environ: dict[str, Any], start_response: Any, broken: int = broken) -> list[bytes]:
            front.set_table(front.blocks - 1, broken)
            with pytest.raises(OSError, match="chain"):
                environ["wsgi.input"].read()
            with pytest.raises(ValueError):
                environ["wsgi.input"].read()
            start_response("200 OK", [])
            return [b""]

        front.ask(application, method=b"POST", body=b"z" * 3 * N.BlockSize, kind=N.BodyBlocks)
    assert not front.reports


def test_two_threads_may_read_a_spooled_body(front: Front) -> None:
    import threading

    body = os.urandom(3_000_000)

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        source, taken = environ["wsgi.input"], []

        def read() -> None:
            while piece := source.read(100_000):
                taken.append(piece)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(body[i : i + 100_000] for i in range(0, len(body), 100_000))
        start_response("200 OK", [])
        return [b""]

    front.ask(application, method=b"POST", body=body, kind=N.BodySpool)
    assert not front.reports
    until(lambda: threading.active_count() == 1)
