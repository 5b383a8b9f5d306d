"""Applications that break PEP 3333 or fail: the log names rule and code, and the worker lives on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from harness.client import request

from harness import Server, Unsound, running

HOP_BY_HOP = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
]

# What the log says: the code, and words of the rule.
BEFORE_THE_HEAD = {
    "raise-early": ("SPY0301", "Expected: before start_response"),
    "raise-begun": ("SPY0301", "Expected: after start_response"),
    "raise-first": ("SPY0301", "Expected: before the first piece"),
    "raise-chained": ("SPY0301", "Expected: the effect"),
    "exit-early": ("SPY0301", "SystemExit: 3"),
    "interrupt-itself": ("SPY0301", "KeyboardInterrupt"),
    "again-plain": ("SPY0304", "PEP 3333.*second time without exc_info"),
    "no-start": ("SPY0303", "PEP 3333.*start_response"),
    "no-start-list": ("SPY0303", "PEP 3333.*start_response"),
    "no-start-empty": ("SPY0303", "PEP 3333.*start_response"),
    "text-list": ("SPY0302", "PEP 3333.*bytes.*str"),
    "text-alone": ("SPY0302", "PEP 3333.*bytes.*str"),
    "bytes-alone": ("SPY0302", "PEP 3333.*bytes.*bytes"),
    "none-alone": ("SPY0302", "PEP 3333.*bytes.*NoneType"),
    "number-alone": ("SPY0301", "TypeError.*int"),
    "write-text": ("SPY0302", "PEP 3333.*write.*bytes.*str"),
    "length-too-small": ("SPY0310", "PEP 3333.*longer than its Content-Length of 3"),
    "length-too-large": ("SPY0311", "7 bytes.*Content-Length is 100"),
    "newline-value": ("SPY0307", "PEP 3333.*X-Split.*line end"),
    "linefeed-value": ("SPY0307", "PEP 3333.*X-Split.*line end"),
    "newline-name": ("SPY0306", "PEP 3333.*token"),
    "colon-name": ("SPY0306", "PEP 3333.*token"),
    "wide-value": ("SPY0307", "PEP 3333.*X-Wide.*Latin-1"),
    "bytes-value": ("SPY0314", "PEP 3333.*str.*bytes"),
    "headers-dict": ("SPY0314", "PEP 3333.*list.*dict"),
    "headers-tuple": ("SPY0314", "PEP 3333.*list.*tuple"),
    "status-short": ("SPY0305", "PEP 3333.*status"),
    "status-number": ("SPY0305", "PEP 3333.*status.*int"),
    "status-newline": ("SPY0305", "PEP 3333.*status.*control"),
    "status-interim": ("SPY0315", "RFC 9110 section 15.2.*wsgi.early_hints"),
    "length-text": ("SPY0309", "RFC 9110.*digits"),
    "length-negative": ("SPY0309", "RFC 9110.*digits"),
    "length-twice": ("SPY0309", "twice"),
    "headers-large": ("SPY0313", "larger than"),
    **{f"hop-{name}": ("SPY0308", "PEP 3333.*hop-by-hop") for name in HOP_BY_HOP},
}
AFTER_THE_HEAD = {
    "raise-later": ("SPY0301", "Expected: after the first piece", b"first"),
    "again-late": ("SPY0301", "Expected: too late for another head", b"first"),
    "text-later": ("SPY0302", "PEP 3333.*bytes.*str", b"first"),
    "length-too-large-later": ("SPY0311", "11 bytes.*Content-Length is 100", b"firstsecond"),
}
CLOSED = {"raise-first", "raise-later", "again-late", "no-start", "text-later", "raise-in-close"} | {
    "length-too-small-later",
    "length-too-large-later",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.faults", workers=1, threads=2, provoked=True) as made:
        yield made


def check_record(server: Server, since: int, code: str, words: str) -> None:
    """Wait for the record and what it is about, and check that it names the request."""
    record = server.log(rf"^\S+ \S+ \S+ ERROR .*code={code}.*$", since)
    server.log(words, since)
    assert " method=GET " in record and " path=/fault " in record
    assert f" worker=0 pid={server.workers()[0]} " in record
    assert "request failed" in record or ("application raised" in record and code == "SPY0301")


def assert_lives(server: Server, worker: int, since: int, out: int, name: str) -> None:
    """The worker is the same one, the fault was told once, and the reply was closed once."""
    assert server.json("/pid") == worker
    text = server.stderr.text(since)
    assert len(re.findall(r"^\S+ \S+ \S+ ERROR ", text, re.MULTILINE)) == 1, text
    if name in CLOSED:
        server.printed(rf"^closed {name}$", out)
    assert server.stdout.text(out).count(f"closed {name}") == (name in CLOSED)


@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
def test_fault_before_the_head_is_500_and_named_in_the_log(name: str, server: Server) -> None:
    worker, err, out = server.workers()[0], server.stderr.mark, server.stdout.mark
    code, words = BEFORE_THE_HEAD[name]
    with server.connect() as client:
        reply = client.get(f"/fault?of={name}&name={name}")
        assert (reply.status, reply.reason) == (500, "Internal Server Error")
        assert "Traceback" not in reply.text and "stolen" not in repr(reply)
        if reply.closes:
            assert client.rest() == b""
        else:
            assert client.get("/").status == 200
    check_record(server, err, code, words)
    assert_lives(server, worker, err, out, name)


@pytest.mark.parametrize("name", AFTER_THE_HEAD)
def test_fault_after_the_head_shows_the_reply_incomplete(name: str, server: Server) -> None:
    worker, err, out = server.workers()[0], server.stderr.mark, server.stdout.mark
    code, words, body = AFTER_THE_HEAD[name]
    for version in ("1.1", "1.0"):
        err, out = server.stderr.mark, server.stdout.mark
        with server.connect() as client:
            client.send(request("GET", f"/fault?of={name}&name={name}", version=version))
            reply = client.head()
            assert reply.status == 200
            came = bytearray()
            with pytest.raises(Unsound):
                for piece in client.pieces(reply):
                    came += piece
            assert body.startswith(bytes(came))
        check_record(server, err, code, words)
        assert_lives(server, worker, err, out, name)


def test_body_longer_than_its_length_is_cut_where_it_was_promised(server: Server) -> None:
    worker, err, out = server.workers()[0], server.stderr.mark, server.stdout.mark
    name = "length-too-small-later"
    with server.connect() as client:
        reply = client.get(f"/fault?of={name}&name={name}")
        assert (reply.status, reply.text, reply.get("Content-Length")) == (200, "firstse", "7")
        if reply.closes:
            assert client.rest() == b""
        else:
            assert client.get("/").text == "hello\n", "the excess must not become the next reply"
    check_record(server, err, "SPY0310", "PEP 3333.*longer than its Content-Length of 7")
    assert_lives(server, worker, err, out, name)


def test_exception_in_close_does_not_take_the_reply_back(server: Server) -> None:
    worker, err, out = server.workers()[0], server.stderr.mark, server.stdout.mark
    with server.connect() as client:
        client.send(request("GET", "/fault?of=raise-in-close&name=raise-in-close"))
        reply = client.head()
        assert reply.status == 200
        assert next(client.pieces(reply)) == b"whole"
    check_record(server, err, "SPY0301", "Expected: in close")
    assert_lives(server, worker, err, out, "raise-in-close")


def test_traceback_has_the_frames_of_the_application_and_the_cause(server: Server) -> None:
    err = server.stderr.mark
    assert server.get("/fault?of=raise-chained").status == 500
    server.log(r"Expected: the effect$", err)
    text = server.stderr.text(err)
    assert "KeyError: 'the cause'" in text
    assert "direct cause of the following exception" in text
    assert "in raise_chained" in text
    assert "/speyside/" not in text


def test_head_and_post_are_named_with_their_method(server: Server) -> None:
    for method in ("HEAD", "POST"):
        err = server.stderr.mark
        with server.connect() as client:
            assert client.ask(method, "/fault?of=raise-early").status == 500
        assert f" method={method} " in server.log(r"^.* ERROR application raised .*$", err)


def test_failing_requests_do_not_slow_or_lose_others(server: Server) -> None:
    worker = server.workers()[0]
    clients = [server.connect() for _ in range(20)]
    for number, client in enumerate(clients):
        client.send(request("GET", "/fault?of=raise-early" if number % 2 else "/"))
    assert [client.reply().status for client in clients] == [200, 500] * 10
    for client in clients:
        client.close()
    assert server.json("/pid") == worker
