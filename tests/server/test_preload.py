"""Loading once or in each worker, and what a fork must not copy."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from harness import PATIENCE, end_of, running, until

LEAVES_A_NATIVE_THREAD = """
import ctypes, os
libc = ctypes.CDLL(None)
thread = ctypes.c_ulong()
assert libc.pthread_create(ctypes.byref(thread), None, ctypes.cast(libc.pause, ctypes.c_void_p), None) == 0
"""
ANSWERS = """
import os, sys
imported_by = os.getpid()
def app(environ, start_response):
    start_response("200 OK", [])
    settings = sorted(name for name in os.environ if name.startswith("SPEYSIDE_") and name != "MARK_OF_THE_TEST")
    return [f"{imported_by == os.getpid()} {os.path.basename(os.getcwd())} {settings}".encode()]
"""


def test_random_sources_differ_and_hooks_of_fork_run_in_each_worker() -> None:
    with running("apps.forks", workers=4, threads=1) as server:
        told: dict[int, dict[str, object]] = {}

        def all_told() -> bool:
            clients = [server.connect() for _ in range(4)]
            for client in clients:
                client.send(b"GET /?pause=0.05 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for client in clients:
                said = json.loads(client.reply().body)
                told.setdefault(said["pid"], said)
                client.close()
            return len(told) == 4

        until(all_told, "an answer of each of four workers", PATIENCE)
        for source in ("random", "secrets", "uuid4", "urandom", "own"):
            assert len({said[source] for said in told.values()}) == 4, f"{source}: {told}"
        assert {tuple(said["hooks"]) for said in told.values()} == {("before", "in child")}  # type: ignore[arg-type]
        assert {said["frozen"] for said in told.values()} == {True}


@pytest.mark.parametrize("threads", [1, 2])
def test_native_thread_that_survives_a_fork_is_named_and_the_workers_load(tmp_path: Path, threads: int) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "native.py").write_text(LEAVES_A_NATIVE_THREAD + ANSWERS)
    with running("native:app", "--chdir=sub", workers=2, threads=threads, cwd=tmp_path) as server:
        assert server.get("/").text == "True sub ['SPEYSIDE_GENERATION']"
        assert 'left="native thread ' in server.log(r"^.* INFO  application loaded in each worker .*$")
        server.interrupt(signal.SIGHUP)
        server.log(r"worker ready .* generation=2$", count=2)
        assert server.get("/").text == "True sub ['SPEYSIDE_GENERATION']"


def test_import_that_kills_the_workers_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text("import os\nos._exit(5)\n")
    ended = end_of("deadly", "--bind=127.0.0.1:0", "--workers=2", "--preload=off", cwd=tmp_path)
    assert ended.code == 3
    assert "[SPY0105]" in ended.stderr and re.search(r"worker reaped .* status=5", ended.stderr)
    assert "http://" not in ended.stderr, "there is no banner, since nothing was served"


def test_import_that_fails_in_the_workers_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('no database')\n")
    ended = end_of("broken", "--bind=127.0.0.1:0", "--workers=2", "--preload=off", cwd=tmp_path)
    assert ended.code == 3
    assert "importing broken: ValueError: no database [SPY0101]" in ended.stderr
    assert ended.stderr.count("Traceback") == 1 and "http://" not in ended.stderr


def test_datagram_socket_and_closed_things_are_nothing_left_behind(tmp_path: Path) -> None:
    (tmp_path / "tidy.py").write_text(
        "import socket, threading\n"
        "log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "log.connect(('127.0.0.1', 9))\n"
        "unbound = socket.socket()\n"
        "done = threading.Thread(target=print)\n"
        "done.start(); done.join()\n" + ANSWERS
    )
    with running("tidy:app", workers=1, cwd=tmp_path) as server:
        assert server.get("/").text.startswith("False ")
        assert "loaded in each worker" not in server.stderr.text()
