"""A server that root starts and that runs as somebody else. Nobody else can have one: these tests need root."""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGUSR1, SIGUSR2
from typing import Any

import pytest
from harness.program import TESTS, find

from harness import SANITIZED, end_of, processes, running, until

USER = pwd.getpwnam("nobody")
APP = "apps.identities"


def runs(python: str) -> bool:
    """Whether the user can run this Python here."""
    try:
        done = subprocess.run(
            [python, "-c", ""], user=USER.pw_uid, group=USER.pw_gid, extra_groups=[], cwd=TESTS, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _python() -> str | None:
    if os.geteuid() != 0 or SANITIZED:
        return None
    return next((python for python in (sys.executable, "/usr/bin/python3") if runs(python)), None)


PYTHON = _python()
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
    pytest.mark.skipif(PYTHON is None, reason="the user nobody can run no Python of this machine"),
]


def become(*arguments: str) -> list[str]:
    """Return the arguments of a server that becomes nobody."""
    return ["--user=nobody", f"--python={PYTHON}", *arguments]


def status(pid: int) -> dict[str, str]:
    """Return what /proc says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def owner(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_uid, found.st_gid


def told(answer: object) -> dict[str, Any]:
    assert isinstance(answer, dict)
    return answer


@pytest.fixture
def closed() -> Iterator[Path]:
    """A directory that everybody may search, and only root may change."""
    with tempfile.TemporaryDirectory(prefix="speyside-") as path:
        os.chmod(path, 0o755)
        yield Path(path)


def test_all_of_the_server_is_the_user_before_the_application_loads(closed: Path) -> None:
    own = [USER.pw_uid] * 3, [USER.pw_gid] * 3
    path, pid = closed / "sockets" / "web.sock", closed / "pid"
    path.parent.mkdir()
    os.chown(path.parent, USER.pw_uid, -1)
    with running(APP, *become(f"--pid={pid}"), bind=["127.0.0.1:0", f"unix:{path}"]) as server:
        told_of = told(server.json("/"))
        assert (told_of["uid"], told_of["gid"]) == own
        assert told_of["loaded"] == own[0]
        assert told_of["groups"] == [USER.pw_gid]
        assert told_of["capabilities"] == 0
        assert told_of["home"] == os.environ.get("HOME")
        for process in (server.front, server.zygote(), told_of["pid"]):
            facts = status(process)
            assert set(facts["Uid"].split()) == {str(USER.pw_uid)}
            assert set(facts["Gid"].split()) == {str(USER.pw_gid)}
            assert facts["Groups"].split() == [str(USER.pw_gid)]
            assert int(facts["CapEff"], 16) == 0
        assert owner(path) == owner(pid) == (USER.pw_uid, USER.pw_gid)
        assert server.log(rf"user changed uid={USER.pw_uid} gid={USER.pw_gid} groups=\[\]")
        server.stop()
        assert pid.read_text() == "", "it may not be removed, and is emptied"


def test_a_port_that_only_root_may_open_is_opened_first() -> None:
    """Below ip_unprivileged_port_start; of the loopback's many addresses, one that nobody else uses."""
    host = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.7"
    with running(APP, *become(), bind=[f"{host}:79"]) as server:
        assert told(server.json("/"))["uid"][0] == USER.pw_uid


def test_initgroups_are_the_groups_of_the_user(tmp_path: Path) -> None:
    member = next(
        (user for user in pwd.getpwall() if any(user.pw_name in group.gr_mem for group in grp.getgrall())), None
    )
    name = member.pw_name if member is not None else USER.pw_name
    uid, gid = pwd.getpwnam(name).pw_uid, grp.getgrnam("daemon").gr_gid
    wanted = set(os.getgrouplist(name, gid))
    arguments = [f"--user={name}", "--group=daemon", f"--python={PYTHON}"]
    with running(APP, *arguments, "--initgroups") as server:
        answer = told(server.json("/"))
        assert answer["uid"][0] == uid
        assert answer["gid"][0] == gid
        assert set(answer["groups"]) == wanted | {pwd.getpwnam(name).pw_gid}


def test_a_number_without_an_account_has_the_group_of_the_caller() -> None:
    with running(APP, "--user=54321", f"--python={PYTHON}", provoked=True) as server:
        answer = told(server.json("/"))
        assert answer["uid"] == [54321] * 3
        assert answer["gid"] == [os.getegid()] * 3
        assert server.log(r"WARN .*user has no group of its own user=54321 gid=0")


def test_reload_and_upgrade_go_on_as_the_user(closed: Path) -> None:
    pid = closed / "pid"
    with running(APP, *become(f"--pid={pid}", "--name=nobodys")) as server:
        first = told(server.json("/"))["pid"]
        server.interrupt(SIGHUP)
        second = until(lambda: (now := told(server.json("/"))["pid"]) != first and now, "a new generation", 20)
        assert int(status(second)["Uid"].split()[0]) == USER.pw_uid
        server.interrupt(SIGUSR2)
        upgraded = int(re.findall(r"\d+", server.log(r"upgraded pid=\d+"))[-1])
        assert int(status(upgraded)["Uid"].split()[0]) == USER.pw_uid
        assert until(lambda: pid.read_text() == f"{upgraded}\n", "the pid of the new process", 20)
        assert told(server.json("/"))["uid"][0] == USER.pw_uid
        os.kill(upgraded, 15)
        until(lambda: not processes.running(upgraded), "the end of the new process", 20)


def as_nobody(closed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as the user. It is copied, since nobody may not be let in where it is installed."""
    program = closed / "speyside"
    program.write_bytes(Path(find()).read_bytes())
    program.chmod(0o755)
    return subprocess.run(
        [program, *arguments],
        user=USER.pw_uid,
        group=USER.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )


def test_who_is_not_root_cannot_name_somebody_else(closed: Path) -> None:
    done = as_nobody(closed, "x:app", "--user=root")
    assert done.returncode == 1
    assert "only root may change to another user or group [SPY0060]" in done.stderr


@pytest.mark.parametrize("path", ["", "control.sock"], ids=["abstract", "path"])
def test_the_user_may_ask_its_server(closed: Path, path: str) -> None:
    """Whoever started it: the control socket is made by root, and is the user's afterwards."""
    socket_of = [f"--control-socket={closed / path}"] if path else []
    with running(APP, *become(*socket_of)) as server:
        server.log(r"user changed")
        chosen = socket_of or [f"--pid={server.process.pid}"]
        done = as_nobody(closed, "status", *chosen)
        assert done.returncode == 0, done.stderr
        assert f"pid {server.process.pid} " in done.stdout


def test_python_that_the_user_may_not_run_is_told(closed: Path) -> None:
    hidden = closed / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "python3").symlink_to("/usr/bin/python3")
    ended = end_of(APP, "--user=nobody", f"--python={hidden}/python3", "--bind=127.0.0.1:0")
    assert ended.code == 1
    assert f"no Python interpreter at {hidden}/python3: " in ended.stderr
    assert "permission denied [SPY0005]" in ended.stderr
    assert f"user {USER.pw_uid} must be allowed to run it" in ended.stderr


def test_socket_of_a_server_that_was_root_is_taken_over(closed: Path) -> None:
    """It may not remove its path from a directory of root's; nobody answers there any more."""
    path = closed / "web.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with running(APP, *become(), bind=[f"unix:{path}"]) as server:
        assert told(server.json("/"))["uid"][0] == USER.pw_uid
        os.unlink(path)


def test_python_that_was_started_before_becomes_the_user() -> None:
    """It has read a configuration as root; it is not dumped, and its user may look at it."""
    code = (
        "import os; from speyside import identity\n"
        f"identity.become({{'uid': {USER.pw_uid}, 'gid': {USER.pw_gid}, 'groups': [7]}})\n"
        "print(os.getresuid(), os.getresgid(), os.getgroups(), os.stat('/proc/self').st_uid)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    three = (USER.pw_uid,) * 3, (USER.pw_gid,) * 3
    assert done.stdout == f"{three[0]} {three[1]} [7, {USER.pw_gid}] {USER.pw_uid}\n"


def test_configuration_is_executed_by_root_and_everything_else_by_the_user(closed: Path) -> None:
    (closed / "gunicorn.conf.py").write_text(
        "import os\n"
        "user, group, workers, bind = 'nobody', str(os.getgid()), 1, '127.0.0.1:0'\n"
        "raw_env = ['COLOUR=blue']\n"
        "print('read by', os.getuid(), flush=True)\n"
        "def on_starting(server): print('starting by', os.getuid(), flush=True)\n"
        "def post_fork(server, worker): print('forked by', os.getuid(), flush=True)\n"
    )
    (closed / "app.py").write_text(
        "import os\nprint('loaded by', os.getuid(), os.environ['COLOUR'], flush=True)\ndef app(e, s): ...\n"
    )
    arguments = [f"--python={PYTHON}", f"--config={closed}/gunicorn.conf.py"]
    with running("app:app", *arguments, bind=(), workers=None, threads=None, cwd=closed) as server:
        server.ready(1)
        server.interrupt(SIGHUP)
        server.log("generation took over generation=2")
        server.printed("^loaded by ", count=2)
        printed = server.stdout.text().splitlines()
    user = USER.pw_uid
    first = ["read by 0", f"starting by {user}", f"forked by {user}", f"loaded by {user} blue"]
    assert printed == [*first, f"read by {user}", *first[2:]]


def test_logs_are_the_users_so_that_they_can_be_reopened(closed: Path) -> None:
    """In a directory of root's, where logrotate makes the new file for the user."""
    access, error = closed / "access.log", closed / "error.log"
    with running(APP, *become(f"--access-logfile={access}", f"--error-logfile={error}"), workers=None) as server:
        until(lambda: "worker ready" in error.read_text(), "the log of the start", 20)
        assert owner(access) == owner(error) == (USER.pw_uid, USER.pw_gid)
        for path in (access, error):
            path.rename(f"{path}.1")
            path.touch()
            os.chown(path, USER.pw_uid, USER.pw_gid)
        server.interrupt(SIGUSR1)
        until(lambda: "error log reopened" in error.read_text(), "the new log", 20)
        server.json("/?after")
        until(lambda: "GET /?after " in access.read_text(), "the new access log", 20)


@pytest.mark.skipif(runs(sys.executable), reason="everybody may run this Python")
def test_python_that_the_user_may_not_read_is_named(closed: Path) -> None:
    (closed / "gunicorn.conf.py").write_text("user = 'nobody'\nbind = '127.0.0.1:0'\n")
    (closed / "app.py").write_text("def app(environ, start_response): raise NotImplementedError\n")
    ended = end_of(f"--python={sys.executable}", "app:app", cwd=closed)
    assert f"the user {USER.pw_uid} may not read this Python: " in ended.stderr and "[SPY0060]" in ended.stderr
