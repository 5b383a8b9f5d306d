"""The environ says what PEP 3333 says it says."""

import io
from typing import Any
from wsgiref.validate import validator

import pytest

from front import Front, N, base_environ


def test_every_key_of_pep_3333_is_there(front: Front) -> None:
    environ = front.environ(target=b"/a/b?x=1&y", fields=[(b"Host", b"example.org:80"), (b"X-Some-Thing", b"v")])
    assert type(environ) is dict
    callables = ("speyside.client_disconnected", "wsgi.early_hints")
    assert all(callable(environ[key]) for key in callables)
    bound = {"wsgi.input", *base_environ(), *callables}
    told = {key: value for key, value in environ.items() if key not in bound}
    assert told == {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "x=1&y",
        "speyside.request_id": "boot-0",
        "RAW_URI": "/a/b?x=1&y",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "54321",
        "speyside.peer_addr": "127.0.0.1",
        "HTTP_HOST": "example.org:80",
        "HTTP_X_SOME_THING": "v",
    }
    assert {key: environ[key] for key in base_environ()} == base_environ()


def test_validate_of_wsgiref_has_nothing_to_say(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        source = environ["wsgi.input"]
        got = [source.read(1), source.readline(), *source.readlines(), *source]
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["REQUEST_METHOD"] == "PUT":
            write(b"written ")
        return [b"".join(got)] if environ["REQUEST_METHOD"] == "POST" else iter(got)

    front.attach([base_environ(**{"wsgi.errors": io.StringIO()})])
    for method in (b"POST", b"PUT"):
        reply = front.ask(validator(application), method=method, target=b"/a?b", body=b"one\ntwo\nthree")
        assert reply.body.endswith(b"one\ntwo\nthree") and not front.reports, front.reports


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://a.example/x", "a.example"),
        (b"HTTPS://[::1]:80?x", "[::1]:80"),
        (b"http://a", "a"),
        (b"/http://a/x", None),
        (b"*", None),
        (b"x:", None),
    ],
)
def test_target_of_http_1_0_in_absolute_form_brings_the_host(front: Front, target: bytes, host: str | None) -> None:
    assert front.environ(target=target, fields=[], minor=0).get("HTTP_HOST") == host
    assert front.environ(target=target, fields=[(b"Host", b"of.the.field")], minor=0)["HTTP_HOST"] == "of.the.field"


def test_nothing_of_one_request_is_in_the_next(front: Front) -> None:
    def spoil(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["left"] = environ["PATH_INFO"] = "behind"
        environ["wsgi.url_scheme"] = "spoilt"
        start_response("200 OK", [])
        return [b""]

    front.ask(spoil, method=b"PUT", target=b"/x?y", fields=[(b"X-A", b"1")], body=b"1", minor=0, flags=N.FlagHTTPS)
    environ = front.environ(addr=b"", port=b"")
    assert environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"] == "/" == environ["RAW_URI"]
    assert environ["QUERY_STRING"] == "" and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["wsgi.url_scheme"] == "http"
    assert not {"left", "HTTP_X_A", "CONTENT_LENGTH"} & environ.keys()
    assert environ["REMOTE_ADDR"] == environ["REMOTE_PORT"] == environ["speyside.peer_addr"] == ""


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a%20b", "/a b"),
        (b"/%C3%A9", "/\u00c3\u00a9"),
        (b"/%2fx%2F", "/x/".replace("/x", "//x")),
        (b"/%", "/%"),
        (b"/%4", "/%4"),
        (b"/%zz%41", "/%zzA"),
        (b"/%%41", "/%A"),
        (b"/a%00b", "/a\0b"),
        (b"/\xe9", "/\u00e9"),
        (b"*", "*"),
        (b"/" + b"%41" * 2000, "/" + "A" * 2000),
    ],
)
def test_paths_are_decoded_as_latin_1(front: Front, target: bytes, path: str) -> None:
    environ = front.environ(target=target)
    assert environ["PATH_INFO"] == path
    assert environ["RAW_URI"] == target.decode("latin-1")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PROPFIND", "X"])
def test_methods(front: Front, method: str) -> None:
    assert front.environ(method=method.encode())["REQUEST_METHOD"] == method


def test_http_1_0(front: Front) -> None:
    assert front.environ(minor=0)["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_https(front: Front) -> None:
    assert front.environ(flags=N.FlagHTTPS)["wsgi.url_scheme"] == "https"
    assert front.environ()["wsgi.url_scheme"] == "http"


def test_each_listener_has_its_base(front: Front) -> None:
    front.attach([base_environ(), base_environ(SERVER_PORT="81")])
    assert front.environ()["SERVER_PORT"] == "80"
    assert front.environ(listener=1)["SERVER_PORT"] == "81"


def test_values_are_latin_1_and_keep_their_bytes(front: Front) -> None:
    every = bytes(range(1, 256))
    environ = front.environ(fields=[(b"X-Bytes", every), (b"X-Empty", b"")])
    assert environ["HTTP_X_BYTES"].encode("latin-1") == every
    assert environ["HTTP_X_EMPTY"] == ""


def test_names_in_any_case_are_one_key(front: Front) -> None:
    for name in (b"X-Thing", b"x-thing", b"X-THING"):
        assert front.environ(fields=[(name, b"1")])["HTTP_X_THING"] == "1"


@pytest.mark.parametrize(
    "name",
    [
        b"Proxy",
        b"proxy",
        b"PROXY",
        b"Content-Length",
        b"CONTENT-length",
        b"Transfer-Encoding",
        b"Transfer_Encoding",
        b"content_length",
    ],
)
def test_headers_that_would_deceive_are_left_out(front: Front, name: bytes) -> None:
    plain = front.environ(fields=[])
    assert front.environ(fields=[(name, b"1")]).keys() == plain.keys()


def test_underscore_that_the_front_lets_pass_makes_a_header_and_no_more(front: Front) -> None:
    environ = front.environ(fields=[(b"X_Real_IP", b"::1"), (b"Content_Type", b"a/b")])
    assert environ["HTTP_X_REAL_IP"] == "::1" and environ["HTTP_CONTENT_TYPE"] == "a/b"
    assert "CONTENT_TYPE" not in environ


def test_content_type_and_length(front: Front) -> None:
    environ = front.environ(method=b"POST", fields=[(b"Content-Type", b"a/b"), (b"Content-Length", b"9")], body=b"abc")
    assert environ["CONTENT_TYPE"] == "a/b" and environ["CONTENT_LENGTH"] == "3"
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & environ.keys()
    assert front.environ(method=b"POST", body=b"")["CONTENT_LENGTH"] == "0"
    assert "CONTENT_LENGTH" not in front.environ(method=b"POST")


def test_repeated_headers_are_joined(front: Front) -> None:
    fields = [(b"X-A", b"1"), (b"Cookie", b"a=1"), (b"x-a", b"2"), (b"cookie", b"b=2"), (b"X-A", b"3"), (b"Host", b"h")]
    environ = front.environ(fields=fields, flags=N.FlagRepeated)
    assert environ["HTTP_X_A"] == "1, 2, 3"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_HOST"] == "h"


def test_many_different_names_stay_right_and_bounded(front: Front) -> None:
    import tracemalloc

    def ask(first: int) -> None:
        fields = [(b"X-%d" % number, b"value %d" % number) for number in range(first, first + 100)]
        fields.append((b"X-" + b"n" * 300, b"long"))
        environ = front.environ(fields=fields)
        assert all(environ[f"HTTP_X_{number}"] == f"value {number}" for number in range(first, first + 100))
        assert environ["HTTP_X_" + "N" * 300] == "long"

    for round in range(30):
        ask(1000 + 100 * round)
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for round in range(100):
        ask(100_000 + 100 * round)
    grown = sum(s.size_diff for s in tracemalloc.take_snapshot().compare_to(before, "filename"))
    tracemalloc.stop()
    assert grown < 100_000  # ten thousand kept names would be a megabyte
    assert front.environ()["HTTP_HOST"] == "test"


def test_well_known_keys_are_the_interned_strings(front: Front) -> None:
    keys = {key: key for key in front.environ(fields=[(b"host", b"h"), (b"User-Agent", b"u"), (b"Content-Type", b"t")])}
    assert keys["HTTP_HOST"] is "HTTP_HOST" and keys["CONTENT_TYPE"] is "CONTENT_TYPE"  # noqa: F632
    assert keys["HTTP_USER_AGENT"] is "HTTP_USER_AGENT"  # noqa: F632


def test_a_value_that_was_remembered_is_not_given_for_another(front: Front) -> None:
    for value in [b"one", b"one", b"two", b"one", b"onf", b"", b"one", b"\xe9ne", b"one", b"x" * 300] * 9:
        assert front.environ(fields=[(b"X-Value", value)])["HTTP_X_VALUE"] == value.decode("latin-1")


def test_addresses_that_alternate(front: Front) -> None:
    for number in range(300):
        environ = front.environ(addr=b"10.0.0.%d" % (number % 3), port=b"%d" % (number * 37))
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == (f"10.0.0.{number % 3}", str(number * 37))


def test_a_head_in_a_large_block(front: Front) -> None:
    fields = [(b"X-%d" % number, b"v" * 100) for number in range(500)]
    environ = front.environ(large=True, fields=fields)
    assert all(environ[f"HTTP_X_{number}"] == "v" * 100 for number in range(500))
