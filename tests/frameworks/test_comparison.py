"""The comparison itself: what it must report, it reports."""

import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from .client import Answer, Connection, UnsoundAnswer
from .compare import differences
from .replay import Exchange, Replay
from .requestfile import FEWEST, Request, RequestFileError, load
from .rules import RULES
from .servers import SPEYSIDE, WSGIREF, Server, ServerDidNotStart, running
from .witness import FIELD

ANSWER = Answer(200, "OK", (("Content-Type", "text/plain"), ("Content-Length", "2"), (FIELD, "2")), b"hi", closes=False)
REQUEST = Request("greeting", "test.txt:1", "GET", "/", expect=200)


def compared(changed: Answer, request: Request = REQUEST, original: Answer = ANSWER) -> str:
    replays = [
        Replay("wsgiref", {request.name: Exchange([original])}),
        Replay("gunicorn", {request.name: Exchange([original])}),
        Replay("speyside", {request.name: Exchange([changed])}),
    ]
    return "\n".join(differences([request], replays))


def with_header(name: str, value: str, answer: Answer = ANSWER) -> Answer:
    return replace(answer, headers=(*answer.headers, (name, value)))


def write_requests(path: Path, count: int, extra: str = "") -> Path:
    path.write_text("".join(f"--- request {number}\nGET /\n@expect 200\n\n" for number in range(count)) + extra)
    return path


def test_equal_answers_have_no_difference() -> None:
    assert compared(ANSWER) == ""


def test_a_difference_shows_request_field_and_three_values() -> None:
    report = compared(replace(ANSWER, body=b"ho"))
    for text in ("test.txt:1 'greeting': GET /", "body differs", "wsgiref", "gunicorn", "speyside", "'hi'", "'ho'"):
        assert text in report


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (replace(ANSWER, status=201), "status"),
        (replace(ANSWER, reason="Okay"), "reason"),
        (replace(ANSWER, body=b"hi "), "body"),
        (with_header("X-More", "1"), "header x-more"),
        (with_header("Content-Type", "text/plain"), "header content-type"),
        (replace(ANSWER, headers=ANSWER.headers[1:]), "header content-type"),
        (replace(ANSWER, headers=(ANSWER.headers[0], *ANSWER.headers[2:])), "header content-length"),
    ],
)
def test_each_differing_field_is_reported(changed: Answer, field: str) -> None:
    assert f"{field} differs" in compared(changed)


@pytest.mark.parametrize("name", ["Date", "Server", "Connection", "Keep-Alive", "Transfer-Encoding"])
def test_the_servers_own_fields_may_differ(name: str) -> None:
    assert compared(with_header(name, "anything")) == ""


def test_a_content_length_may_be_added_only_where_the_application_gave_none() -> None:
    none = replace(ANSWER, headers=((FIELD, "none"),))
    assert compared(with_header("Content-Length", "2", none), original=none) == ""
    assert "content-length differs" in compared(none)


def test_names_of_fields_have_no_case_and_no_order_but_repeated_ones_have() -> None:
    upper = tuple((name.upper(), value) for name, value in reversed(ANSWER.headers))
    assert compared(replace(ANSWER, headers=upper)) == ""
    one = with_header("Link", "b", with_header("Link", "a"))
    two = with_header("Link", "a", with_header("Link", "b"))
    assert "header link differs" in compared(two, original=one)


def test_equal_but_unexpected_answers_are_reported() -> None:
    assert "answered 200, expected 404" in compared(ANSWER, replace(REQUEST, expect=404))
    assert "is not in the body" in compared(ANSWER, replace(REQUEST, contains=["elsewhere"]))


def test_a_missing_or_failed_answer_is_reported() -> None:
    good = Replay("wsgiref", {REQUEST.name: Exchange([ANSWER])})
    assert "number of answers differs" in differences([REQUEST], [good, Replay("speyside")])[0]
    failed = Replay("speyside", {REQUEST.name: Exchange(error="ConnectionResetError: reset")})
    assert "ConnectionResetError" in differences([REQUEST], [good, failed])[0]


def test_a_rule_that_finds_nothing_is_reported() -> None:
    assert "rule django-csrf-field found nothing" in compared(ANSWER, replace(REQUEST, rules=["django-csrf-field"]))


def test_a_rule_hides_only_what_it_names() -> None:
    request = replace(REQUEST, rules=["flask-session-cookie"])
    one = with_header("Set-Cookie", "session=eyJhIjoxfQ.aBcDeF.sig-one; HttpOnly")
    assert compared(with_header("Set-Cookie", "session=eyJhIjoxfQ.aBcDeG.sig-two; HttpOnly"), request, one) == ""
    for other in ("session=eyJhIjoyfQ.aBcDeG.sig-two; HttpOnly", "session=eyJhIjoxfQ.aBcDeG.sig-two; Secure"):
        assert "set-cookie differs" in compared(with_header("Set-Cookie", other), request, one)


def test_every_rule_is_used_by_a_request_file() -> None:
    files = [load(path) for path in (Path(__file__).parent / "requests").glob("*.txt")]
    assert {rule for requests in files for request in requests for rule in request.rules} == set(RULES)


@pytest.mark.parametrize("count", [0, FEWEST - 1])
def test_a_file_with_too_few_requests_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(RequestFileError, match=f"{count} requests, at least {FEWEST} are needed"):
        load(write_requests(tmp_path / "few.txt", count))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("--- request 0\nGET /\n@expect 200\n", "names used twice: request 0"),
        ("--- more\nGET /\n", "no @expect"),
        ("--- more\nGET\n@expect 200\n", "METHOD target"),
        ("--- more\nGET /\n@expect 200\n@ignore body\n", "@ignore"),
        ("--- more\nGET /\n@expect 200\n@normalise everything\n", "no such rule: everything"),
        ("--- more\nGET /\n@expect 200\n@only apache\n", "no such server: apache"),
    ],
)
def test_a_wrong_request_is_refused(tmp_path: Path, extra: str, message: str) -> None:
    with pytest.raises(RequestFileError, match=message):
        load(write_requests(tmp_path / "wrong.txt", FEWEST, extra))


def test_a_server_that_ends_is_reported_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerDidNotStart, match=r"(?s)wsgiref ended with 1 .*no_such_module"),
        running(WSGIREF, "no_such_module:application", {}, tmp_path / "server.log"),
    ):
        pass


def test_a_server_that_never_answers_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    silent = Server("silent", lambda port, application: command, keeps=True)
    with (
        pytest.raises(ServerDidNotStart, match="silent gave no answer"),
        running(silent, "any:application", {}, tmp_path / "server.log", deadline=0.3),
    ):
        pass


def test_a_missing_speyside_is_a_failure_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEYSIDE", str(tmp_path / "speyside"))
    with (
        pytest.raises(ServerDidNotStart, match=r"No such file.*build it, or name it in \$SPEYSIDE"),
        running(SPEYSIDE, "any:application", {}, tmp_path / "server.log"),
    ):
        pass


@pytest.fixture
def answering() -> Callable[[bytes], Connection]:
    """A connection to a server that sends these bytes, whatever it is asked, and closes."""

    def answering(sent: bytes) -> Connection:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with listener, listener.accept()[0] as accepted:
                accepted.recv(1 << 16)
                accepted.sendall(sent)

        threading.Thread(target=serve, daemon=True).start()
        return Connection(listener.getsockname()[1])

    return answering


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text",
        b"200 OK\r\n\r\n",
        b"",
    ],
)
def test_unsound_framing_is_no_answer(answering: Callable[[bytes], Connection], sent: bytes) -> None:
    connection = answering(sent)
    with pytest.raises(UnsoundAnswer):
        connection.exchange("GET", b"GET / HTTP/1.1\r\n\r\n")
    connection.close()


def test_a_body_after_head_is_unsound(answering: Callable[[bytes], Connection]) -> None:
    connection = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    connection.exchange("HEAD", b"HEAD / HTTP/1.1\r\n\r\n")
    with pytest.raises(UnsoundAnswer, match="bytes after the answer: b'hi'"):
        connection.is_open()
    connection.close()
