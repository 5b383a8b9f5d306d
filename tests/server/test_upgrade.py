"""USR2: a new program takes over the listening sockets, and no client notices; one that fails changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR2

import pytest
from harness.client import request
from harness.program import find

from harness import PATIENCE, Client, Server, Unsound, processes, running, until

APPLICATION = """
import os, pathlib, time

gate = pathlib.Path(__file__).with_name("gate")
if gate.with_name("slow").exists():
    print("loading", os.getppid(), flush=True)
    while not gate.exists():
        time.sleep(0.01)
if gate.with_name("dying").exists():
    os.register_at_fork(after_in_child=lambda: os._exit(9))
if gate.with_name("broken").exists():
    raise RuntimeError("broken")

def application(environ, start_response):
    if environ["PATH_INFO"] == "/gated":
        print("started", flush=True)
        while not gate.exists():
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getppid()]
"""


@contextmanager
def upgradable(
    tmp_path: Path,
    *arguments: str,
    bind: tuple[str, ...] = ("127.0.0.1:0",),
    env: dict[str, str | None] | None = None,
    code: int = 0,
) -> Iterator[Server]:
    """Run a server, and end whichever process serves at the end."""
    (tmp_path / "app.py").write_text(APPLICATION)
    with running("app", *arguments, workers=2, bind=bind, cwd=tmp_path, env=env, provoked=True, code=code) as server:
        yield server
        for pid in fronts(server):
            os.kill(pid, SIGTERM)
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)
        if server.process.poll() is None:
            server.process.wait(PATIENCE)


def fronts(server: Server) -> list[int]:
    """Return the processes that are the program itself, oldest first."""
    found = []
    for pid in server.tree():
        try:
            name = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if os.path.basename(name).split(" ")[0] == "speyside":
            found.append(pid)
    return found


def upgrade(server: Server, front: int) -> int:
    """Have the server replaced; return the pid of the next when the one before has ended."""
    mark = len(server.stderr.text().encode())
    os.kill(front, SIGUSR2)
    line = server.log(r" upgraded pid=(\d+)", since=mark)
    until(lambda: not processes.running(front), "the one before has ended", PATIENCE)
    return int(line.rpartition("=")[2])


class Clients:
    """Clients that ask again and again, half of them on connections that they keep until told otherwise."""

    def __init__(self, server: Server, count: int, number: int = 0) -> None:
        self.answers: list[str] = []
        self.wrong: list[str] = []
        self._server, self._number = server, number
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(bool(n % 2),)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, keep: bool) -> None:
        client: Client | None = None
        try:
            while not self._over.is_set():
                client = client or self._server.connect(self._number)
                reply = client.get("/")
                if reply.status != 200:
                    self.wrong.append(str(reply))
                self.answers.append(reply.text)
                if not keep or reply.closes:
                    client.close()
                    client = None
        except (OSError, Unsound, AssertionError) as error:
            self.wrong.append(repr(error))
        finally:
            if client is not None:
                client.close()

    def finish(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)


def test_no_request_is_lost_in_five_upgrades(tmp_path: Path, short_path: Path) -> None:
    path = short_path / "web"
    with upgradable(tmp_path, bind=("127.0.0.1:0", f"unix:{path}")) as server:
        crowds = [Clients(server, 6, number) for number in (0, 1)]
        front = server.front
        for round_ in range(5):
            before = front
            front = upgrade(server, front)
            assert front != before
            assert stat.S_ISSOCK(path.stat().st_mode), round_
        asked = len(crowds[0].answers)
        until(lambda: len(crowds[0].answers) > asked + 20, "answers of the last", PATIENCE)
        for crowd in crowds:
            crowd.finish()
            assert crowd.wrong == []
            assert len(set(crowd.answers)) == 6, "each of six programs has answered"
        os.kill(front, SIGTERM)
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)
        assert not os.path.lexists(path)


def test_request_in_hand_and_idle_connection_are_seen_to_by_the_old_one(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server, server.connect() as busy, server.connect() as idle:
        old = server.front
        assert idle.get("/").status == 200
        busy.send(request("GET", "/gated"))
        server.printed("^started$")
        server.interrupt(SIGUSR2)
        server.log(r" upgraded pid=\d+")
        server.log(r" drain began ")
        until(lambda: idle.rest() == b"", "the idle connection is closed", PATIENCE)
        fresh = server.get("/")
        (tmp_path / "gate").touch()
        reply = busy.reply()
        assert (reply.status, reply.closes) == (200, True)
        assert fresh.text != reply.text
        until(lambda: not processes.running(old), "the old one has ended", PATIENCE)
        assert server.process.wait(PATIENCE) == 0


def test_new_program_is_the_one_that_is_on_disk_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "bin" / "speyside"
    place.parent.mkdir()
    shutil.copy2(find(), place)
    real = Path(find()).parent
    monkeypatch.setenv("SPEYSIDE", str(place))
    env: dict[str, str | None] = {"SPEYSIDE_PYTHON": str(real / "python3")}
    with upgradable(tmp_path, env=env) as server:
        shutil.copy2(place, tmp_path / "speyside")
        (tmp_path / "next").write_text(f'#!/bin/sh\necho of the next version\nexec {tmp_path}/speyside "$@"\n')
        (tmp_path / "next").chmod(0o755)
        os.replace(tmp_path / "next", place)
        upgrade(server, server.front)
        server.printed("^of the next version$")
        assert server.get("/").status == 200


@pytest.mark.parametrize("program", ["#!/bin/sh\nexit 7\n", "no program\n", "#!/bin/sh\nexec /bin/true\n", ""])
def test_broken_program_changes_nothing(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "bin" / "speyside"
    place.parent.mkdir()
    shutil.copy2(find(), place)
    python = str(Path(find()).parent / "python3")
    pid_file = tmp_path / "web.pid"
    monkeypatch.setenv("SPEYSIDE", str(place))
    with upgradable(tmp_path, f"--pid={pid_file}", env={"SPEYSIDE_PYTHON": python}) as server:
        place.unlink()
        if program:
            place.write_text(program)
            place.chmod(0o755)
        crowd = Clients(server, 4)
        server.interrupt(SIGUSR2)
        server.log(r" ERROR upgrade failed error=.* code=SPY0018 ")
        crowd.finish()
        assert crowd.wrong == []
        assert server.get("/").status == 200
        assert pid_file.read_text() == f"{server.front}\n"


def test_application_that_does_not_import_changes_nothing_and_the_next_upgrade_may_succeed(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server:
        (tmp_path / "broken").touch()
        server.interrupt(SIGUSR2)
        server.log(r" ERROR upgrade failed error=\"process \d+ ended before it served: exit status 3\" ")
        assert "RuntimeError: broken" in server.stderr.text()
        assert server.get("/").status == 200
        (tmp_path / "broken").unlink()
        upgrade(server, server.front)
        assert server.get("/").status == 200


def test_workers_that_die_before_they_are_ready_change_nothing(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server:
        (tmp_path / "dying").touch()
        server.interrupt(SIGUSR2)
        server.log(r"worker \d died: status 9 before it was ready \[SPY0018\]$")
        server.log(r" ERROR upgrade failed ")
        assert server.get("/").status == 200


def test_script_is_upgraded_too(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(
        "import os\nfrom wsgiref.simple_server import make_server\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'%d' % os.getpid()]\n"
        "make_server('127.0.0.1', 0, app).serve_forever()\n"
    )
    with running("serve.py", bind=(), workers=None, threads=None, cwd=tmp_path, provoked=True) as server:
        server.log(r" worker ready ")
        before = server.get("/").text
        front = upgrade(server, server.front)
        assert server.get("/").text != before
        os.kill(front, SIGTERM)
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)


def test_inherited_descriptor_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as one:
        bind = (f"fd://{one.fileno()}",)
        with running("app", bind=bind, descriptors=[one.fileno()], cwd=tmp_path, provoked=True) as server:
            front = upgrade(server, upgrade(server, server.front))
            assert server.get("/").status == 200
            os.kill(front, SIGTERM)
            until(lambda: not server.tree(), "all processes are gone", PATIENCE)


def test_upgrade_is_refused_while_the_server_stops(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server, server.connect() as busy:
        busy.send(request("GET", "/gated"))
        server.printed("^started$")
        server.interrupt(SIGTERM)
        server.log(r" drain began ")
        server.interrupt(SIGUSR2)
        server.log(r' WARN  upgrade refused why="the server stops" ')
        (tmp_path / "gate").touch()
        assert busy.reply().status == 200


def slow_upgrade(server: Server, tmp_path: Path) -> int:
    """Begin an upgrade that does not come to its end before the gate is open; return the new process."""
    (tmp_path / "slow").touch()
    server.interrupt(SIGUSR2)
    pid = int(server.log(r" upgrade began program=\S+ pid=(\d+)").rpartition("=")[2])
    server.printed(rf"^loading {pid}$")
    return pid


def test_second_upgrade_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server:
        pid = slow_upgrade(server, tmp_path)
        server.interrupt(SIGUSR2)
        server.log(rf' WARN  upgrade refused why="process {pid} is about to take over already" ')
        os.kill(pid, SIGUSR2)
        server.log(r' WARN  upgrade refused why="the application is not loaded yet" ')
        (tmp_path / "gate").touch()
        server.log(rf" upgraded pid={pid}")
        assert server.stderr.text().count(" upgrade began ") == 1


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_stop_of_the_old_one_gives_the_upgrade_up(number: int, tmp_path: Path) -> None:
    with upgradable(tmp_path) as server:
        pid = slow_upgrade(server, tmp_path)
        server.interrupt(number)
        server.log(rf" WARN  upgrade given up pid={pid} ")
        assert server.process.wait(PATIENCE) == 0
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)


def test_stop_of_the_new_one_gives_the_upgrade_up(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server:
        pid = slow_upgrade(server, tmp_path)
        os.kill(pid, SIGTERM)
        server.log(rf' ERROR upgrade failed error="process {pid} ended before it served: ')
        assert server.get("/").status == 200
        assert fronts(server) == [server.front]


def test_quit_of_the_old_one_after_it_handed_over_is_about_it_alone(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server, server.connect() as busy:
        busy.send(request("GET", "/gated"))
        server.printed("^started$")
        server.interrupt(SIGUSR2)
        server.log(r" drain began ")
        server.interrupt(SIGQUIT)
        assert server.process.wait(PATIENCE) == 0
        assert server.get("/").status == 200
        assert len(fronts(server)) == 1


def test_new_one_ends_when_the_old_one_is_killed(tmp_path: Path) -> None:
    with upgradable(tmp_path, code=-SIGKILL) as server:
        slow_upgrade(server, tmp_path)
        server.interrupt(SIGKILL)
        server.log(r"the server that was to be replaced has ended or given up \[SPY0018\]$")
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)


def test_reload_goes_on_working_beside_an_upgrade(tmp_path: Path) -> None:
    with upgradable(tmp_path) as server:
        front = upgrade(server, server.front)
        os.kill(front, SIGHUP)
        server.log(r" generation took over generation=2")
        assert server.get("/").status == 200


def test_whoever_watches_the_pid_is_told(tmp_path: Path, short_path: Path) -> None:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(short_path / "notify"))
    heard.settimeout(PATIENCE)
    pid_file = tmp_path / "web.pid"
    env: dict[str, str | None] = {"NOTIFY_SOCKET": str(short_path / "notify")}
    with upgradable(tmp_path, f"--pid={pid_file}", env=env) as server, heard:
        said = [heard.recv(4096).decode() for _ in range(2)]
        front = upgrade(server, server.front)
        assert pid_file.read_text() == f"{front}\n"
        said = [heard.recv(4096).decode() for _ in range(3)]
        assert said == ["STATUS=Loading app", f"MAINPID={front}", "READY=1\nSTATUS=Serving app"]
        os.kill(front, SIGTERM)
        assert heard.recv(4096).startswith(b"STOPPING=1\n")
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)
        assert not pid_file.exists()


def test_control_socket_and_health_checks_are_those_of_the_new_one(tmp_path: Path, short_path: Path) -> None:
    path, admin = short_path / "ctl", short_path / "admin"
    with upgradable(tmp_path, f"--control-socket={path}", f"--admin-bind=unix:{admin}") as server:
        front = upgrade(server, server.front)
        until(lambda: said(path, "/status").find(f'"pid":{front},') > 0, "the new one tells of itself", PATIENCE)
        until(lambda: said(admin, "/-/ready").startswith("HTTP/1.1 200 "), "it is ready", PATIENCE)
        os.kill(front, SIGTERM)
        until(lambda: not server.tree(), "all processes are gone", PATIENCE)
        assert not os.path.lexists(path) and not os.path.lexists(admin)


def said(path: Path, target: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
            client.sendall(request("GET", target, [("Connection", "close")]))
            return "".join(iter(lambda: client.recv(65536).decode(), "")).replace('": ', '":')
        except OSError:
            return ""


@pytest.mark.parametrize(
    ("env", "why"),
    [({"SUPERVISOR_ENABLED": "1"}, "supervisord would take it for the end of the service")],
)
def test_upgrade_that_would_end_the_service_is_refused(env: dict[str, str | None], why: str, tmp_path: Path) -> None:
    with upgradable(tmp_path, env=env) as server:
        server.interrupt(SIGUSR2)
        server.log(rf' WARN  upgrade refused why="{re.escape(why)}" code=SPY0019 ')
        assert server.get("/").status == 200
        assert fronts(server) == [server.front]


def test_new_program_begins_with_the_workers_of_its_settings_and_follows_the_demand_itself(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with upgradable(tmp_path, "--threads=1", "--workers-max=4") as server:
        for number in (1, 2):
            crowd = [server.connect() for _ in range(3)]
            for client in crowd:
                client.send(request("GET", "/gated"))
            server.log(r" workers scaled workers=3 before=2 by=\+1 reason=", count=number)
            server.printed(r"^started$", count=3 * number)
            front = fronts(server)[-1]
            if number == 1:
                os.kill(front, SIGUSR2)
                server.log(r" upgraded pid=")
            gate.touch()
            for client in crowd:
                assert client.reply().status == 200
                client.close()
            gate.unlink()
