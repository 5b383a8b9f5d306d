"""What a proxy in front is believed, and that nobody else is."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.client import Client, Reply, chunks, request

from harness import Server, running

V2 = b"\r\n\r\n\0\r\nQUIT\n"
HERE = ("127.0.0.1", "127.0.0.1")  # client and peer without a proxy


def v1(client: str = "1.2.3.4", port: int = 1000, family: str = "TCP4", server: str = "5.6.7.8") -> bytes:
    """Return a header of the PROXY protocol, version 1."""
    return f"PROXY {family} {client} {server} {port} 80\r\n".encode()


def v2(command: int = 1, family: int = 0x11, client: str = "1.2.3.4", port: int = 1000, rest: bytes = b"") -> bytes:
    """Return a header of version 2."""
    kind = socket.AF_INET if family >> 4 == 1 else socket.AF_INET6
    ip = socket.inet_pton(kind, client)
    body = ip + bytes(len(ip)) + struct.pack("!HH", port, 80) + rest
    return V2 + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


def environ_of(reply: Reply) -> dict[str, Any]:
    """Return what the application saw."""
    assert reply.status == 200, reply
    return {name: value for name, (_, value) in reply.json.items()}


def parties(environ: dict[str, Any]) -> tuple[str, str]:
    """Return client and peer."""
    return environ["REMOTE_ADDR"], environ["speyside.peer_addr"]


@pytest.fixture(scope="module")
def default() -> Iterator[Server]:
    with running("apps.environs", threads=1, provoked=True) as made:
        yield made


def test_scheme_is_what_a_trusted_proxy_says(default: Server) -> None:
    def scheme(*fields: tuple[str, str]) -> str:
        return str(environ_of(default.get("/", *fields))["wsgi.url_scheme"])

    assert scheme() == "http"
    assert scheme(("X-Forwarded-Proto", "https")) == scheme(("X-Forwarded-Ssl", "on")) == "https"
    assert scheme(("X-Forwarded-Proto", "http")) == scheme(("X-Forwarded-Proto", "https, http")) == "http"
    mark = default.stderr.mark
    reply = default.get("/", ("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off"))
    assert reply.status == 400 and reply.closes and "secure_scheme_headers" in reply.text
    assert "peer=127.0.0.1" in default.log(r"WARN.* proxy refused .*disagree on the scheme.* code=SPY0013", mark)


def test_who_the_client_is_stays_untold_by_default(default: Server) -> None:
    environ = environ_of(
        default.get("/", ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Host", "evil"), ("Forwarded", "for=1.2.3.4"))
    )
    assert parties(environ) == HERE and environ["HTTP_HOST"] == "test.example"
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.2.3.4"  # as gunicorn does: middleware may want it


def test_script_name_and_path_info_are_what_a_trusted_proxy_says(default: Server) -> None:
    def paths(target: str, *fields: tuple[str, str]) -> tuple[str, str, str]:
        environ = environ_of(default.get(target, *fields))
        return environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["RAW_URI"]

    assert paths("/shop/%41", ("SCRIPT_NAME", "/shop")) == ("/shop", "/A", "/shop/%41")
    assert paths("/a", ("SCRIPT_NAME", "/shop")) == ("/shop", "/a", "/a")
    assert paths("/x", ("SCRIPT_NAME", "/shop"), ("PATH_INFO", "/a%b")) == ("/shop", "/a%b", "/x")
    assert paths("/x", ("PATH_INFO", "")) == ("", "", "/x")
    assert paths("/x") == ("", "/x", "/x")
    environ = environ_of(default.get("/", ("SCRIPT_NAME", "/a"), ("X_User", "root"), ("REMOTE_USER", "root")))
    assert not {"HTTP_X_USER", "HTTP_REMOTE_USER"} & set(environ)
    for value in ("shop", "//evil.example"):
        assert default.get("/", ("SCRIPT_NAME", value)).status == 400
    assert default.get("/", ("SCRIPT_NAME", "/a"), ("script_name", "/b")).status == 400


SPOOFS = [
    ("X-Forwarded-For", "1.2.3.4"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Ssl", "off"),
    ("Forwarded", "for=1.2.3.4;host=evil;proto=https"),
    ("Forwarded", "="),
    ("REMOTE_USER", "root"),
    ("PATH_INFO", "/evil"),
    ("SCRIPT_NAME", "/evil"),
]


@pytest.mark.parametrize("family", ["off", "x-forwarded", "forwarded"])
def test_nothing_is_believed_of_a_peer_that_is_not_trusted(family: str) -> None:
    with running("apps.environs", "--forwarded-allow-ips=10.0.0.0/8", f"--proxy-headers={family}") as server:
        environ = environ_of(server.get("/path", *SPOOFS))
        assert parties(environ) == HERE and environ["wsgi.url_scheme"] == "http"
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/path")
        assert (environ["HTTP_HOST"], environ["SERVER_PORT"]) == ("test.example", str(server.port))
        assert not {"HTTP_SCRIPT_NAME", "HTTP_PATH_INFO", "HTTP_REMOTE_USER"} & set(environ)
        server.log(r"header dropped name=SCRIPT_NAME")


def test_header_map_refuses_only_what_forwarder_headers_does_not_name() -> None:
    with running("apps.environs", "--header-map=refuse", "--forwarder-headers=REMOTE_USER") as server:
        assert environ_of(server.get("/", ("REMOTE_USER", "anna")))["HTTP_REMOTE_USER"] == "anna"
        assert server.get("/", ("SCRIPT_NAME", "/a")).status == 400
    with running("apps.environs", "--header-map=refuse", "--forwarded-allow-ips=") as server:
        assert server.get("/", ("SCRIPT_NAME", "/a")).status == 400


@pytest.fixture(scope="module")
def x_forwarded() -> Iterator[Server]:
    with running(
        "apps.environs", "--proxy-headers=x-forwarded", "--forwarded-allow-ips=127.0.0.1,10.0.0.0/8",
        "--route=/small limit_request_body=10", threads=1, provoked=True,
    ) as made:  # fmt: skip
        yield made


def test_client_host_port_and_prefix_are_what_a_trusted_proxy_says(x_forwarded: Server) -> None:
    environ = environ_of(
        x_forwarded.get(
            "/path",
            ("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.1.1.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "a.example"),
            ("X-Forwarded-Port", "8443"),
            ("X-Forwarded-Prefix", "/shop"),
        )
    )
    assert {name: environ[name] for name in environ if name in EXPECTED} == EXPECTED


EXPECTED = {
    "REMOTE_ADDR": "1.2.3.4", "REMOTE_PORT": "", "speyside.peer_addr": "127.0.0.1", "wsgi.url_scheme": "https",
    "HTTP_HOST": "a.example:8443", "SERVER_NAME": "a.example", "SERVER_PORT": "8443", "SCRIPT_NAME": "/shop",
    "PATH_INFO": "/path", "RAW_URI": "/path",
}  # fmt: skip


def test_one_request_says_nothing_of_the_next(x_forwarded: Server) -> None:
    clients = ["1.2.3.4", "", "2001:db8::1", "", "5.6.7.8"]
    with x_forwarded.connect() as client:
        own = client.socket.getsockname()[1]
        for number, ip in enumerate(clients):
            fields = [("X-Forwarded-For", ip), ("X-Forwarded-Proto", "https")] if ip else []
            environ = environ_of(client.ask("POST", f"/{number}", fields, b"x" * 40_000))
            assert parties(environ) == (ip or "127.0.0.1", "127.0.0.1")
            assert environ["wsgi.url_scheme"] == ("https" if ip else "http")
            assert environ["REMOTE_PORT"] == ("" if ip else str(own))
        client.send(b"".join(request("GET", "/", [("X-Forwarded-For", ip)]) for ip in clients))
        for ip in clients:
            assert parties(environ_of(client.reply())) == (ip or "127.0.0.1", "127.0.0.1")


def test_what_a_proxy_says_holds_until_the_body_has_come(x_forwarded: Server) -> None:
    fields = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Host", "a.example"), ("Transfer-Encoding", "chunked")]
    with x_forwarded.connect() as client:
        for piece in (
            request("POST", "/", fields),
            *(chunks([b"y" * 1000])[at : at + 100] for at in range(0, 1012, 100)),
        ):
            client.send(piece)
        environ = environ_of(client.reply())
        assert (environ["REMOTE_ADDR"], environ["SERVER_NAME"]) == ("1.2.3.4", "a.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "evil"),
        ("X-Forwarded-For", "1.2.3.4:99999"),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "user@a.example"),
        ("X-Forwarded-Host", "a.example/x"),
        ("X-Forwarded-Port", "0"),
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Prefix", "//evil.example"),
    ],
)
def test_malformed_word_of_a_proxy_is_refused(name: str, value: str, x_forwarded: Server) -> None:
    reply = x_forwarded.get("/", (name, value))
    assert reply.status == 400 and reply.closes and "the proxy names a" in reply.text


def test_refusals_are_logged_ten_times_a_minute() -> None:
    with running("apps.environs", "--proxy-headers=x-forwarded", provoked=True) as server:
        for _ in range(30):
            assert server.get("/", ("X-Forwarded-For", "evil")).status == 400
        server.get("/")
        assert 10 <= len(server.stderr.wait(r"proxy refused peer=\S+ why=.*SPY0013", 0, 10, 5.0)) <= 20


def test_route_is_that_of_the_path_as_the_application_sees_it(x_forwarded: Server) -> None:
    def status(target: str, *fields: tuple[str, str]) -> int:
        return x_forwarded.post(target, b"x" * 20, *fields).status

    assert (status("/small"), status("/shop/small"), status("/other")) == (413, 200, 200)
    assert status("/shop/small", ("SCRIPT_NAME", "/shop")) == 413
    assert status("/other", ("PATH_INFO", "/small")) == 413
    assert status("/small", ("PATH_INFO", "/other")) == 200
    assert status("/small", ("X-Forwarded-Prefix", "/small")) == 413  # it was cut off already


def test_forwarded_is_read_strictly() -> None:
    with running(
        "apps.environs", "--proxy-headers=forwarded", "--forwarded-allow-ips=127.0.0.0/8", provoked=True
    ) as server:
        value = 'for=6.6.6.6, for="[2001:db8::1]:4711";proto=https;host="a.example:8443", for=127.0.0.5;proto=http'
        environ = environ_of(server.get("/", ("Forwarded", value), *SPOOFS[:5]))
        assert parties(environ) == ("2001:db8::1", "127.0.0.1") and environ["REMOTE_PORT"] == "4711"
        assert environ["wsgi.url_scheme"] == "https" and environ["SCRIPT_NAME"] == ""
        assert (environ["HTTP_HOST"], environ["SERVER_NAME"], environ["SERVER_PORT"]) == (
            "a.example:8443", "a.example", "8443",
        )  # fmt: skip
        for unknown in ("unknown", "_hidden", '"_hidden:_port"'):
            assert parties(environ_of(server.get("/", ("Forwarded", f"for={unknown}")))) == ("", "127.0.0.1")
        assert parties(environ_of(server.get("/", *SPOOFS[:5]))) == HERE
        for bad in ("for=1.2.3.4; proto=https", 'for="1.2.3.4', "for=1.2.3.4;for=5.6.7.8", 'for="::1"', "for=a"):
            assert server.get("/", ("Forwarded", bad)).status == 400


def test_unix_socket_is_trusted(tmp_path: Path) -> None:
    arguments = ["--proxy-headers=x-forwarded", "--forwarded-allow-ips=", "--proxy-protocol", "--proxy-allow-from="]
    with running("apps.environs", *arguments, bind=[f"unix:{tmp_path}/s"]) as server:
        environ = environ_of(server.get("/", ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")))
        assert (*parties(environ), environ["wsgi.url_scheme"]) == ("1.2.3.4", "", "https")
        assert parties(environ_of(server.get("/"))) == ("", "")
        assert parties(environ_of(said(server, v1()))) == ("1.2.3.4", "")


# The PROXY protocol


@pytest.fixture(scope="module")
def relayed() -> Iterator[Server]:
    with running(
        "apps.environs", "--proxy-protocol", "--forwarded-allow-ips=127.0.0.1,10.0.0.0/8", threads=1, provoked=True
    ) as made:
        yield made


def said(server: Server, header: bytes, *fields: tuple[str, str]) -> Reply:
    """Send a header and one request, and return the reply."""
    with server.connect() as client:
        client.send(header + request("GET", "/", fields))
        return client.reply()


@pytest.mark.parametrize(
    ("header", "client", "port"),
    [
        (v1(), "1.2.3.4", "1000"),
        (v1("2001:db8::1", 1, "TCP6", "::1"), "2001:db8::1", "1"),
        (v2(), "1.2.3.4", "1000"),
        (v2(family=0x21, client="2001:db8::1"), "2001:db8::1", "1000"),
        (v2(family=0x21, client="::ffff:1.2.3.4"), "1.2.3.4", "1000"),
        (v2(rest=b"\xea\x00\x04\x01vpc"), "1.2.3.4", "1000"),
        (v2(command=0), "127.0.0.1", None),
        (V2 + b"\x20\0\0\0", "127.0.0.1", None),
        (V2 + b"\x21\0\0\0", "127.0.0.1", None),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", None),
        (b"", "127.0.0.1", None),
    ],
)
def test_client_is_whom_the_proxy_protocol_names(header: bytes, client: str, port: str | None, relayed: Server) -> None:
    pieces = [[header], [header[at : at + 1] for at in range(len(header))]]
    for sent in pieces:
        with relayed.connect() as connection:
            own = str(connection.socket.getsockname()[1])
            for piece in sent:
                connection.send(piece)
            for number in range(3):
                environ = environ_of(connection.get(f"/{number}"))
                assert parties(environ) == (client, "127.0.0.1")
                assert environ["REMOTE_PORT"] == (port or own)
                assert environ["PATH_INFO"] == f"/{number}"
        assert parties(environ_of(said(relayed, header))) == (client, "127.0.0.1")


def test_whom_the_proxy_protocol_names_must_be_trusted_for_headers(relayed: Server) -> None:
    https = ("X-Forwarded-Proto", "https")
    for header, scheme in [
        (b"", "https"), (v1(), "http"), (v1("10.0.0.1"), "https"), (v2(), "http"), (v2(command=0), "https"),
        (b"PROXY UNKNOWN\r\n", "http"), (V2 + b"\x21\0\0\0", "http"),
    ]:  # fmt: skip
        assert environ_of(said(relayed, header, https))["wsgi.url_scheme"] == scheme, header


def test_headers_and_the_proxy_protocol_together() -> None:
    arguments = ("--proxy-protocol=auto", "--proxy-headers=x-forwarded", "--forwarded-allow-ips=10.0.0.0/8")
    with running("apps.environs", *arguments) as server, server.connect() as client:
        client.send(v1("10.0.0.9"))
        for ip in ("1.2.3.4", "5.6.7.8"):
            environ = environ_of(client.get("/", ("X-Forwarded-For", ip)))
            assert parties(environ) == (ip, "127.0.0.1")
        assert parties(environ_of(client.get("/"))) == ("10.0.0.9", "127.0.0.1")


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 99999 80\r\n",
        b"PROXY TCP4 localhost 5.6.7.8 1000 80\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\n",
        b"PROXY " + b"x" * 200,
        b"PROXY / HTTP/1.1\r\n",
        v2(command=5),
        V2 + b"\x21\x11\0\x04abcd",
        V2 + b"\x21\x11\xff\xff",
        V2 + b"\x31\x11\0\x0c" + bytes(12),
    ],
)
def test_malformed_header_of_the_proxy_protocol_is_refused(header: bytes, relayed: Server) -> None:
    mark = relayed.stderr.mark
    reply = said(relayed, header)
    assert reply.status == 400 and reply.closes
    if b"localhost" in header:
        relayed.log(r"WARN.* proxy refused peer=127.0.0.1 why=.*invalid address.* code=SPY0014", mark)


def test_header_after_the_first_is_no_request(relayed: Server) -> None:
    with relayed.connect() as client:
        client.send(v1() + v1("6.6.6.6") + request("GET", "/"))
        assert client.reply().status == 400


def test_proxy_protocol_is_spoken_by_those_who_may_only() -> None:
    with running("apps.environs", "--proxy-protocol=auto", "--proxy-allow-from=10.0.0.1", provoked=True) as server:
        for header in (v1(), v2(), b"PROXY nonsense\r\n"):
            reply = said(server, header)
            assert reply.status == 403 and reply.closes
        server.log(r"WARN.* proxy refused peer=127.0.0.1 why=.*spoke the PROXY protocol.* code=SPY0015")
        assert parties(environ_of(said(server, b""))) == HERE


@pytest.mark.parametrize(("mode", "good", "bad"), [("v1", v1(), v2()), ("v2", v2(), v1()), ("off", b"", v1())])
def test_only_the_version_that_is_set_is_read(mode: str, good: bytes, bad: bytes) -> None:
    with running("apps.environs", f"--proxy-protocol={mode}") as server:
        assert said(server, good).status == 200
        assert said(server, bad).status == 400


def test_header_of_the_proxy_protocol_has_the_time_of_a_head() -> None:
    with running("apps.environs", "--proxy-protocol", "--header-timeout=1") as server:
        for beginning, status in [(b"PROXY TCP4 1.2", 408), (V2[:5], 408), (v1() + b"GET ", 408), (v1(), 0), (b"", 0)]:
            with server.connect() as client:
                client.send(beginning)
                assert ended(client) == status, beginning


def ended(client: Client) -> int:
    """Wait until the server ends the connection, and return the status that it answered with; 0 for none."""
    got = b""
    while piece := client.socket.recv(4096):
        got += piece
    return int(got.split(b" ")[1]) if got else 0
