"""wsgi.file_wrapper: regular files are sent by the front from their descriptor, everything else is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.client import request

from harness import PATIENCE, Server, Unsound, processes, running, until

LARGE = 5_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.files", "--log-level=debug", workers=1, threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "large"
    path.write_bytes(bytes(range(ord("a"), ord("z"))) * (LARGE // 25))
    return path


def sent(server: Server, since: int) -> list[int]:
    """Return the lengths of the files that the front has sent by itself."""
    return [int(n) for n in re.findall(r"file sent bytes=(\d+) copied=false", server.stderr.text()[since:])]


def read_by(pid: int) -> int:
    """Return the bytes that a process has read from files."""
    return int(re.findall(r"rchar: (\d+)", Path(f"/proc/{pid}/io").read_text())[0])


def closed(server: Server, path: Path) -> None:
    """Wait until the application has closed the file: close() may come after the client has everything."""
    until(lambda: server.get(f"/open?path={path}").text == "0", "the file to be closed", PATIENCE)


@pytest.mark.parametrize("kind", ["plain", "raw", "both", "temporary"])
def test_regular_file_is_sent_by_the_front(kind: str, server: Server, large: Path) -> None:
    worker = server.ready(1)[0]
    since, before = len(server.stderr.text()), read_by(worker)
    with server.connect() as client:
        for _ in range(2):  # kept alive
            reply = client.get(f"/file?path={large}&as={kind}")
            assert reply.get("Content-Length") == str(LARGE) and reply.body == large.read_bytes()
    server.log(r"file sent bytes=5000000 copied=false", since, 2)
    if kind != "temporary":
        assert read_by(worker) - before < LARGE
    closed(server, large)


def test_small_file_comes_with_the_head(server: Server, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"small")
    since = len(server.stderr.text())
    with server.connect() as client:
        for _ in range(2):
            reply = client.get(f"/file?path={tmp_path / 'small'}")
            assert (reply.get("Content-Length"), reply.body) == ("5", b"small")
    assert sent(server, since) == []


@pytest.mark.parametrize("size", [0, 1, 15_000, 15_500, 16_000, 20_000, 70_000])
def test_every_size_arrives_whole(size: int, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "sized"
    path.write_bytes(os.urandom(size))
    with server.connect() as client:
        assert client.get(f"/file?path={path}").body == path.read_bytes()
        closed(server, path)


@pytest.mark.parametrize(
    ("how", "offset"), [("read=1000", 1000), ("seek=4999999", 4_999_999), ("seek=4000000", 4_000_000)]
)
@pytest.mark.parametrize("kind", ["plain", "raw", "both"])
def test_sending_begins_at_the_position_of_the_file(
    how: str, offset: int, kind: str, server: Server, large: Path
) -> None:
    reply = server.get(f"/file?path={large}&as={kind}&{how}")
    assert reply.body == large.read_bytes()[offset:]


@pytest.mark.parametrize("kind", ["plain", "memory"])
def test_length_of_the_application_says_how_much_is_wanted(kind: str, server: Server, large: Path) -> None:
    since = len(server.stderr.text())
    with server.connect() as client:
        reply = client.get(f"/file?path={large}&as={kind}&read=5&length=100000&block=7000&status=206%20Part")
        assert (reply.status, reply.body) == (206, large.read_bytes()[5:100_005])
        closed(server, large)
    assert "SPY" not in server.stderr.text()[since:]


@pytest.mark.parametrize("size", [100, 100_000])
def test_file_shorter_than_its_length_is_a_fault(size: int, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(bytes(size))
    with running("apps.files", workers=1, threads=1, provoked=True) as server:
        reply = server.get(f"/file?path={path}&length=100001")
        assert reply.status == 500
        server.log(rf"SPY0311.*the body has {size} bytes, its Content-Length is 100001|{size} bytes.*SPY0311")


@pytest.mark.parametrize("kind", ["pipe", "gzip", "memory"])
def test_what_is_no_regular_file_is_read(kind: str, server: Server, large: Path) -> None:
    since = len(server.stderr.text())
    assert server.get(f"/file?path={large}&as={kind}").body == large.read_bytes()
    assert sent(server, since) == []


@pytest.mark.parametrize("kind", ["upper", "loud"])
def test_file_that_reads_in_its_own_way_is_read(kind: str, server: Server, large: Path) -> None:
    assert server.get(f"/file?path={large}&as={kind}").body == large.read_bytes().upper()


def test_file_of_proc_is_read(server: Server) -> None:
    assert server.get("/file?path=/proc/version").body == Path("/proc/version").read_bytes()


@pytest.mark.parametrize("how", ["as=text", "closed=1"])
def test_what_cannot_be_read_as_bytes_is_a_fault(how: str, large: Path) -> None:
    with running("apps.files", workers=1, threads=1, provoked=True) as server:
        assert server.get(f"/file?path={large}&{how}").status == 500
        server.log(r"SPY030[12]")


def test_middleware_gets_blocks(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "blocks"
    path.write_bytes(bytes(25))
    assert server.get(f"/wrapped?path={path}").text == "10 10 5 "
    assert server.get(f"/subclass?path={path}").text == "of its own"
    closed(server, path)


def test_file_comes_after_what_was_written(server: Server, large: Path) -> None:
    assert server.get(f"/written?path={large}").body == b"written " + large.read_bytes()


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_file_is_closed_once(kind: str, server: Server, large: Path) -> None:
    out = server.stdout.mark
    with server.connect() as client:
        for method in ("GET", "HEAD", "GET"):
            assert client.ask(method, f"/file?path={large}&as={kind}&name={kind}").status == 200
    server.printed(rf"^closed {kind}$", out, 3)
    assert server.get("/open?path=x").status == 200
    assert server.stdout.text()[out:].count(f"closed {kind}") == 3


def test_head_has_the_length_and_no_body(server: Server, large: Path) -> None:
    since = len(server.stderr.text())
    with server.connect() as client:
        reply = client.ask("HEAD", f"/file?path={large}")
        assert (reply.get("Content-Length"), reply.body) == (str(LARGE), b"")
        assert client.ask("HEAD", f"/file?path={large}&length=17").get("Content-Length") == "17"
        assert client.get(f"/file?path={large}&status=204%20None").body == b""
        closed(server, large)
    assert sent(server, since) == []


def test_http_1_0_gets_the_file_and_its_length(server: Server, large: Path) -> None:
    with server.connect() as client:
        reply = client.ask("GET", f"/file?path={large}", version="1.0")
        assert reply.get("Content-Length") == str(LARGE) and reply.body == large.read_bytes()


def test_clients_that_do_not_read_keep_no_thread(server: Server, large: Path) -> None:
    clients = [server.connect() for _ in range(20)]  # there are two threads
    try:
        for client in clients:
            client.send(request("GET", f"/file?path={large}"))
        assert server.get("/open?path=x").text == "0"
        for client in clients:
            assert client.reply().body == large.read_bytes()
    finally:
        for client in clients:
            client.close()


def test_client_that_leaves_gives_the_file_back(server: Server, large: Path) -> None:
    for _ in range(20):
        client = server.connect()
        client.send(request("GET", f"/file?path={large}"))
        client.head()
        client.reset()
    until(lambda: str(large) not in processes.files(server.front), "the files to be closed", PATIENCE)


def test_file_that_becomes_shorter_is_cut_and_told(tmp_path: Path) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(bytes(50_000_000))
    with running("apps.files", workers=1, threads=1, provoked=True) as server, server.connect() as client:
        client.send(request("GET", f"/file?path={path}"))
        head = client.head()
        os.truncate(path, 1000)
        with pytest.raises((Unsound, ConnectionResetError)):
            b"".join(client.pieces(head))
        server.log(r"reply cut .*it became shorter meanwhile.*code=SPY0316")
        assert server.get("/open?path=x").status == 200


@pytest.mark.parametrize(
    ("application", "target"),
    [("of_django", "/plain"), ("of_django", "/wrapped"), ("of_flask", "/plain")],
)
def test_frameworks_send_files_by_the_front(application: str, target: str, large: Path) -> None:
    name = f"apps.framework_files:{application}"
    with running(name, "--log-level=debug", workers=1, threads=1, env={"FILE": str(large)}) as server:
        worker = server.ready(1)[0]
        with server.connect() as client:
            assert client.ask("HEAD", target).get("Content-Length") == str(LARGE)
            before = read_by(worker)
            for _ in range(3):
                reply = client.get(target)
                assert (reply.status, reply.body) == (200, large.read_bytes())
            server.log(r"file sent bytes=5000000 copied=false", count=3)
            assert read_by(worker) - before < LARGE
            if application == "of_flask":
                reply = client.get(target, ("Range", "bytes=1000-1999"))
                assert (reply.status, reply.body) == (206, large.read_bytes()[1000:2000])
        until(lambda: str(large) not in processes.files(worker), "the worker to close the file", PATIENCE)
