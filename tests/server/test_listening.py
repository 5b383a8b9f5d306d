"""Where it listens, and what it does when it cannot."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import threading
from pathlib import Path

import pytest

from harness import Client, end_of, running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def taken(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError:
            return True
        return False


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_default_address_is_127_0_0_1_port_8000() -> None:
    if taken("127.0.0.1", 8000):  # by somebody else: then the refusal says which address was wanted
        ended = end_of("apps.replies")
        assert ended.code == 1
        assert "http://127.0.0.1:8000 is taken" in ended.stderr
        return
    with running("apps.environs", bind=()) as server:
        assert server.urls == ["http://127.0.0.1:8000"]
        environ = server.get("/").json
        assert (environ["SERVER_NAME"][1], environ["SERVER_PORT"][1]) == ("127.0.0.1", "8000")


def test_port_of_the_environment_is_served_on_every_ipv4_address() -> None:
    port = free_port()
    with running("apps.environs", bind=(), env={"PORT": str(port)}) as server:
        assert server.urls == [f"http://localhost:{port}"]  # an address that a browser understands
        for address in ("127.0.0.1", "127.0.0.2"):
            with Client((address, port), 20) as client:
                assert client.get("/").json["SERVER_PORT"][1] == str(port)


def test_bind_goes_before_port_of_the_environment() -> None:
    port = free_port()
    with running("apps.replies", bind=["127.0.0.1:0"], env={"PORT": str(port)}) as server:
        assert server.port != port
        assert server.get("/").text == "hello\n"
        assert not taken("127.0.0.1", port)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ipv4_ipv6_and_unix_sockets_are_served_at_once(short_path: Path) -> None:
    path = short_path / "s"
    with running("apps.environs", bind=["127.0.0.1:0", "[::1]:0", f"unix:{path}"]) as server:
        assert [url.rpartition(":")[0] for url in server.urls] == ["http://127.0.0.1", "http://[::1]", "unix"]
        with server.connect(0) as ipv4, server.connect(1) as ipv6, server.connect(2) as unix:
            seen = [client.get("/").json for client in (ipv4, ipv6, unix)]
            ports = [str(client.socket.getsockname()[1]) for client in (ipv4, ipv6)]
        assert [each["REMOTE_ADDR"][1] for each in seen] == ["127.0.0.1", "::1", ""]
        assert [each["REMOTE_PORT"][1] for each in seen] == [*ports, ""]
        assert [each["SERVER_NAME"][1] for each in seen[:2]] == ["127.0.0.1", "::1"]
        assert [each["SERVER_PORT"][1] for each in seen[:2]] == [url.rpartition(":")[2] for url in server.urls[:2]]
        assert seen[2]["SERVER_NAME"][1] and seen[2]["SERVER_PORT"][1]


@pytest.mark.parametrize(("umask", "mode"), [((), 0o777), (("--umask", "0o117"), 0o660), (("--umask", "63"), 0o700)])
def test_unix_socket_has_mode_0777_less_umask_and_is_removed(
    umask: tuple[str, ...], mode: int, short_path: Path
) -> None:
    path = short_path / "s"
    before = os.umask(0o077)  # the caller's own umask has no say
    try:
        with running("apps.replies", *umask, bind=[f"unix:{path}"]) as server:
            assert mode_of(path) == mode
            assert server.get("/").text == "hello\n"
    finally:
        os.umask(before)
    assert not path.exists()


def test_socket_that_a_killed_server_left_is_replaced(short_path: Path) -> None:
    path = short_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(path))
        stale.listen()
    assert path.exists()
    with running("apps.replies", bind=[f"unix:{path}"]) as server:
        assert server.get("/").text == "hello\n"


def test_socket_of_a_living_server_is_refused_and_left_alone(short_path: Path) -> None:
    path = short_path / "s"
    with running("apps.replies", bind=[f"unix:{path}"]) as server:
        second = end_of("apps.replies", "--bind", f"unix:{path}")
        assert second.code == 1
        assert_one_message(second.stderr, "SPY0003", str(path))
        assert server.get("/").text == "hello\n"


def test_socket_whose_backlog_is_full_is_somebodys(short_path: Path) -> None:
    """Who asks whether it is dead cannot connect, and must not take that for a no."""
    path = short_path / "s"
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as clients:
        busy.bind(os.fspath(path))
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(os.fspath(path))
        ended = end_of("apps.replies", "--bind", f"unix:{path}")
        assert ended.code == 1
        assert_one_message(ended.stderr, "SPY0003", str(path))
        assert path.exists()


def test_file_that_is_no_socket_is_refused_and_left_alone(short_path: Path) -> None:
    path = short_path / "s"
    path.write_text("precious")
    ended = end_of("apps.replies", "--bind", f"unix:{path}")
    assert ended.code == 1
    assert_one_message(ended.stderr, "SPY0004", str(path))
    assert path.read_text() == "precious"


def test_second_server_on_a_taken_port_is_refused() -> None:
    with running("apps.replies") as server:
        address = f"127.0.0.1:{server.port}"
        for loops in ("1", "2"):
            second = end_of("apps.replies", "--bind", address, "--loops", loops)
            assert second.code == 1
            assert_one_message(second.stderr, "SPY0003", address)
        assert server.get("/").text == "hello\n"


def test_port_that_another_program_has_is_refused_and_nothing_is_left_of_the_others(short_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        path = short_path / "s"
        address = f"127.0.0.1:{other.getsockname()[1]}"
        ended = end_of("apps.replies", "--bind", f"unix:{path}", "--bind", address)
        assert ended.code == 1
        assert_one_message(ended.stderr, "SPY0003", address)
        assert not path.exists()


def test_address_of_another_machine_is_refused() -> None:
    ended = end_of("apps.replies", "--bind", "192.0.2.1:0")
    assert ended.code == 1
    assert_one_message(ended.stderr, "SPY0004", "192.0.2.1")


def test_port_can_be_taken_again_at_once_after_a_stop() -> None:
    with running("apps.replies") as server:
        port = server.port
        client = server.connect()
        assert client.get("/").text == "hello\n"
    client.close()
    with running("apps.replies", bind=[f"127.0.0.1:{port}"]) as server:
        assert server.get("/").text == "hello\n"


def test_connections_wait_until_the_application_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "slow_to_load.py").write_text(
        "import time, os\n"
        "while not os.path.exists('asked'): time.sleep(0.01)\n"
        "from wsgiref.simple_server import demo_app as application\n"
    )
    port = free_port()

    def ask() -> None:
        while True:
            try:
                early = Client(("127.0.0.1", port), 20)
                break
            except ConnectionRefusedError:
                continue
        early.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        (tmp_path / "asked").touch()
        replies.append(early.reply().status)
        early.close()

    replies: list[int] = []
    thread = threading.Thread(target=ask)
    thread.start()
    with running("slow_to_load", bind=[f"127.0.0.1:{port}"], cwd=tmp_path):
        thread.join(20)
        assert replies == [200]


def assert_one_message(stderr: str, code: str, about: str) -> None:
    lines = stderr.splitlines()
    assert re.fullmatch(rf"speyside: error: .*{re.escape(about)}.* \[{code}\]", lines[0]), stderr
    assert all(line.startswith("speyside: hint: ") for line in lines[1:]) and len(lines) <= 2, stderr
