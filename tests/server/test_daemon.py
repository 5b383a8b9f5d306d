"""A server that leaves its caller: what it keeps of it, and what the caller sees and gets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.client import Client

from harness import PATIENCE, end_of, processes, program, until


class Daemons:
    """The daemons of one test."""

    def __init__(self) -> None:
        self.mark = program.new_mark()

    def start(self, *arguments: str, cwd: Path = program.TESTS) -> subprocess.Popen[str]:
        return subprocess.Popen(
            program.command(*arguments),
            cwd=cwd,
            env=program.environment({}, self.mark),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def serve(self, *arguments: str, cwd: Path = program.TESTS) -> tuple[int, int]:
        """Start one that serves; return its pid and its port."""
        caller = self.start(*arguments, cwd=cwd)
        _, said = caller.communicate(timeout=PATIENCE)
        assert caller.returncode == 0, said
        pid, port = re.search(r"  stop +kill (\d+)", said), re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert pid is not None, said
        assert port is not None, said
        return int(pid.group(1)), int(port.group(1))

    def ended(self) -> None:
        until(lambda: not program.left(self.mark), "the end of the daemon", PATIENCE)


@pytest.fixture
def daemons() -> Iterator[Daemons]:
    made = Daemons()
    yield made
    for pid in program.left(made.mark):
        os.kill(pid, signal.SIGKILL)


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def get(port: int, target: str) -> str:
    with Client(("127.0.0.1", port), PATIENCE) as client:
        return client.get(target).text


APP = ("apps.processes", "--bind=127.0.0.1:0", "--workers=1", "--daemon")


def test_daemon_has_neither_terminal_nor_caller_and_its_pid_is_in_the_file(daemons: Daemons, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    pid, port = daemons.serve(*APP, f"--pid={file}")
    assert file.read_text() == f"{pid}\n"
    _, _, group, session, terminal = stat(pid)[:5]
    assert (int(group), int(session), int(terminal)) == (pid, pid, 0)
    for process in program.left(daemons.mark):
        inherited = [os.readlink(f"/proc/{process}/fd/{number}") for number in range(3)]
        assert inherited[0] == "/dev/null"
        assert not any(path.startswith("/dev/pts") for path in inherited)
    assert get(port, "/sleep"), "what a worker prints when the caller has gone ends nothing"
    os.kill(pid, signal.SIGTERM)
    daemons.ended()
    assert not file.exists()


def test_upgrade_of_a_daemon_is_the_daemon(daemons: Daemons, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    pid, port = daemons.serve(*APP, f"--pid={file}")
    os.kill(pid, signal.SIGUSR2)
    until(lambda: file.read_text() != f"{pid}\n", "the pid of the new program", PATIENCE)
    until(lambda: not processes.running(pid), "the end of the old one", PATIENCE)
    upgraded = int(file.read_text())
    assert stat(upgraded)[3] == str(pid), "it is in the session of the first"
    assert get(port, "/")
    os.kill(upgraded, signal.SIGTERM)
    daemons.ended()


def test_interrupt_while_it_loads_ends_it(daemons: Daemons, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    caller = daemons.start("slow:app", "--daemon", "--bind=127.0.0.1:0", cwd=tmp_path)
    assert caller.stderr is not None
    assert caller.stderr.readline() == "loading\n", "what is printed while it loads is the caller's to see"
    caller.send_signal(signal.SIGINT)
    caller.send_signal(signal.SIGQUIT)
    assert caller.wait(PATIENCE) in (0, 1, 3)
    daemons.ended()


def test_daemon_that_is_killed_before_it_serves_is_told(daemons: Daemons, tmp_path: Path) -> None:
    (tmp_path / "fatal.py").write_text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n")
    caller = daemons.start("fatal:app", "--daemon", "--bind=127.0.0.1:0", cwd=tmp_path)
    _, said = caller.communicate(timeout=PATIENCE)
    assert caller.returncode == 1
    assert "speyside: error: starting the daemon: signal: killed [SPY0061]\n" in said
    daemons.ended()


def test_configuration_of_gunicorn_can_want_a_daemon(daemons: Daemons, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("daemon, bind, pidfile = True, '127.0.0.1:0', 'pid'\n")
    (tmp_path / "shop.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'the shop']\n"
    )
    pid, port = daemons.serve("gunicorn", "shop:app", cwd=tmp_path)
    assert (tmp_path / "pid").read_text() == f"{pid}\n"
    assert get(port, "/") == "the shop"
    os.kill(pid, signal.SIGTERM)
    daemons.ended()


def test_daemon_that_does_not_load_leaves_nothing(tmp_path: Path) -> None:
    """The harness looks for what is left."""
    ended = end_of("apps.nothing", "--daemon", f"--pid={tmp_path}/pid", "--bind=127.0.0.1:0")
    assert ended.code == 3
    assert "[SPY0101]" in ended.stderr
    assert not (tmp_path / "pid").exists()
