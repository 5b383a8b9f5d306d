"""The classes of bad input that broke other servers, one test each; CVE numbers say where.

| class | held by the test here, and by |
|---|---|
| Content-Length and Transfer-Encoding together, obfuscated, repeated, signed | the first three; requests/*.md |
| lax chunks; a body that ends early | lax_chunks, chunked_body_that_ends_early; requests/chunk.md, trailer.md |
| floods of extensions, trailers, fields, cookies | flood_of_extensions, heads_that_fill_memory; test_refusals.py |
| bare line ends | bare_line_ends; requests/line-end.md |
| splitting of replies | line_ends_in_the_fields_of_a_reply; test_faults.py |
| control bytes in the log | control_bytes_in_log_lines; test_output.py |
| fields that cost much | fields_that_cost_much |
| what follows an error; replies out of order | requests_after_an_error; test_connections.py, test_splits.py |
| a client that is gone | client_gone_at_a_bad_moment; test_connections.py, soak/test_leaks.py |
| clients that monopolise or dawdle | keep_alive_clients; test_slow_clients.py, soak/*.py |
| a body that is not closed | body_that_is_not_closed; test_replies.py, test_validated.py |
| names that pass for others | names_with_underscores; requests/underscore.md, test_environ.py |
| Expect | expect_continue; requests/expect.md |
| //host as a path; h2c | target_that_names_another_host, upgrade_to_h2c |

Not here, because they are not this server's: multipart forms (the application's), static files, HTTP/2, QUIC.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.client import chunks, request
from harness.corpus import Case, cases

from harness import Client, Server, Unsound, running, until
from harness.processes import memory, processor_time

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CORPUS = {case.name: case for case in cases()}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.witness", workers=1, threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def told() -> Iterator[Server]:
    """Answers as the request says, and fails when that is not allowed."""
    with running("apps.corpus", workers=1, threads=4, provoked=True) as made:
        yield made


def of(*files: str, only: str = "") -> list[Case]:
    """Return the cases of the corpus that are refused, of these files and with this in their heading."""
    found = [case for case in CORPUS.values() if case.name.split("/")[0] in files and only in case.name]
    return [case for case in found if any("refused" in item for item in case.requests)]


def smuggle_behind(refused: list[Case], server: Server, least: int) -> None:
    """Send each case with a request behind it: that one must never reach the application."""
    assert len(refused) >= least, f"{len(refused)} cases of this class: where are the others?"
    out = server.stdout.mark
    for case in refused:
        with server.connect() as client:
            client.send(b"".join(case.pieces) + SMUGGLED)
            assert re.match(rb"HTTP/1\.1 [45]", client.rest().split(b"HTTP/1.1 200", 1)[0] or b"HTTP/1.1 400"), (
                case.name
            )
    assert server.get("/witness").status == 200
    server.printed(r"^seen /witness$", out)
    assert "smuggled" not in server.stdout.text(out)


def exists(file: str, *names: str) -> None:
    """Fail when a test that proves more of a class is no longer there."""
    text = (Path(__file__).parent / file).read_text()
    missing = [name for name in names if f"def {name}(" not in text]
    assert not missing, f"{file} has no {missing}"


def test_content_length_and_transfer_encoding_together(server: Server) -> None:
    """CVE-2019-16786, CVE-2020-10109, CVE-2024-1135, CVE-2024-6827, CVE-2020-7658, CVE-2020-11076, CVE-2022-24790."""
    smuggle_behind(of("transfer-encoding", only="With Content-Length"), server, 2)


def test_obfuscated_transfer_encoding(server: Server) -> None:
    """CVE-2019-16789, CVE-2022-1705, CVE-2019-16276, CVE-2015-5739."""
    smuggle_behind(of("transfer-encoding") + of("field", only="colon"), server, 18)


def test_content_length_that_is_not_plainly_one_number(server: Server) -> None:
    """CVE-2019-16792, CVE-2022-24761, CVE-2020-10108, CVE-2022-24801, GHSA-68xg-gqqm-vgj8, CVE-2022-29361."""
    smuggle_behind(of("content-length"), server, 14)


def test_lax_chunks(server: Server) -> None:
    """CVE-2025-22871, CVE-2022-24761, CVE-2025-43859, CVE-2025-58068."""
    smuggle_behind(of("chunk", "trailer"), server, 25)


def test_flood_of_extensions_or_trailers(server: Server) -> None:
    """CVE-2023-39326, GHSA-c2f4-cvqm-65w2: refused after some KiB, however much would come."""
    for start, again in ((b"1;" + b"x" * 4000 + b"\r\na\r\n", 100), (b"0\r\n", 0)):
        with server.connect() as client:
            client.send(request("POST", "/", [("Transfer-Encoding", "chunked")]))
            client.send(start * max(again, 1) if again else start + b"X-Trailer: y\r\n" * 3000)
            assert client.reply("POST").status in (400, 431)
            assert client.rest() == b""


def test_bare_line_ends_in_heads(server: Server) -> None:
    """CVE-2019-16785, CVE-2021-41136."""
    smuggle_behind(of("line-end"), server, 8)


@pytest.mark.parametrize(
    "query",
    [
        "field=X:a%0d%0aSet-Cookie:+evil=1",
        "field=X:a%0aSet-Cookie:+evil=1",
        "field=X:a%0dSet-Cookie:+evil=1",
        "field=X:a%00",
        "field=X%0d%0aSet-Cookie:+evil=1",
        "field=%20X:a",
        "status=200+OK%0d%0aSet-Cookie:+evil=1",
        "status=200+OK%0aSet-Cookie:+evil=1",
    ],
)
def test_line_ends_in_the_fields_of_a_reply(query: str, told: Server) -> None:
    """CVE-2018-1000164, CVE-2020-7695, CVE-2020-5247, CVE-2020-5249, CVE-2012-2374: nothing of it is sent."""
    reply = told.get(f"/reply?list&body=body&{query}")
    assert (reply.status, reply.get("Set-Cookie"), reply.get("X")) == (500, None, None)


def test_control_bytes_in_log_lines() -> None:
    """CVE-2020-7694, CVE-2026-42507: no byte of a client, C0, DEL or C1, is obeyed by a terminal that shows the log."""
    exists("test_output.py", "test_client_cannot_write_control_characters_into_the_log")
    hostile = [bytes([byte]) for byte in (*range(1, 32), *range(127, 160))] + [b"\xc2\x9b", b"\xe2\x80\xae"]
    with running("apps.corpus", "--log-level=debug", provoked=True) as server:
        mark = server.stderr.mark
        for bad in hostile:
            for raw in (
                b"GET /raise" + bad + b"31m HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /raise%%%02x%b HTTP/1.1\r\nHost: a\r\nX_Y: b\r\n\r\n" % (bad[0], bad),
                b"G" + bad + b" / HTTP/1.1\r\nHost: " + bad + b"\r\nX_" + bad + b": " + bad + b"\r\n\r\n",
            ):
                with server.connect() as client:
                    client.send(raw)
                    assert client.reply().status in (400, 500)
        assert server.get("/raise/last").status == 500
        server.log(r"application raised .*/raise/last", mark)
        written = server.stderr.raw(mark)
    with running("apps.outputs", provoked=True) as server:  # what the front says of a worker that died
        with server.connect() as client:
            client.send(b"GET /last-words?\x9b31m\xc2\x9b HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.reply().status == 502
        server.log(r"request failed .*last-words")
        written += server.stderr.raw()
    assert b"raise" in written
    controls = rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\x9f]"
    found = re.search(controls, written)
    assert not found, written[max(0, found.start() - 300) : found.end() + 50]


def test_fields_that_cost_much_to_check(server: Server) -> None:
    """CVE-2020-5236, CVE-2025-61724, CVE-2026-56860: a head of 64 KiB costs its bytes, whatever they are."""
    values = [b" \t" * 4000, b"," * 8000, b'"' * 8000, b"a" * 8000, b"%" * 8000, b"\xff" * 8000]
    before = processor_time(server.front)
    for name in (b"X", b"Connection", b"Transfer-Encoding", b"Host", b"Expect", b"Cookie"):
        for value in values:
            with server.connect() as client:
                client.send(b"GET / HTTP/1.1\r\n" + (name + b": " + value + b"\r\n") * 7 + b"\r\n")
                client.rest() if name != b"X" and name != b"Cookie" else client.reply()
    assert processor_time(server.front) - before < 1.0


def test_requests_after_an_error(server: Server) -> None:
    """CVE-2024-49768, CVE-2023-46137, CVE-2024-41671: not served, and replies never change places."""
    exists("test_connections.py", "test_pipelined_requests_are_answered_in_order")
    smuggle_behind(of("request-line", "version", "host", "method", "error"), server, 45)


def test_client_gone_at_a_bad_moment(server: Server) -> None:
    """CVE-2022-31015, CVE-2024-49769: nobody dies, and nobody spins afterwards."""
    exists("test_connections.py", "test_client_gone_before_the_reply_begins_harms_nobody")
    exists("test_connections.py", "test_client_gone_in_a_streamed_reply_ends_it")
    workers = server.workers()
    chance = random.Random(9)
    whole = request("POST", "/", body=b"x" * 30_000) + request("GET", "/")
    for number in range(300):
        client = server.connect()
        client.send(whole[: chance.randrange(len(whole))])
        leave = (Client.close, Client.reset, Client.half_close)[number % 3]
        leave(client)
        client.close()
    assert server.get("/").status == 200
    assert server.workers() == workers

    def idle() -> bool:
        before = sum(processor_time(pid) for pid in (server.front, *workers.values()))
        time.sleep(0.2)  # what is measured is the time of nothing to do
        return sum(processor_time(pid) for pid in (server.front, *workers.values())) - before < 0.05

    until(idle, "the server has come to rest", 10)


def test_keep_alive_clients_do_not_monopolise(told: Server) -> None:
    """CVE-2019-16770, CVE-2021-29509: clients that always have the next request ready leave others their turn."""
    busy = [told.connect() for _ in range(8)]
    for client in busy:
        client.send(request("GET", "/reply?list&body=x") * 400)
    with told.connect() as other:
        began = time.monotonic()
        for _ in range(5):
            assert other.get("/reply?list&body=other").text == "other"
        took = time.monotonic() - began
    for client in busy:
        assert all(client.reply().text == "x" for _ in range(400))
        client.close()
    assert took < 5


def test_body_that_is_not_closed() -> None:
    """GHSA-rmj8-8hhh-gv5h: close() is called on every path, so no state of one request is seen by the next."""
    exists("test_replies.py", "test_close_is_called_once")
    exists("test_connections.py", "test_client_gone_in_a_streamed_reply_ends_it")
    exists("../gateway/test_body.py", "test_close_is_called_once_whatever_happens")


def test_names_with_underscores_or_of_the_environment(told: Server) -> None:
    """CVE-2024-45614, CVE-2022-2255, CVE-2016-1000111, CVE-2016-5386: they never pass for names with hyphens."""
    names = ["X_Client_IP", "X-Client_IP", "Proxy", "PROXY", "Content_Length", "REMOTE_ADDR", "HTTP_HOST", "wsgi_input"]
    with told.connect() as client:
        client.send(request("GET", "/", [(name, "666") for name in names] + [("X-Client-IP", "1")]))
        seen = client.reply().json["environ"]
    assert seen["HTTP_X_CLIENT_IP"] == "1"
    assert "666" not in [value for name, value in seen.items() if name != "REMOTE_PORT"]


def test_expect_continue_and_the_next_request(told: Server) -> None:
    """CVE-2024-24791, CVE-2020-15586: whether the client waits or not, every body goes to its own request."""
    with told.connect() as client:
        for number in range(50):
            body = b"%d" % number * (1 + number % 3 * 8000)
            fields = [("Expect", "100-continue"), ("Content-Length", str(len(body)))]
            client.send(request("POST", "/reply?unread&list&body=x" if number % 5 == 0 else "/", fields))
            if number % 2:
                assert client.head().status == 100
            client.send(body)
            reply = client.reply()
            if reply.status == 100:  # it came before the body did
                reply = client.reply()
            assert reply.status == 200
            assert number % 5 == 0 or reply.json["body"].encode() == body


def test_heads_that_fill_memory(server: Server) -> None:
    """CVE-2025-58186, CVE-2023-24534, CVE-2021-31525: a head has at most 64 KiB, and gives them back."""
    before = memory(server.front)
    for _ in range(3):
        clients = [server.connect() for _ in range(200)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"Cookie: " + b"a=b;" * 1900 + b"\r\n") * 7)
        assert server.get("/").status == 200
        for client in clients:
            client.close()
    assert memory(server.front) - before < 64 << 20
    smuggle_behind([CORPUS["field/A thousand small cookies"], CORPUS["field/A head longer than 64 KiB"]], server, 2)


def test_target_that_names_another_host(told: Server) -> None:
    """CVE-2020-28724, CVE-2023-28370: //host stays a path, byte by byte, for the application to see."""
    for target in ("//evil.example/%2e%2e", "/\\evil.example", "/%5cevil.example", "///evil.example"):
        seen = told.get(target).json["environ"]
        assert (seen["RAW_URI"], seen["HTTP_HOST"]) == (target, "test.example")


def test_upgrade_to_h2c_and_its_preface(told: Server) -> None:
    """CVE-2022-41721, CVE-2026-56853: neither switches protocols, and nothing gets past the rules of a proxy."""
    upgrade = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    with told.connect() as client:
        assert client.get("/", *upgrade).status == 200
        assert client.get("/").status == 200
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert client.reply().status == 505
        assert client.rest() == b""


def test_chunked_body_that_ends_early_is_never_served_short(told: Server) -> None:
    """CVE-2025-22871 and others end a body where its sender has not: the application sees all of it or nothing."""
    whole = chunks([b"first", b"second"])
    for end in range(len(whole)):
        with told.connect() as client:
            client.send(request("POST", "/", [("Transfer-Encoding", "chunked")]) + whole[:end])
            client.half_close()
            with pytest.raises(Unsound, match="ended in the head"):
                client.reply()
