"""wsgi.early_hints: 103 Early Hints (RFC 8297) before the final reply."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from harness.client import request

from harness import Client, Gate, Server, running

STYLE = ("Link", "</style.css>; rel=preload; as=style")
SCRIPT = ("Link", "</script.js>; rel=preload; as=script")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.hinting", workers=1, threads=2, provoked=True) as made:
        yield made


def hint(client: Client) -> list[tuple[str, str]]:
    """Read one 103 and return its fields."""
    reply = client.head()
    assert (reply.status, reply.reason) == (103, "Early Hints")
    return reply.fields


def asked(client: Client, target: str, method: str = "GET", version: str = "1.1") -> None:
    client.send(request(method, target, version=version))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_hints_come_while_the_application_works(method: str, server: Server, gate: Gate) -> None:
    with server.connect() as client:
        for number in range(3):
            at = f"{gate.path}.{number}"
            asked(client, f"/hints?gate={at}", method)
            assert hint(client) == [STYLE, ("X-First", "caf\xe9")]
            assert hint(client) == [SCRIPT]
            assert client.silent(0.05)
            gate.path.with_name(f"{gate.path.name}.{number}").touch()
            reply = client.reply(method)
            assert (reply.status, reply.text) == (200, "" if method == "HEAD" else "hinted\n")
            assert reply.get("Link") is None


def test_http_1_0_gets_no_hints(server: Server) -> None:
    with server.connect() as client:
        asked(client, "/hints", version="1.0")
        assert client.reply().text == "hinted\n"
        assert client.rest() == b""


def test_hints_come_until_the_reply_has_begun(server: Server) -> None:
    with server.connect() as client:
        asked(client, "/hints-late")
        assert [hint(client), hint(client)] == [[STYLE], [SCRIPT]]
        assert client.reply().text == "first wsgi.early_hints was called after the reply had begun"


@pytest.mark.parametrize(
    ("how", "code", "words", "more"),
    [
        ("many", "SPY0317", "wsgi.early_hints was called more than 32 times", 31),
        ("large", "SPY0317", "the early hints of one request are larger than 16384 bytes together", 1),
        ("split", "SPY0307", "PEP 3333: the value of header 'Link' has a line end", 0),
        ("raised", "SPY0301", "ValueError: raised", 0),
    ],
)
def test_what_cannot_be_hinted_is_the_applications_fault(
    how: str, code: str, words: str, more: int, server: Server
) -> None:
    err = server.stderr.mark
    with server.connect() as client:
        asked(client, f"/hints-raise?how={how}")
        assert hint(client) == [STYLE]
        for _ in range(more):
            assert len(hint(client)) == 1
        reply = client.reply()
        assert reply.status == 500 and "stolen" not in repr(reply)
    server.log(rf"ERROR .*code={code}", err)
    server.log(words, err)
    assert server.get("/").text == "hello\n"


def test_hints_of_a_client_that_does_not_read_wait_for_it(server: Server) -> None:
    with server.connect() as client:
        one = request("GET", "/hints")
        client.send(one * 2000)
        assert server.get("/").text == "hello\n"
        for _ in range(2000):
            assert hint(client)[0] == STYLE and hint(client) == [SCRIPT]
            assert client.reply().text == "hinted\n"


def test_clients_that_leave_during_hints_cost_nothing(server: Server, gate: Gate) -> None:
    for _ in range(200):
        client = server.connect()
        asked(client, "/hints")
        client.reset()
    for _ in range(200):  # every block is there again
        with server.connect() as client:
            asked(client, "/hints")
            assert hint(client)[0] == STYLE


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_views_of_frameworks_give_hints(framework: str) -> None:
    with running(f"apps.hinting_frameworks:{framework}_app") as served, served.connect() as client:
        for _ in range(3):
            asked(client, "/")
            assert hint(client) == [STYLE]
            assert client.reply().text == f"{framework} False"


def test_curl_reads_past_hints(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/hints"
    done = subprocess.run(["curl", "-si", url], capture_output=True, timeout=20, check=True)
    assert done.stdout.count(b"HTTP/1.1 103 Early Hints\r\n") == 2
    assert done.stdout.endswith(b"\r\n\r\nhinted\n")
