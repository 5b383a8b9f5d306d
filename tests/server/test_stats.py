"""The state in the form of uWSGI's stats server: whoever connects is told it once, and uwsgitop reads it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, SIGUSR2
from subprocess import Popen
from typing import Any

import pytest
from harness.client import request
from harness.program import command

from harness import PATIENCE, Gate, Server, Unsound, end_of, running, until

APP = """
import os, time

def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/raises":
        raise ValueError("wanted")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/gated":
        print("started", flush=True)
        while not os.path.exists(query):
            time.sleep(0.01)
    if path == "/large":
        return [b"x" * 100_000] * 10
    if path == "/breaks":
        return broken()
    if path == "/sleeps":
        time.sleep(float(query))
    return [b"hello"]

def broken():
    yield b"x" * 100_000
    raise ValueError("wanted")
"""

# What uWSGI 2.0.31 says, in its order, and what kind of value each is.
SERVER = {
    "version": str,
    "listen_queue": int,
    "listen_queue_errors": int,
    "signal_queue": int,
    "load": int,
    "pid": int,
    "uid": int,
    "gid": int,
    "cwd": str,
    "locks": list,
    "sockets": list,
    "daemons": list,  # which uWSGI leaves out when there are none
    "workers": list,
}
SOCKET = {"name": str, "proto": str, "queue": int, "max_queue": int, "shared": int, "can_offload": int}
WORKER = {
    "id": int,
    "pid": int,
    "accepting": int,
    "requests": int,
    "delta_requests": int,
    "exceptions": int,
    "harakiri_count": int,
    "signals": int,
    "signal_queue": int,
    "status": str,
    "rss": int,
    "vsz": int,
    "running_time": int,
    "last_spawn": int,
    "respawn_count": int,
    "tx": int,
    "avg_rt": int,
    "apps": list,
    "cores": list,
}
APPLICATION = {
    "id": int,
    "modifier1": int,
    "mountpoint": str,
    "startup_time": int,
    "requests": int,
    "exceptions": int,
    "chdir": str,
}
CORE = {
    "id": int,
    "requests": int,
    "static_requests": int,
    "routed_requests": int,
    "offloaded_requests": int,
    "write_errors": int,
    "read_errors": int,
    "in_request": int,
    "vars": list,
    "req_info": dict,
}


@pytest.fixture
def place(short_path: Path) -> Path:
    """Return a directory with the application."""
    (short_path / "shop.py").write_text(APP)
    return short_path


def connected(address: str | tuple[str, int]) -> socket.socket:
    client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    client.settimeout(PATIENCE)
    client.connect(address)
    return client


def rest(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def read(address: str | tuple[str, int]) -> bytes:
    """Connect and read to the end, as uwsgitop does."""
    with connected(address) as client:
        return rest(client)


def told(place: Path) -> dict[str, Any]:
    """Return what a server says on stats.sock."""
    document: dict[str, Any] = json.loads(read(str(place / "stats.sock")))
    return document


def settled(place: Path, requests: int) -> list[dict[str, Any]]:
    """Return the workers once so many requests have been counted: the reply is there a moment before."""

    def all_counted() -> list[dict[str, Any]]:
        workers: list[dict[str, Any]] = told(place)["workers"]
        return workers if sum(worker["requests"] for worker in workers) >= requests else []

    return until(all_counted, f"{requests} requests in the counts", PATIENCE)


def port_of(server: Server) -> int:
    line = server.log(r"stats told address=127\.0\.0\.1:\d+")
    return int(line.rpartition(":")[2])


def test_the_document_has_the_fields_of_uwsgi_and_they_are_true(place: Path) -> None:
    before = int(time.time())
    with running("shop:app", "--stats=unix:stats.sock", workers=2, threads=2, cwd=place, provoked=True) as server:
        for target in ("/", "/", "/large", "/raises", "/sleeps?0.05"):
            server.get(target)
        workers = settled(place, 5)
        document = told(place)
        assert {name: type(value) for name, value in document.items()} == SERVER
        assert (document["pid"], document["uid"], document["gid"]) == (server.front, os.getuid(), os.getgid())
        assert (document["cwd"], document["version"]) == (str(place), end_of("--version").stdout.split()[1])
        (address,) = document["sockets"]
        assert {name: type(value) for name, value in address.items()} == SOCKET
        assert (address["name"], address["proto"], address["max_queue"]) == (f"127.0.0.1:{server.port}", "http", 2048)
        assert {worker["id"] - 1: worker["pid"] for worker in workers} == server.workers()
        for worker in workers:
            assert {name: type(value) for name, value in worker.items()} == WORKER
            (application,) = worker["apps"]
            assert {name: type(value) for name, value in application.items()} == APPLICATION
            assert (application["requests"], application["chdir"]) == (worker["requests"], str(place))
            assert [{name: type(value) for name, value in core.items()} for core in worker["cores"]] == [CORE, CORE]
            assert sum(core["requests"] for core in worker["cores"]) == worker["requests"] == worker["delta_requests"]
            assert (worker["accepting"], worker["status"], worker["respawn_count"]) == (1, "idle", 1)
            assert before <= worker["last_spawn"] <= time.time()
            assert 1 << 20 < worker["rss"] < worker["vsz"]
            assert worker["avg_rt"] == (worker["running_time"] // worker["requests"] if worker["requests"] else 0)
        assert sum(worker["exceptions"] for worker in workers) == 1
        assert 50_000 <= sum(worker["running_time"] for worker in workers) < 60_000_000, "microseconds"
        assert 1_000_000 < sum(worker["tx"] for worker in workers) < 1_010_000, "bytes"


def test_it_says_what_each_thread_is_doing_and_what_waits(place: Path, gate: Gate) -> None:
    with (
        running("shop:app", "--stats=unix:stats.sock", workers=1, threads=1, cwd=place) as server,
        server.connect() as first,
        server.connect() as second,
    ):
        began = int(time.time())
        first.send(request("GET", f"/gated?{gate.path}"))
        server.printed("started")
        second.send(request("GET", "/"))
        document = until(lambda: (d := told(place))["listen_queue"] == 1 and d, "a request in line", PATIENCE)
        (worker,) = document["workers"]
        (core,) = worker["cores"]
        assert (worker["status"], worker["accepting"], core["in_request"]) == ("busy", 1, 1)
        assert core["vars"] == ["REQUEST_METHOD=GET", "REQUEST_URI=/gated", "REMOTE_ADDR=127.0.0.1"], (
            "no query: secrets"
        )
        assert began <= core["req_info"]["request_start"] <= time.time()
        first.reset()
        until(lambda: told(place)["workers"][0]["cores"][0]["vars"] == [], "that the client has left", PATIENCE)
        (worker,) = told(place)["workers"]
        assert (worker["status"], worker["cores"][0]["in_request"]) == ("busy", 1), "the thread goes on"
        gate.open()
        assert second.reply().status == 200
        (worker,) = settled(place, 2)
        assert (worker["status"], worker["cores"][0]["in_request"], worker["exceptions"]) == ("idle", 0, 0)


def test_a_number_keeps_its_counts_when_another_process_has_it(place: Path) -> None:
    with running("shop:app", "--stats=unix:stats.sock", workers=1, cwd=place, provoked=True) as server:
        for target in ("/", "/raises"):
            server.get(target)
        with pytest.raises(Unsound):
            server.get("/breaks")
        (worker,) = settled(place, 3)
        assert (worker["exceptions"], worker["delta_requests"]) == (2, 3)
        os.kill(worker["pid"], SIGKILL)

        def again() -> dict[str, Any] | None:
            (now,) = told(place)["workers"]
            return now if now["respawn_count"] == 2 and now["accepting"] else None

        now = until(again, "the next process", PATIENCE)
        assert (now["requests"], now["delta_requests"], now["exceptions"]) == (3, 0, 2)
        assert now["pid"] != worker["pid"] and now["running_time"] == worker["running_time"]


def test_a_request_that_timed_out_is_counted(place: Path) -> None:
    with running("shop:app", "--stats=unix:stats.sock", "--timeout=0.3", cwd=place, provoked=True) as server:
        assert server.get("/sleeps?1").status == 504
        (worker,) = [one for one in told(place)["workers"] if one["harakiri_count"]]
        assert (worker["harakiri_count"], worker["exceptions"]) == (1, 0)


def test_a_reload_begins_the_counts_anew(place: Path) -> None:
    with running("shop:app", "--stats=unix:stats.sock", workers=1, cwd=place) as server:
        assert server.get("/").status == 200
        (before,) = settled(place, 1)
        server.interrupt(SIGHUP)

        def next_one() -> dict[str, Any] | None:
            (now,) = told(place)["workers"]
            return now if now["pid"] not in (0, before["pid"]) else None

        now = until(next_one, "the next generation", PATIENCE)
        assert (now["requests"], now["respawn_count"]) == (0, 1)


def test_the_forms_are_those_of_uwsgi(place: Path) -> None:
    with running("shop:app", "--stats=127.0.0.1:0", "--stats-form=http,minified,no-cores", cwd=place) as server:
        head, _, body = read(("127.0.0.1", port_of(server))).partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert (
            lines[0] == "HTTP/1.0 200 OK" and "Content-Type: application/json" in lines and "Connection: close" in lines
        )
        assert body.count(b"\n") == 1 and b'": ' not in body
        assert all("cores" not in worker for worker in json.loads(body)["workers"])
        # A client that asks is answered, whatever it asks.
        with connected(("127.0.0.1", port_of(server))) as client:
            client.sendall(b"POST /anything HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            assert rest(client).partition(b"\r\n\r\n")[2]
    with running("shop:app", "--stats=unix:stats.sock", cwd=place) as server:
        assert read(str(place / "stats.sock")).startswith(b'{\n\t"version":')
    assert not (place / "stats.sock").exists(), "it goes with the server"


def drawn(screen: int, wanted: str) -> str:
    """Read what uwsgitop draws until it has drawn that."""
    seen = ""

    def more() -> str:
        nonlocal seen
        seen += os.read(screen, 1 << 16).decode(errors="replace")
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]", " ", seen)
        return plain if re.search(wanted, plain) else ""

    return until(more, f"{wanted} in what uwsgitop draws", PATIENCE)


@pytest.mark.parametrize("over_http", [False, True])
def test_uwsgitop_reads_it(place: Path, over_http: bool) -> None:
    program = Path(sys.executable).with_name("uwsgitop")
    forms = ("--stats-form=http",) if over_http else ()
    with running("shop:app", "--stats=127.0.0.1:0", *forms, workers=1, cwd=place) as server:
        for _ in range(7):
            assert server.get("/").status == 200
        address = f"127.0.0.1:{port_of(server)}"
        terminal = {**os.environ, "TERM": "linux", "LINES": "40", "COLUMNS": "240"}
        ours, theirs = pty.openpty()
        command = [sys.executable, str(program), f"http://{address}" if over_http else address]
        top = Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=terminal)
        os.close(theirs)
        try:
            (pid,) = server.workers().values()
            text = drawn(ours, rf"(?s){pid}\s+7\s.*idle")
            assert re.search(r"uwsgi-\d+\.\d+\.\d+ - .* - req: 7 - ", text)
            assert f"masterpid: {server.front}" in text and f"cwd: {place}" in text
            os.write(ours, b"aq")  # the threads, too
            until(lambda: top.poll() is not None, "the end of uwsgitop", PATIENCE)
            assert top.returncode == 0
        finally:
            top.kill()
            top.wait()
            os.close(ours)


def test_clients_that_never_read_keep_nobody_waiting(place: Path) -> None:
    with running("shop:app", "--stats=unix:stats.sock", workers=1, threads=64, cwd=place) as server:
        silent = [connected(str(place / "stats.sock")) for _ in range(200)]
        try:
            assert told(place)["pid"] == server.front
            assert server.get("/").status == 200
            with ThreadPoolExecutor(16) as pool:
                pids = [one["pid"] for one in pool.map(lambda _: told(place), range(64))]
            assert pids == [server.front] * 64
        finally:
            for client in silent:
                client.close()


def test_it_is_told_while_every_worker_hangs(place: Path) -> None:
    with running("shop:app", "--stats=unix:stats.sock", workers=2, cwd=place) as server:
        pids = server.workers().values()
        for pid in pids:
            os.kill(pid, SIGSTOP)
        try:
            assert sorted(worker["pid"] for worker in told(place)["workers"]) == sorted(pids)
        finally:
            for pid in pids:
                os.kill(pid, SIGCONT)


def test_a_program_in_its_place_goes_on_telling(place: Path) -> None:
    with running("shop:app", "--stats=unix:stats.sock", workers=1, cwd=place) as server:
        server.interrupt(SIGUSR2)
        successor = int(server.log(r" upgraded pid=\d+").rpartition("=")[2])
        until(lambda: told(place)["pid"] == successor, "that the other program tells", PATIENCE)
        until(lambda: server.process.poll() is not None, "the end of the first one", PATIENCE)
        assert told(place)["pid"] == successor, "the path is its own"
        os.kill(successor, SIGTERM)
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)
        assert not (place / "stats.sock").exists()


def test_an_address_that_cannot_be_listened_on_ends_the_start(place: Path) -> None:
    (place / "file").write_text("kept")
    with running("shop:app", "--stats=unix:stats.sock", cwd=place) as server:
        for address, says in (
            ("unix:stats.sock", r"stats\.sock is taken: another program listens there \[SPY0003\]"),
            (f"127.0.0.1:{server.port}", "is taken: another program listens there"),
            ("unix:file", "exists and is not a socket"),
            ("unix:nowhere/stats.sock", "no such file or directory"),
        ):
            ended = end_of("shop:app", "--bind=127.0.0.1:0", f"--stats={address}", cwd=place)
            assert ended.code != 0 and re.search(says, ended.stderr), ended
        assert told(place)["pid"] == server.front, "it has its socket still"
    assert (place / "file").read_text() == "kept"


def test_a_socket_that_a_killed_server_left_is_replaced(place: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(place / "stats.sock"))
    left.close()
    with running("shop:app", "--stats=unix:stats.sock", cwd=place) as server:
        assert told(place)["pid"] == server.front


def test_the_log_warns_of_an_address_that_is_open_to_the_network(place: Path) -> None:
    with running("shop:app", "--stats=:0", cwd=place, provoked=True) as server:
        server.log(r"WARN  stats told to everybody who can connect address=0\.0\.0\.0:\d+ hint=")


def test_who_asks_while_the_server_starts_is_told(place: Path) -> None:
    """It says that it tells them before it has begun anything: here for as long as nobody reads its log."""
    reading, writing = os.pipe()
    os.write(writing, b"x" * fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096))
    with Popen(
        command("shop:app", "--bind=127.0.0.1:0", "--stats=unix:stats.sock"), cwd=place, stderr=writing
    ) as starting:
        os.close(writing)
        try:
            until((place / "stats.sock").exists, "the socket", PATIENCE)
            with socket.socket(socket.AF_UNIX) as early:
                early.connect(str(place / "stats.sock"))
                early.settimeout(PATIENCE)
                text = b"".join(iter(lambda: early.recv(65536), b""))
        finally:
            starting.kill()
            os.close(reading)
    assert json.loads(text)["workers"] == []
