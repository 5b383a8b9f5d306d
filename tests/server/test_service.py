"""The server under a service manager: what it is told, sockets that it has opened, the file with the pid."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest

from harness import PATIENCE, end_of, running, until

# Becomes the program with LISTEN_PID set, which names the process that the sockets are for.
ACTIVATE = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"


class Manager:
    """What a service manager hears."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.socket.settimeout(PATIENCE)

    def catch_up(self) -> None:
        """Hear what was said before."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(65536):
                pass
        self.socket.settimeout(PATIENCE)

    def next(self) -> dict[str, str]:
        """Return what comes next, the watchdog's food aside."""
        while True:
            said = dict(line.split("=", 1) for line in self.socket.recv(65536).decode().split("\n"))
            if "WATCHDOG" not in said:
                return said


@pytest.fixture
def manager(short_path: Path) -> Iterator[Manager]:
    heard = Manager(short_path / "notify")
    yield heard
    heard.socket.close()


def test_manager_is_told_of_start_reload_and_stop(manager: Manager) -> None:
    with running("apps.replies", env={"NOTIFY_SOCKET": manager.address}) as server:
        assert manager.next() == {"STATUS": "Loading apps.replies"}
        assert manager.next() == {"READY": "1", "STATUS": "Serving apps.replies"}
        before = time.monotonic_ns() // 1000
        server.interrupt(SIGHUP)
        began = manager.next()
        assert began["RELOADING"] == "1"
        assert before <= int(began["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.next() == {"READY": "1", "STATUS": "Serving apps.replies, generation 2"}
        server.interrupt()
        assert manager.next() == {"STOPPING": "1", "STATUS": "Answering what was accepted"}
        server.check_end(0)


def test_reload_that_fails_ends_too(manager: Manager, tmp_path: Path) -> None:
    app = tmp_path / "breaks.py"
    app.write_text("from wsgiref.simple_server import demo_app as application\n")
    with running("breaks", env={"NOTIFY_SOCKET": manager.address}, cwd=tmp_path, provoked=True) as server:
        assert [("READY" in manager.next()) for _ in range(2)] == [False, True]
        app.write_text("raise RuntimeError('broken')\n")
        server.interrupt(SIGHUP)
        assert manager.next()["RELOADING"] == "1"
        said = manager.next()
        assert said["READY"] == "1" and "generation 2 failed: " in said["STATUS"]


def test_start_that_fails_is_never_ready(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken')\n")
    assert end_of("broken", "--bind=127.0.0.1:0", env={"NOTIFY_SOCKET": manager.address}, cwd=tmp_path).code == 3
    assert manager.next() == {"STATUS": "Loading broken"}
    manager.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        manager.next()


def test_watchdog_is_fed_at_half_of_its_time(manager: Manager) -> None:
    with running("apps.replies", env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}):
        manager.catch_up()
        fed: list[float] = []
        while len(fed) < 6:
            if manager.socket.recv(65536) == b"WATCHDOG=1":
                fed.append(time.monotonic())
        assert 0.5 < fed[-1] - fed[0] < 3


def test_manager_that_is_not_there_hurts_nobody(short_path: Path) -> None:
    with running("apps.replies", env={"NOTIFY_SOCKET": str(short_path / "nobody")}, provoked=True) as server:
        assert server.get("/").status == 200
        server.log("service manager not told")


@contextmanager
def opened(*addresses: str | tuple[str, int]) -> Iterator[list[socket.socket]]:
    """Have listening sockets, as those of socket units."""
    sockets = []
    for address in addresses:
        one = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        one.bind(address)
        one.listen(16)
        sockets.append(one)
    yield sockets
    for one in sockets:
        one.close()


def activated(count: int) -> dict[str, str | None]:
    return {"LISTEN_FDS": str(count), "LISTEN_FDNAMES": ":".join("web" for _ in range(count))}


# A shell puts the sockets at 3 and up, as a manager does.
def within(sockets: list[socket.socket]) -> list[str]:
    moved = " ".join(f"{place}<&{one.fileno()}" for place, one in enumerate(sockets, 3))
    return ["bash", "-c", f'exec "$0" "$@" {moved}', sys.executable, "-c", ACTIVATE]


def test_sockets_of_a_manager_are_served_in_place_of_the_default(short_path: Path) -> None:
    path = str(short_path / "web")
    with opened(("127.0.0.1", 0), path) as sockets:
        with running(
            "apps.replies", bind=(), env=activated(2), within=within(sockets), descriptors=[s.fileno() for s in sockets]
        ) as server:
            port = sockets[0].getsockname()[1]
            assert server.urls == [f"http://127.0.0.1:{port}", f"unix:{path}"]
            for number in (0, 1):
                with server.connect(number) as client:
                    assert client.get("/").status == 200
            server.interrupt()
            until(lambda: server.process.poll() is not None, "the end", PATIENCE)
            assert os.path.lexists(path), "the manager's socket was removed"
            os.unlink(path)  # or the harness would miss its removal


def test_descriptor_is_listened_on(short_path: Path) -> None:
    with opened(("127.0.0.1", 0)) as sockets:
        bind = (f"fd://{sockets[0].fileno()}", "127.0.0.1:0")
        with running("apps.replies", bind=bind, descriptors=[sockets[0].fileno()]) as server:
            assert server.port == sockets[0].getsockname()[1]
            assert server.get("/").status == 200
            with server.connect(1) as client:
                assert client.get("/").status == 200


def test_descriptor_that_is_no_listening_socket_is_refused() -> None:
    ended = end_of("apps.replies", "--bind=fd://77")
    assert ended.code == 1
    assert "cannot listen on fd://77: it is not open [SPY0004]" in ended.stderr
    ended = end_of("apps.replies", "--bind=fd://x")
    assert ended.code == 1
    assert '"x" is no number of an inherited descriptor' in ended.stderr


def test_sockets_for_another_process_are_left_alone() -> None:
    with opened(("127.0.0.1", 0)) as sockets:
        with running("apps.replies", env={**activated(1), "LISTEN_PID": "1"}) as server:
            assert server.port != sockets[0].getsockname()[1]


def test_pid_file_is_there_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    path.write_text("4194304\n")  # of a process that cannot be
    with running("apps.replies", f"--pid={path}") as server:
        assert path.read_text() == f"{server.front}\n"
        assert path.stat().st_mode & 0o777 == 0o644
        ended = end_of("apps.replies", "--bind=127.0.0.1:0", f"--pid={path}")
        assert ended.code == 1
        assert f"process {server.front} runs, and {path} has its pid [SPY0016]" in ended.stderr
        assert path.read_text() == f"{server.front}\n"
        server.stop()
        assert os.listdir(tmp_path) == []


def test_pid_file_of_a_number_that_was_given_away_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    path.write_text(f"{os.getpid()}\n")
    os.utime(path, (1, 1))  # long before this process began
    with running("apps.replies", f"--pid={path}") as server:
        assert path.read_text() == f"{server.front}\n"


def test_pid_file_that_another_has_written_is_left(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    with running("apps.replies", f"--pid={path}") as server:
        path.write_text("1\n")
        server.stop()
        assert path.read_text() == "1\n"


def test_pid_file_after_a_kill_does_not_hinder_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "web.pid"
    with running("apps.replies", f"--pid={path}", provoked=True, code=-SIGKILL) as server:
        server.interrupt(SIGKILL)
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)
    with running("apps.replies", f"--pid={path}"):
        pass


def test_pid_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    ended = end_of("apps.replies", "--bind=127.0.0.1:0", f"--pid={tmp_path}/nowhere/web.pid")
    assert ended.code == 1
    assert re.search(r"writing the pid to \S+: .* \[SPY0017\]", ended.stderr)
