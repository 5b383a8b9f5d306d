"""What runs beside is there, and gone afterwards; what cannot be had is named with the reason."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import servers
from harness import services
from harness.answers import Expected, Request
from harness.running import Plan, Running, free_port

needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="cc is not installed")
CPUS = frozenset(os.sched_getaffinity(0))


@needs_cc
def test_the_smallest_floor_answers_what_hello_answers(tmp_path: Path) -> None:
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "epoll", services.FLOORS / "epoll.c"])
    port = free_port()
    expected = Expected(b"Hello World !", headers={"Content-Type": "text/plain", "Content-Length": "13"})
    with Running(Plan("epoll", [str(tmp_path / "epoll"), str(port)], Request(), expected, port, CPUS)) as running:
        assert running.first_answer_seconds is not None and 0 < running.first_answer_seconds < 10
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(Request().raw(port) * 100)
            got = b""
            while got.count(b"Hello World !") < 100:
                got += connection.recv(65536)


def test_floors_that_cannot_be_built_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert services.build_floors.__wrapped__(tmp_path).keys() == {floor.floor for floor in servers.FLOORS}


def test_a_missing_database_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(services, "DEBIAN", Path("/nonexistent"))
    with pytest.raises(services.Missing, match="apt-get install postgresql"):
        services.postgres_programs()


def test_a_program_that_fails_is_missing_with_its_last_line() -> None:
    with pytest.raises(services.Missing, match="sh failed: no space"):
        services.said(["sh", "-c", "echo first; echo no space >&2; exit 1"], None)
