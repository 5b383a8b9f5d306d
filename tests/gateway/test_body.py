"""Bodies of every shape arrive whole, once, and are closed."""

from collections.abc import Iterator
from typing import Any

import pytest

from front import Front, N, Reply


class Body:
    """An iterable with close(), which counts."""

    def __init__(self, items: list[Any], error: BaseException | None = None, close_error: BaseException | None = None):
        self.items, self.error, self.close_error = items, error, close_error
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        yield from self.items
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class Sized(Body):
    def __len__(self) -> int:
        return len(self.items)


def returning(body: Any, headers: list[tuple[str, str]] | None = None, status: str = "200 OK") -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, headers or [])
        return body

    return application


def length(reply: Reply) -> str | None:
    return dict(reply.headers).get("Content-Length")


def codes(front: Front) -> list[str]:
    found = [report[0] for report in front.reports]
    front.reports.clear()
    return found


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_and_tuples_come_as_one_piece_with_a_length(front: Front, kind: Any) -> None:
    reply = front.ask(returning(kind([b"Hello World !"])))
    assert (reply.body, length(reply), reply.produced) == (b"Hello World !", "13", 1)
    reply = front.ask(returning(kind([b"a", b"", b"bc", b"d" * 1000])))
    assert (reply.body, length(reply), reply.produced) == (b"abc" + b"d" * 1000, "1003", 1)
    reply = front.ask(returning(kind([b""])))
    assert (reply.body, length(reply), reply.produced) == (b"", "0", 1)
    reply = front.ask(returning(kind([])))
    assert (reply.body, length(reply), reply.produced) == (b"", None, 1)
    assert not front.reports


def test_the_length_of_the_application_is_kept(front: Front) -> None:
    reply = front.ask(returning([b"abc"], [("content-length", "3")]))
    assert reply.headers == [("content-length", "3")] and reply.length == 3 and reply.flags == N.ReplyHasLength


@pytest.mark.parametrize("size", [15000, 15560, 15570, 16384, 40000, 100_000, 120_000])
def test_large_bodies_fill_blocks(front: Front, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    for shape in (
        [body],
        [body[: size // 3], body[size // 3 :]],
        iter([body]),
        [body[i : i + 999] for i in range(0, size, 999)],
    ):
        whole = b"".join(shape) if isinstance(shape, list) else body
        reply = front.ask(returning(shape))
        assert reply.body == whole
        if isinstance(shape, list):
            assert length(reply) == str(len(whole))
            assert all(piece == N.BlockSize for piece in reply.pieces[1:-1])
    assert front.blocks_in_use() == 0 and not front.reports


@pytest.mark.parametrize("size", range(N.HomeSize - N.ReplyHead - 60, N.HomeSize - N.ReplyHead + 10, 3))
def test_bodies_around_the_end_of_the_home_block(front: Front, size: int) -> None:
    for body in ([b"y" * size], iter([b"y" * size])):
        assert front.ask(returning(body)).body == b"y" * size
    assert front.blocks_in_use() == 0


def test_each_item_of_an_iterable_is_published_at_once(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for number in range(5):
            yield b"item %d" % number
            assert front.get("Slot", front.slot_at(0), "Produced") == number + 1
            assert front.rung(0) and front.state(0) == N.StateStarted
        yield b""
        assert not front.rung(0)

    reply = front.ask(application)
    assert reply.body == b"item 0item 1item 2item 3item 4" and length(reply) is None and not front.reports
    assert reply.pieces == [6] * 5


def test_an_iterable_of_one_item_gets_a_length(front: Front) -> None:
    body = Sized([b"one"])
    reply = front.ask(returning(body))
    assert (reply.body, length(reply), body.closed) == (b"one", "3", 1)
    assert length(front.ask(returning(Sized([b"one", b"two"])))) is None
    assert length(front.ask(returning(Sized([b"one"]), [("Content-Length", "3")]))) == "3"

    class Broken(Body):
        def __len__(self) -> int:
            raise ValueError

    assert front.ask(returning(Broken([b"x"]))).body == b"x" and not front.reports
    assert front.ask(returning({b"key": 1})).body == b"key"


def test_subclasses_of_bytes_and_list(front: Front) -> None:
    class Bytes(bytes):
        pass

    class List(list):  # type: ignore[type-arg]
        closed = 0

        def close(self) -> None:
            self.closed += 1

    body = List([Bytes(b"a"), Bytes(b"b")])
    assert front.ask(returning(body)).body == b"ab" and body.closed == 1


def test_start_response_may_be_called_at_the_first_iteration(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response("201 Late", [])
        yield b"x"

    reply = front.ask(application)
    assert reply.code == 201 and reply.body == b"x" and not front.reports


@pytest.mark.parametrize("body", [[], [b"x"], (b"x",), iter([b"x"]), iter([]), [b""]])
def test_without_start_response_it_is_told(front: Front, body: Any) -> None:
    assert front.ask(lambda environ, start_response: body).failed
    assert "start_response must be called" in front.reports[0][1]
    assert codes(front) == ["SPY0303"]


@pytest.mark.parametrize(
    "body", [["text"], ("text",), [b"a", "text"], [None], [3], [bytearray(b"x")], "text", b"bytes", None]
)
def test_bodies_that_are_not_bytes_are_told(front: Front, body: Any) -> None:
    assert front.ask(returning(body)).failed
    assert "PEP 3333" in front.reports[0][1] and "bytes" in front.reports[0][1]
    assert codes(front) == ["SPY0302"]


def test_an_item_that_is_not_bytes_cuts_a_reply_that_has_begun(front: Front) -> None:
    body = Body([b"good", "bad", b"never"])
    reply = front.ask(returning(body))
    assert reply.body == b"good" and reply.cut and not reply.failed
    assert body.closed == 1 and codes(front) == ["SPY0302"]


def test_what_cannot_be_iterated_is_told(front: Front) -> None:
    assert front.ask(returning(3)).failed
    assert codes(front) == ["SPY0301"]


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), RecursionError()]
)
def test_exceptions_are_told_and_the_worker_lives_on(front: Front, error: BaseException) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/before":
            raise error
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/after":
            raise error
        return Body([b"x"] if environ["PATH_INFO"] == "/late" else [], error)

    for path in (b"/before", b"/after", b"/early", b"/late"):
        reply = front.ask(application, method=b"POST", target=path)
        assert reply.failed == (path != b"/late") and reply.cut
        (report,) = front.reports
        assert report[0] == "SPY0301" and report[2:] == ("POST", path.decode(), error)
        assert report[4] is error and error.__traceback__ is not None
        error.__traceback__ = None
        front.reports.clear()
    assert front.ask(returning([b"fine"])).body == b"fine"


def test_the_path_in_a_report_is_the_one_of_the_request(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = "/changed"
        environ.clear()
        raise ValueError

    front.ask(application, target=b"/or%69ginal?q")
    assert front.reports[0][3] == "/original"


def test_a_long_list_is_500_when_nothing_has_left(front: Front) -> None:
    assert front.ask(returning([b"abcdef"], [("Content-Length", "3")])).failed
    assert front.ask(returning(iter([b"abcdef"]), [("Content-Length", "3")])).failed
    assert codes(front) == ["SPY0310"] * 2


def test_extra_bytes_are_dropped_and_told_once(front: Front) -> None:
    body = Body([b"ab", b"cdef", b"more", b"and more"])
    reply = front.ask(returning(body, [("Content-Length", "4")]))
    assert reply.body == b"abcd" and not reply.cut and body.closed == 1
    assert codes(front) == ["SPY0310"]

    def writes(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])(b"ab")
        return [b"cdef"]

    assert front.ask(writes).body == b"abcd"
    assert codes(front) == ["SPY0310"]


def test_missing_bytes_cut_the_reply_and_are_told(front: Front) -> None:
    reply = front.ask(returning(Body([b"ab", b"c"]), [("Content-Length", "4")]))
    assert reply.body == b"abc" and reply.cut
    assert codes(front) == ["SPY0311"]
    for body in ([b"abc"], [], iter([]), [b"a", b"b"]):
        assert front.ask(returning(body, [("Content-Length", "4")])).failed
        assert codes(front) == ["SPY0311"]


def test_a_reply_is_complete_when_its_length_is_reached(front: Front) -> None:
    states: list[int] = []

    class Late(Body):
        def __iter__(self) -> Iterator[bytes]:
            yield b"ab"
            states.append(front.state(0))
            yield b"cd"
            states.append(front.state(0))
            yield b""

        def close(self) -> None:
            super().close()
            states.append(front.state(0))

    body = Late([])
    reply = front.ask(returning(body, [("Content-Length", "4")]))
    assert reply.body == b"abcd" and reply.pieces == [2, 2] and body.closed == 1 and not front.reports
    assert states == [N.StateStarted, N.StateDone, N.StateDone]


def test_an_exception_after_the_reply_was_complete_is_only_told(front: Front) -> None:
    body = Body([b"ab"], ValueError("late"))
    reply = front.ask(returning(body, [("Content-Length", "2")]))
    assert reply.body == b"ab" and not reply.cut and body.closed == 1
    assert codes(front) == ["SPY0301"]


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "304 Not Modified"])
@pytest.mark.parametrize("items", [[b"dropped"], [], [b"dropped", b"too"]])
@pytest.mark.parametrize("kind", [list, tuple, Body])
def test_statuses_without_body_publish_none(front: Front, status: str, items: list[bytes], kind: Any) -> None:
    body = kind(items)
    reply = front.ask(returning(body, [("X-A", "b")], status))
    assert reply.body == b"" and reply.headers == [("X-A", "b")]
    assert reply.flags == N.ReplyNoBody and not front.reports
    assert getattr(body, "closed", 1) == 1


def test_head_publishes_no_body_and_keeps_the_length(front: Front) -> None:
    def head(body: Any, headers: list[tuple[str, str]] | None = None) -> Reply:
        reply = front.ask(returning(body, headers), method=b"HEAD")
        assert reply.body == b"" and reply.produced == 1 and not front.reports
        return reply

    assert length(head([b"abc"])) == "3"
    assert length(head([])) is None and length(head([b""])) is None
    assert length(head([], [("Content-Length", "99")])) == "99"
    assert length(head([b"x" * 100_000], [("Content-Length", "100000")])) == "100000"
    body = Body([b"x" * 100_000, b"y"])
    assert length(head(body)) is None and body.closed == 1
    assert length(head(Sized([b"abc"]))) == "3"
    assert length(head([b"much more"], [("Content-Length", "2")])) == "2"

    def writes(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"dropped")
        return [b"dropped"]

    assert front.ask(writes, method=b"HEAD").body == b""


def test_close_is_called_once_whatever_happens(front: Front) -> None:
    cases: list[tuple[Body, Any]] = [
        (Body([b"x"]), returning),
        (Body([]), returning),
        (Body(["bad"]), returning),
        (Body([b"x"], ValueError()), returning),
        (Body([], ValueError()), returning),
        (Body([b"x"]), lambda body: lambda environ, start_response: body),
        (Body([b"x"], close_error=ValueError()), returning),
        (Body([b"x"], ValueError(), KeyboardInterrupt()), returning),
    ]
    for body, make in cases:
        front.ask(make(body))
        assert body.closed == 1
    front.reports.clear()


def test_exceptions_of_close_are_told(front: Front) -> None:
    error = ValueError("in close")
    reply = front.ask(returning(Body([b"x"], close_error=error)))
    assert reply.body == b"x" and not reply.cut
    assert front.reports[0][0] == "SPY0301" and "close()" in front.reports[0][1] and front.reports[0][4] is error

    class Odd:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        @property
        def close(self) -> None:
            raise KeyError("not an AttributeError")

    front.reports.clear()
    assert front.ask(returning(Odd())).body == b"x"
    assert isinstance(front.reports[0][4], KeyError)


def test_an_iterable_without_close_is_fine(front: Front) -> None:
    assert front.ask(returning(map(bytes, [b"a", b"b"]))).body == b"ab" and not front.reports


def test_a_report_that_raises_harms_nobody(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from speyside import _gateway

    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    _gateway.configure([{}], lambda *fault: 1 / 0)
    assert front.ask(lambda environ, start_response: 1 / 0).failed
    assert len(seen) == 1 and seen[0].exc_type is ZeroDivisionError
