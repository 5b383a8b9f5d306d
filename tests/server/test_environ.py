"""The environ after PEP 3333, key by key, and the PEP's own validator."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from harness.client import chunks, request

from harness import Server, running

CHUNKED = ("Transfer-Encoding", "chunked")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.environs", workers=2, threads=2) as made:
        yield made


def environ_of(server: Server, raw: bytes) -> dict[str, Any]:
    """Return what the application saw, without the types, which are checked."""
    with server.connect() as client:
        client.send(raw)
        reply = client.reply()
    assert reply.status == 200, reply
    for name, (kind, value) in reply.json.items():
        if name.isupper():
            assert kind == "str", f"{name} is {kind} {value!r}"
    return {name: value for name, (_, value) in reply.json.items()}


def test_every_key_of_the_pep_is_there(server: Server) -> None:
    with server.connect() as client:
        port = client.socket.getsockname()[1]
        seen = client.get("/a/b?c=d&e").json
    version = server.get("/").get("Server")
    environ = {name: value for name, (_, value) in seen.items()}
    types = {name: kind for name, (kind, _) in seen.items()}
    assert version == "speyside"
    assert re.fullmatch(r"speyside/\d+\.\d+\.\d+\S*", environ.pop("SERVER_SOFTWARE"))
    assert environ.pop("wsgi.input") is None and types["wsgi.input"] == "Input"
    assert environ.pop("wsgi.errors") is None and types["wsgi.errors"] == "TextIOWrapper"
    assert environ.pop("wsgi.file_wrapper") is None and types["wsgi.file_wrapper"] == "type"
    assert environ.pop("speyside.client_disconnected") is None
    assert types["speyside.client_disconnected"] == "ClientDisconnected"
    assert environ.pop("wsgi.early_hints") is None
    assert types["wsgi.early_hints"] == "builtin_function_or_method"
    assert re.fullmatch(r"[0-9a-f]{8}-1", environ.pop("speyside.request_id"))
    assert types["wsgi.version"] == "tuple"
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "c=d&e",
        "RAW_URI": "/a/b?c=d&e",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": str(port),
        "speyside.peer_addr": "127.0.0.1",
        "HTTP_HOST": "test.example",
        "wsgi.version": [1, 0],
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 2), (2, 1)])
def test_multithread_and_multiprocess_tell_the_truth(workers: int, threads: int) -> None:
    with running("apps.environs", workers=workers, threads=threads) as server:
        seen = server.get("/").json
        assert seen["wsgi.multithread"] == ["bool", threads > 1]
        assert seen["wsgi.multiprocess"] == ["bool", workers > 1]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/caf%C3%A9", "/caf\u00c3\u00a9"),
        ("/caf%E9", "/caf\u00e9"),
        ("/a%2Fb%20c%25d", "/a/b c%d"),
        ("/%41%6a%6A", "/Ajj"),
        ("/100%", "/100%"),
        ("/%zz%4", "/%zz%4"),
        ("/%00", "/\0"),
        ("/a+b", "/a+b"),
        ("//a//b/../c", "//a//b/../c"),
        ("/;a=b", "/;a=b"),
        ("/" + "%C3%A9" * 1000, "/" + "\u00c3\u00a9" * 1000),
    ],
)
def test_path_is_decoded_as_latin_1(target: str, path: str, server: Server) -> None:
    seen = environ_of(server, request("GET", target + "?q=%41"))
    assert (seen["PATH_INFO"], seen["SCRIPT_NAME"]) == (path, "")
    assert (seen["QUERY_STRING"], seen["RAW_URI"]) == ("q=%41", target + "?q=%41")


def test_raw_bytes_in_target_and_fields_are_latin_1(server: Server) -> None:
    seen = environ_of(
        server, b"GET /caf\xc3\xa9?x=\xe9 HTTP/1.1\r\nHost: a\r\nX-Latin: caf\xe9 \xff\r\nX-Tab: a\tb\r\n\r\n"
    )
    assert seen["PATH_INFO"] == "/caf\u00c3\u00a9"
    assert seen["QUERY_STRING"] == "x=\u00e9"
    assert seen["HTTP_X_LATIN"] == "caf\u00e9 \u00ff"
    assert seen["HTTP_X_TAB"] == "a\tb"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [("/a?", "/a", ""), ("/a??b", "/a", "?b"), ("/?a=b?c", "/", "a=b?c"), ("/a?b%20c", "/a", "b%20c")],
)
def test_query_begins_at_the_first_question_mark(target: str, path: str, query: str, server: Server) -> None:
    seen = environ_of(server, request("GET", target))
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["RAW_URI"]) == (path, query, target)


def test_absolute_target_is_taken_apart(server: Server) -> None:
    seen = environ_of(server, request("GET", "http://other.example:8080/a/b?c", host="other.example:8080"))
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/a/b", "c")
    assert seen["HTTP_HOST"] == "other.example:8080"
    assert seen["RAW_URI"] == "http://other.example:8080/a/b?c"


def test_asterisk_target_is_given_to_options(server: Server) -> None:
    seen = environ_of(server, request("OPTIONS", "*"))
    assert (seen["REQUEST_METHOD"], seen["RAW_URI"]) == ("OPTIONS", "*")


def test_methods_are_given_as_they_are(server: Server) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "M-SEARCH"):
        assert environ_of(server, request(method, "/"))["REQUEST_METHOD"] == method


def test_version_is_that_of_the_request(server: Server) -> None:
    assert environ_of(server, request("GET", "/", version="1.0"))["SERVER_PROTOCOL"] == "HTTP/1.0"
    seen = environ_of(server, b"GET / HTTP/1.0\r\n\r\n")
    assert "HTTP_HOST" not in seen
    assert seen["SERVER_NAME"] and seen["SERVER_PORT"]


def test_content_type_and_length_have_no_prefix(server: Server) -> None:
    seen = environ_of(server, request("POST", "/", [("Content-Type", "text/plain; charset=x")], b"body"))
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("text/plain; charset=x", "4")
    assert "HTTP_CONTENT_TYPE" not in seen and "HTTP_CONTENT_LENGTH" not in seen
    seen = environ_of(server, request("GET", "/"))
    assert "CONTENT_TYPE" not in seen and "CONTENT_LENGTH" not in seen
    assert environ_of(server, request("POST", "/", body=b""))["CONTENT_LENGTH"] == "0"
    assert environ_of(server, request("POST", "/", [("Content-Length", "007")]) + b"7 bytes")["CONTENT_LENGTH"] == "7"


def test_chunked_request_has_the_length_of_its_content_and_no_coding(server: Server) -> None:
    seen = environ_of(server, request("POST", "/", [CHUNKED]) + chunks([b"bo", b"dy"]))
    assert seen["CONTENT_LENGTH"] == "4"
    assert "HTTP_TRANSFER_ENCODING" not in seen
    assert seen["wsgi.input_terminated"] is True


def test_repeated_fields_are_joined(server: Server) -> None:
    fields = [("X-A", "1"), ("Cookie", "a=1"), ("X-B", "x"), ("x-a", "2"), ("cookie", "b=2"), ("X-A", "")]
    seen = environ_of(server, request("GET", "/", [*fields, ("Accept", "a"), ("Accept", "b")]))
    assert seen["HTTP_X_A"] == "1, 2, "
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert (seen["HTTP_X_B"], seen["HTTP_ACCEPT"]) == ("x", "a, b")


def test_values_lose_the_whitespace_around_them(server: Server) -> None:
    seen = environ_of(server, b"GET / HTTP/1.1\r\nHost:a\r\nX-A: \t b c \t\r\nX-Empty:\r\nX-Blank:   \r\n\r\n")
    assert (seen["HTTP_HOST"], seen["HTTP_X_A"], seen["HTTP_X_EMPTY"], seen["HTTP_X_BLANK"]) == ("a", "b c", "", "")


def test_names_that_could_pass_for_others_are_absent(server: Server) -> None:
    fields = [
        ("X_Forwarded_For", "spoofed"),
        ("Content_Length", "5"),
        ("Content_Type", "spoofed"),
        ("Proxy", "http://evil.example"),
        ("proxy", "http://evil.example"),
        ("HTTP_HOST", "evil.example"),
        ("X-Forwarded-For", "true"),
    ]
    seen = environ_of(server, request("GET", "/", fields))
    assert seen["HTTP_X_FORWARDED_FOR"] == "true"
    assert not {"HTTP_PROXY", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_TYPE", "HTTP_HTTP_HOST"} & set(seen)
    assert "evil" not in repr(seen) and "spoofed" not in repr(seen)


def test_many_fields_of_many_names_arrive(server: Server) -> None:
    for turn in range(20):
        fields = [(f"X-Name-{turn * 90 + number}", f"value {turn} {number}") for number in range(90)]
        seen = environ_of(server, request("GET", "/", fields))
        expected = {f"HTTP_X_NAME_{turn * 90 + number}": f"value {turn} {number}" for number in range(90)}
        assert {name: value for name, value in seen.items() if name.startswith("HTTP_X_NAME")} == expected


def test_nothing_of_one_request_is_in_the_environ_of_the_next(server: Server) -> None:
    with server.connect() as client:
        first = request("POST", "/first?a=b", [("X-Once", "1"), ("Content-Type", "text/plain")], b"body")
        client.send(first)
        client.reply()
        for _ in range(10):
            seen = client.get("/").json
            assert not {"HTTP_X_ONCE", "CONTENT_TYPE", "CONTENT_LENGTH"} & set(seen)
            assert (seen["QUERY_STRING"][1], seen["PATH_INFO"][1], seen["REQUEST_METHOD"][1]) == ("", "/", "GET")


@pytest.fixture(scope="module")
def validated() -> Iterator[Server]:
    with running("apps.validated", workers=1, threads=2) as made:
        yield made


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [b"", b"small\nlines\n", b"a line\n" * 20_000], ids=["empty", "small", "large"])
def test_validator_of_wsgiref_finds_nothing(body: bytes, validated: Server) -> None:
    err = validated.stderr.mark
    with validated.connect() as client:
        assert client.get("/a%20b?c").text == f"GET {digest(b'')}"
        assert client.post("/?write", body).text == f"POST {digest(body)}"
        assert client.post("/", body, ("Content-Type", "text/plain")).text == f"POST {digest(body)}"
        head = client.ask("HEAD", "/")
        assert (head.status, head.body) == (200, b"")
        client.send(request("PUT", "/", [CHUNKED]) + chunks([body[:7], body[7:]]))
        assert client.reply().text == f"PUT {digest(body)}"
        assert client.ask("GET", "/", version="1.0").status == 200
    assert validated.stderr.text(err) == ""
