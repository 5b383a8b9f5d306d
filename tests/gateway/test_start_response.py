"""start_response and write() keep the rules of PEP 3333, and name the one that was broken."""

import sys
from typing import Any

import pytest

from front import Front, N, until


def starting(status: Any, headers: Any, *more: Any) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, headers, *more)
        return [b"body"]

    return application


def refused(front: Front, status: Any, headers: Any, code: str, error: type[BaseException]) -> str:
    """Checks that it is refused with this code, twice: caught by the application, and not. Returns the detail."""
    reply = front.ask(starting(status, headers))
    assert reply.failed and reply.state == N.StateDone
    (report,) = front.reports
    assert report[0] == code and report[2:4] == ("GET", "/") and type(report[4]) is error
    assert report[1] == str(report[4])
    front.reports.clear()

    def recovers(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with pytest.raises(error):
            start_response(status, headers)
        start_response("500 Recovered", [])
        return [b"recovered"]

    reply = front.ask(recovers)
    assert reply.status == b"500 Recovered" and reply.body == b"recovered" and not front.reports
    return report[1]


def test_status_and_headers_arrive_as_given(front: Front) -> None:
    headers = [("Content-Type", "text/plain"), ("X-Empty", ""), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; c\td")]
    reply = front.ask(starting("404 Not Found", headers))
    assert (reply.status, reply.code) == (b"404 Not Found", 404)
    assert reply.headers == [*headers, ("Content-Length", "4")]
    assert reply.body == b"body" and reply.flags == N.ReplyHasLength and reply.length == 4


def test_latin_1_is_sent_as_latin_1(front: Front) -> None:
    value = "".join(map(chr, [9, *range(32, 127), *range(128, 256)]))
    reply = front.ask(starting("200 \u00dcber \u00e9", [("X-Value", value), ("X-Long", "\u00e9" * 5000)]))
    assert reply.status == b"200 \xdcber \xe9"
    assert dict(reply.headers)["X-Value"] == value and dict(reply.headers)["X-Long"] == "\u00e9" * 5000


@pytest.mark.parametrize(
    "status",
    [200, b"200 OK", None, "200", "200OK", "20 OK", "OK", "", "2000 OK", "x00 OK", "099 OK", " 200 OK", "200 OK ",
     "200 OK\r\nX: y", "200 OK\n", "200\tOK", "200 O\tK", "200 O\0K", "200 \u20ac", "200 \ud800", "200 " + "x" * 253,
     "\u0662\u0660\u0660 OK"],
)  # fmt: skip
def test_a_status_must_be_digits_space_reason(front: Front, status: Any) -> None:
    error = ValueError if isinstance(status, str) else TypeError
    assert "status" in refused(front, status, [], "SPY0305", error)


@pytest.mark.parametrize("status", ["100 Continue", "101 Switching Protocols", "103 Early Hints", "199 Own"])
def test_a_status_must_be_a_final_one(front: Front, status: str) -> None:
    assert "wsgi.early_hints" in refused(front, status, [], "SPY0315", ValueError)


@pytest.mark.parametrize("status", ["200 ", "200 OK", "999 Own", "200 " + "x" * 252])
def test_unusual_statuses_that_are_allowed(front: Front, status: str) -> None:
    assert front.ask(starting(status, [])).status.decode() == status


@pytest.mark.parametrize(
    "headers",
    [None, (), {}, {"A": "b"}, "A: b", iter([]), [["A", "b"]], [("A",)], [("A", "b", "c")], [None], ["Ab"], [("A", 1)],
     [("A", b"b")], [(b"A", "b")], [("A", None)], [("A", "b"), ("C", 3)]],
)  # fmt: skip
def test_headers_must_be_a_list_of_pairs_of_str(front: Front, headers: Any) -> None:
    assert "PEP 3333" in refused(front, "200 OK", headers, "SPY0314", TypeError)


@pytest.mark.parametrize(
    "name",
    ["", "A B", "A:", ":", "A\r\nB", "A\n", "\u00e9", "\ud800", "A\0", "A\x7f", "(A)", 'A"', "A/B", "A=B", "A\t"],
)
def test_a_name_must_be_a_token(front: Front, name: str) -> None:
    assert "token" in refused(front, "200 OK", [(name, "v")], "SPY0306", ValueError)


@pytest.mark.parametrize(
    "value",
    ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "\x01", "\x1f", "\x7f", "x" * 7 + "\n", "x" * 8 + "\x7f",
     "x" * 100 + "\0", "\u00e9\n", "\u20ac", "\ud800", "a\u0100", "\U0001f600"],
)  # fmt: skip
def test_a_value_must_be_latin_1_without_control_characters(front: Front, value: str) -> None:
    told = refused(front, "200 OK", [("X-A", "ok"), ("X-Name", value)], "SPY0307", ValueError)
    assert "X-Name" in told and "PEP 3333" in told and value not in told


def test_no_character_of_a_value_is_overlooked_wherever_it_is(front: Front) -> None:
    """Each length that ends before, on and behind a border of eight bytes, each place, each kind of character."""
    refused_ones = set()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for length in range(1, 27):
            for place in range(length):
                for wrong in "\0\n\r\x1f\x7f\u0100":
                    value = "v" * place + wrong + "v" * (length - place - 1)
                    for around in (value, value[::-1], value.replace("v", "\u00e9"), value.replace("v", "\t")):
                        with pytest.raises(ValueError, match="the value of header 'X-Name'"):
                            start_response("200 OK", [("X-Name", around)])
                        refused_ones.add(wrong)
        start_response("200 OK", [])
        return [b""]

    front.ask(application)
    assert refused_ones == set("\0\n\r\x1f\x7f\u0100") and not front.reports


def test_every_length_of_a_value_arrives_whole(front: Front) -> None:
    values = [text * length for length in range(27) for text in ("v", "\t", "\u00e9", "a\u00ff\t~")]
    reply = front.ask(starting("200 OK", [(f"X-{n}", value) for n, value in enumerate(values)]))
    assert [value for name, value in reply.headers if name.startswith("X-")] == values


@pytest.mark.parametrize(
    "name",
    ["Connection", "keep-alive", "Proxy-Authenticate", "PROXY-AUTHORIZATION", "TE", "te", "Trailer", "Trailers",
     "Transfer-Encoding", "tRANSFER-eNCODING", "Upgrade"],
)  # fmt: skip
def test_hop_by_hop_headers_are_refused(front: Front, name: str) -> None:
    assert "hop-by-hop" in refused(front, "200 OK", [(name, "x")], "SPY0308", ValueError)


@pytest.mark.parametrize(
    "name", ["Connections", "Keep_Alive", "Up-grade", "T", "Trailed", "Dates", "Serves", "Content-Lengths"]
)
def test_names_that_only_look_like_special_ones_pass(front: Front, name: str) -> None:
    reply = front.ask(starting("200 OK", [(name, "x")]))
    assert reply.headers == [(name, "x"), ("Content-Length", "4")] and reply.flags == N.ReplyHasLength


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "+1", "4 ", " 4", "4,4", "0x4", "4.0", "1" * 20, "\u0664", "4_0", "9" * 5000]
)
def test_content_length_must_be_digits(front: Front, value: str) -> None:
    code = "SPY0307" if value == "\u0664" else "SPY0309"
    refused(front, "200 OK", [("Content-Length", value)], code, ValueError)


def test_content_length_comes_once(front: Front) -> None:
    twice = [("Content-Length", "4"), ("content-length", "4")]
    assert "twice" in refused(front, "200 OK", twice, "SPY0309", ValueError)


def test_date_and_server_of_the_application_are_told(front: Front) -> None:
    assert front.ask(starting("200 OK", [("dAte", "x")])).flags & N.ReplyHasDate
    assert front.ask(starting("200 OK", [("Server", "x")])).flags & N.ReplyHasServer
    assert not front.ask(starting("200 OK", [])).flags & (N.ReplyHasServer | N.ReplyHasDate)


def test_a_head_of_15_kib_fits_and_one_byte_more_is_told(front: Front) -> None:
    room = N.HomeSize - 48 - N.ReplyHead - len("X-Big: \r\n")
    reply = front.ask(starting("200 OK", [("X-Big", "v" * room)]))
    assert reply.body == b"body" and dict(reply.headers)["X-Big"] == "v" * room
    for value in ("v" * (room + 1), "\u00e9" * (room + 1), "v" * 10**6):
        assert "larger" in refused(front, "200 OK", [("X-Big", value)], "SPY0313", ValueError)
    assert "larger" in refused(front, "200 OK", [("X" * 20000, "v")], "SPY0313", ValueError)
    assert "larger" in refused(front, "200 OK", [(f"X-{n}", "v" * 50) for n in range(1000)], "SPY0313", ValueError)


def test_a_second_call_without_exc_info_is_an_error(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    assert front.ask(application).failed
    assert front.reports[0][0] == "SPY0304" and type(front.reports[0][4]) is AssertionError


def test_exc_info_replaces_a_head_that_has_not_left(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "99"), ("Date", "x"), ("X-First", "1")])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
        return [b"error page"]

    reply = front.ask(application)
    assert reply.status == b"500 Oops" and reply.body == b"error page" and reply.flags == N.ReplyHasLength
    assert reply.headers == [("X-Second", "2"), ("Content-Length", "10")] and not front.reports


def test_exc_info_by_name_and_none(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for wrong in ((), ("200 OK",), ("200 OK", [], None, None)):
            with pytest.raises(TypeError):
                start_response(*wrong)
        with pytest.raises(TypeError):
            start_response("200 OK", [], nothing=None)
        with pytest.raises(TypeError):
            start_response("200 OK", response_headers=[])
        start_response("200 OK", [], exc_info=None)
        with pytest.raises(AssertionError):
            start_response("200 OK", [], exc_info=None)
        with pytest.raises(AssertionError):
            start_response("200 OK", [], None)
        start_response("201 OK", [], exc_info=(ValueError, ValueError(), None))
        return [b""]

    assert front.ask(application).code == 201 and not front.reports


def test_exc_info_is_raised_again_when_the_head_has_left(front: Front) -> None:
    errors: list[BaseException] = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"first"
        try:
            raise KeyError("the reason")
        except KeyError as error:
            errors.append(error)
            start_response("500 Oops", [], sys.exc_info())
        yield b"never"

    reply = front.ask(application)
    assert reply.status == b"200 OK" and reply.body == b"first" and reply.cut
    (report,) = front.reports
    assert report[0] == "SPY0301" and report[4] is errors[0]
    assert report[4].__traceback__ is not None


@pytest.mark.parametrize("wrong", [1, (), (1, 2, 3), (None, None, None), (ValueError, ValueError(), 3)])
def test_exc_info_that_is_none_at_all(front: Front, wrong: Any) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])(b"x")
        with pytest.raises(TypeError, match="sys.exc_info"):
            start_response("200 OK", [], wrong)
        return []

    assert front.ask(application).body == b"x" and not front.reports


def test_write_sends_before_the_iterable(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("X-A", "b")])
        assert write(b"") is None
        assert front.get("Slot", front.slot_at(0), "Produced") == 0
        write(b"one")
        assert front.get("Slot", front.slot_at(0), "Produced") == 1 and front.rung(0)
        write(b"two")
        assert front.get("Slot", front.slot_at(0), "Produced") == 2 and front.rung(0)
        return [b"three", b"four"]

    reply = front.ask(application)
    assert reply.body == b"onetwothreefour" and reply.pieces == [3, 3, 9]
    assert reply.headers == [("X-A", "b")] and not reply.flags and not front.reports


def test_write_takes_bytes_only(front: Front) -> None:
    for wrong in ("text", None, 3, bytearray(b"x"), [b"x"]):

        def application(environ: dict[str, Any], start_response: Any, wrong: Any = wrong) -> list[bytes]:
            start_response("200 OK", [])(wrong)
            return []

        assert front.ask(application).failed
        assert front.reports.pop()[0] == "SPY0302"


def test_write_after_a_failed_second_start_response(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        with pytest.raises(ValueError):
            start_response("200 OK", [("Upgrade", "x")], (ValueError, ValueError(), None))
        write(b"x")
        return []

    assert front.ask(application).failed
    assert front.reports[0][0] == "SPY0312"


def test_both_are_dead_after_the_request(front: Front) -> None:
    kept: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        kept[:] = [start_response, start_response("200 OK", [])]
        return [b"first"]

    assert front.ask(application).body == b"first"
    for again in range(2):
        if again:
            front.ask(starting("200 OK", []))  # another request, which must not revive them
        with pytest.raises(RuntimeError, match="over"):
            kept[0]("200 OK", [])
        with pytest.raises(RuntimeError, match="over"):
            kept[1](b"x")
    with pytest.raises(KeyError):
        kept[0]("500 Oops", [], (KeyError, KeyError(), None))


def test_kept_functions_serve_only_their_own_request(front: Front) -> None:
    kept: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for old in kept:
            with pytest.raises(RuntimeError):
                old("200 OK", [])
        kept.append(start_response)
        start_response("200 OK", [("X-Number", str(len(kept)))])
        return [b"x"]

    for number in range(1, 5):
        assert dict(front.ask(application).headers)["X-Number"] == str(number)
    assert len(set(map(id, kept))) == 4 and not front.reports
    # Kept only through the object that they are bound to.
    bound = [front.ask(lambda e, s: kept.append(s.__self__) or [s("200 OK", [])(b"x")] and [b""]) for _ in range(3)]
    assert all(reply.body == b"x" for reply in bound)
    assert len(set(map(id, kept[4:]))) == 3


def test_write_from_a_second_thread_while_the_first_waits_is_refused(front: Front) -> None:
    import threading

    caught: list[BaseException] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])

        def second() -> None:
            until(lambda: front.get("Worker", front.worker_at(0), "Waiting"))
            try:
                write(b"second")
            except RuntimeError as error:
                caught.append(error)
            go.set()

        thread = threading.Thread(target=second)
        thread.start()
        write(b"x" * 1_000_000)
        thread.join()
        return []

    from front import Reply

    go = threading.Event()
    reply = Reply()
    front.push(front.fill())
    with front.serving(application, limit=1):
        assert go.wait(10)
        until(lambda: front.take(0, reply))
    assert reply.body == b"x" * 1_000_000 and len(caught) == 1
