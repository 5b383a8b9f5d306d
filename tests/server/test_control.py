"""The control socket and the commands: what a server says of itself, what it is told, and by whom."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGSTOP
from typing import Any

import pytest
from harness.client import request

from harness import PATIENCE, Client, Ended, Gate, Server, end_of, running, until

APP = """
import os, time, pathlib
{prologue}
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"{release}"]
"""


def release(directory: Path, name: str, prologue: str = "") -> None:
    fresh = directory / "fresh"
    fresh.write_text(APP.format(release=name, prologue=prologue))
    fresh.replace(directory / "released.py")


def tell(server: Server, command: str, *flags: str) -> Ended:
    return end_of(command, f"--pid={server.front}", *flags)


def status(server: Server, *flags: str) -> dict[str, Any]:
    """Return what a server says of itself."""
    ended = end_of("status", "--json", *(flags or (f"--pid={server.front}",)))
    assert (ended.code, ended.stderr, ended.stdout.count("\n")) == (0, "", 1), ended
    said: dict[str, Any] = json.loads(ended.stdout)
    assert said["pid"] == server.front
    return said


def path_of(server: Server) -> str:
    """Return the abstract socket of a server."""
    found = re.findall(rf"@(speyside\.{server.front}\.\w+)$", Path("/proc/net/unix").read_text(), re.MULTILINE)
    assert found, "no control socket"
    return "\0" + str(found[0])


def ask(server: Server, method: str, target: str, version: str = "1.1") -> Any:
    """Ask as curl --abstract-unix-socket or netcat would."""
    with Client(path_of(server), PATIENCE) as client:
        return client.ask(method, target, version=version)


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.front}/fd"))


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    pids = server.workers().values()
    for pid in pids:
        os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, SIGCONT)


def test_status_tells_what_each_worker_is_doing_and_what_waits(gate: Gate) -> None:
    with (
        running("apps.workers", "--name=web", workers=1, threads=1) as server,
        server.connect() as first,
        server.connect() as second,
    ):
        for _ in range(3):
            assert server.get("/").status == 200
        first.send(request("GET", f"/gated?name=secret&gate={gate.path}"))
        server.printed("started secret")
        second.send(request("POST", "/who", body=b"x"))
        said = until(lambda: (s := status(server))["metrics"]["requests_queued"] and s, "a request in line", PATIENCE)
        (generation,) = said["generations"]
        (worker,) = generation["workers"]
        assert (said["name"], said["state"], said["addresses"]) == ("web", "serving", server.urls)
        assert (generation["number"], generation["state"]) == (1, "in service")
        assert {worker["number"]: worker["pid"]} == server.workers()
        assert (worker["state"], worker["requests"]) == ("ready", 3)
        assert generation["zygote"]["pid"] == server.zygote()
        assert 1 << 20 < worker["pss"] <= worker["rss"] and 0 < worker["age"] < 1000
        (running_now,) = worker["in_hand"]
        assert 0 < running_now.pop("age") < 1000
        assert re.fullmatch(r"[0-9a-f]{8}-4", running_now.pop("id"))
        assert running_now.pop("thread") == worker["pid"], "with one thread it is the main thread"
        assert running_now == {"method": "GET", "path": "/gated", "client": "127.0.0.1", "state": "running"}
        (queued,) = generation["queue"]
        assert (queued["method"], queued["path"], queued["state"]) == ("POST", "/who", "queued")
        metrics = said["metrics"]
        assert (metrics["requests_total"], metrics["connections"], metrics["connections_total"]) == (5, 2, 5)
        text = tell(server, "status").stdout
        assert re.search(rf"^web  pid {server.front}  serving  up ", text)
        assert re.search(rf"^ +worker 0 +{worker['pid']} +ready .* 3 ", text, re.MULTILINE)
        assert re.search(r"^ +running \S+  GET /gated  from 127\.0\.0\.1$", text, re.MULTILINE)
        assert "secret" not in text + json.dumps(said), "the query may have secrets"
        gate.open()
        assert first.reply().status == 200
        assert second.reply().status == 200


def test_counters_follow_what_the_server_answers_by_itself() -> None:
    with running("apps.workers", workers=1, provoked=True) as server:
        with server.connect() as client:
            client.send(b"nonsense\r\n\r\n")
            assert client.reply().status == 400
        assert server.get("/exit").status == 502
        metrics = status(server)["metrics"]
        assert (metrics["refused_4xx_total"], metrics["replies_502_total"]) == (1, 1)
        assert "1 with 4xx, 0 with 500, 1 with 502" in tell(server, "status").stdout


def test_status_is_told_while_every_worker_hangs_and_while_the_application_loads(tmp_path: Path, gate: Gate) -> None:
    with running("apps.workers", workers=2) as server, hanging(server):
        assert [worker["state"] for worker in status(server)["generations"][0]["workers"]] == ["ready", "ready"]
    release(tmp_path, "late", f"while not pathlib.Path({str(gate.path)!r}).exists(): time.sleep(0.01)")
    server = Server(["released:app", "--bind=127.0.0.1:0"], {}, tmp_path, provoked=False)
    try:
        said = until(lambda: tell(server, "status", "--json").stdout, "a status", PATIENCE)
        assert '"state":"loading"' in said and json.loads(said)["generations"][0]["workers"] == []
        gate.open()
        server.await_banner()
        server.stop()
    finally:
        server.kill()


def test_reload_tells_what_became_of_it(tmp_path: Path) -> None:
    release(tmp_path, "a")
    with running("released:app", cwd=tmp_path, provoked=True) as server:
        assert status(server)["last_reload"] is None
        release(tmp_path, "b")
        ended = tell(server, "reload")
        assert (ended.code, ended.stdout, ended.stderr) == (0, "generation 2 is in service\n", "")
        assert server.get("/").text == "b"
        release(tmp_path, "c", "import no_such_module")
        ended = tell(server, "reload")
        assert ended.code == 3 and ended.stdout == ""
        assert re.search(r"^Traceback .*\n[\s\S]*No module named 'no_such_module'", ended.stderr)
        assert re.search(
            r"^speyside: error: generation 3 was not .*\[SPY0101\]\nspeyside: hint: ", ended.stderr, re.MULTILINE
        )
        assert server.get("/").text == "b"
        last = status(server)["last_reload"]
        assert (last["generation"], last["code"]) == (3, "SPY0101") and "no_such_module" in last["traceback"]
        assert "no_such_module" in tell(server, "status").stdout
        release(tmp_path, "d", "os.register_at_fork(after_in_child=lambda: (time.sleep(0.5), os._exit(9)))")
        ended = tell(server, "reload")
        assert ended.code == 3 and "[SPY0106]" in ended.stderr
        release(tmp_path, "e")
        assert tell(server, "reload").code == 0 and server.get("/").text == "e"


def test_reload_waits_for_the_first_seconds_of_the_generation(tmp_path: Path) -> None:
    release(tmp_path, "a")
    crash = """
import threading
def crash():
    time.sleep(0.3)
    os._exit(9)
os.register_at_fork(after_in_child=lambda: threading.Thread(target=crash).start())
"""
    with running("released:app", cwd=tmp_path, provoked=True) as server:
        release(tmp_path, "b", crash)
        ended = tell(server, "reload")
        server.log("generation took over generation=2")
        assert ended.code == 3 and "in its first seconds" in ended.stderr and server.get("/").text == "a"


def test_stop_returns_when_what_was_accepted_is_answered_and_the_server_has_ended(gate: Gate) -> None:
    with running("apps.workers") as server, server.connect() as client, ThreadPoolExecutor() as pool:
        client.send(request("GET", f"/gated?name=a&gate={gate.path}"))
        server.printed("started a")
        stopping = pool.submit(tell, server, "stop")
        server.log("drain began")
        until(lambda: status(server)["state"] == "draining", "draining", PATIENCE)
        assert not stopping.done()
        gate.open()
        assert client.reply().text.startswith("a pid=")
        ended = stopping.result()
        assert (ended.code, ended.stdout) == (0, f"the server with pid {server.front} has stopped\n")
        server.check_end(0)


@pytest.mark.parametrize("before", ["nothing", "a drain", "a reload", "a reload and a drain"])
def test_stop_now_waits_for_nothing(before: str, gate: Gate) -> None:
    with running("apps.workers", "--graceful-timeout=60", provoked=True) as server, server.connect() as client:
        client.send(request("GET", f"/gated?name=a&gate={gate.path}"))
        server.printed("started a")
        if "reload" in before:
            assert tell(server, "reload").code == 0  # the old generation has the request, and a minute to finish it
        if "drain" in before:
            server.interrupt(SIGINT)
            server.log("drain began")
        assert tell(server, "stop", "--now").code == 0
        server.check_end(0)


def test_with_several_servers_status_lists_them_and_an_order_wants_a_choice() -> None:
    name = f"other-{os.getpid()}"
    with running("apps.workers", "--name=one") as one, running("apps.workers", f"--name={name}") as other:
        listed = end_of("status", "--json").stdout.splitlines()
        assert {one.front, other.front} <= {json.loads(line)["pid"] for line in listed}
        for command in ("reload", "stop"):
            ended = end_of(command)
            assert ended.code == 2 and "[SPY0022]" in ended.stderr and f"{other.front} ({name})" in ended.stderr
        assert status(other, f"--name={name}")["pid"] == other.front
        assert status(one)["name"] == "one"
        assert end_of("stop", "-n", name).code == 0
        other.check_end(0)
        assert one.get("/").status == 200
        ended = end_of("reload", f"--name={name}")
        assert ended.code == 1 and f"no server named {name} is running [SPY0021]" in ended.stderr


def test_socket_with_a_path_is_the_users_alone_and_goes_with_the_server(short_path: Path) -> None:
    path = short_path / "control"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(path))
    with running("apps.workers", f"--control-socket={path}") as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_ISSOCK(path.stat().st_mode)
        assert status(server, f"--control-socket={path}")["pid"] == server.front
        assert tell(server, "status").code == 1, "it has no abstract socket"
        with Client(os.fspath(path), PATIENCE) as client:
            assert client.get("/status").json["pid"] == server.front
    assert not path.exists()
    ended = end_of("status", f"--control-socket={path}")
    assert ended.code == 1 and "[SPY0021]" in ended.stderr


def test_server_serves_where_the_socket_cannot_be_made_or_is_not_wanted(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "control"
    with running("apps.workers", f"--control-socket={missing}", provoked=True) as server:
        assert "code=SPY0020" in server.log(r"^.* WARN  control socket not made .*$")
        assert server.get("/").status == 200
    with running("apps.workers", "--control-socket=off") as server:
        assert server.get("/").status == 200
        assert tell(server, "status").code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_other_users_are_refused() -> None:
    with running("apps.workers", provoked=True) as server:
        path = path_of(server)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    client.sendall(b"POST /stop?now HTTP/1.0\r\n\r\n")
                    os.write(writer, client.recv(4096))
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as said:
            assert said.read().startswith(b"HTTP/1.1 403 ")
        assert "uid 65534" in server.log(r"control refused .*$")
        assert server.get("/").status == 200


def test_clients_that_hang_send_garbage_or_are_many_do_not_matter() -> None:
    with running("apps.workers") as server:
        before = descriptors(server)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(200)]
        for number, client in enumerate(clients):
            client.connect(path_of(server))
            client.sendall([b"", b"\0\xff" * 100, b"GET /status HTTP/1.1\r\nHost", b"{}\n" * 2000][number % 4])
        assert status(server)["state"] == "serving" and server.get("/").status == 200
        for client in clients:
            client.close()
        until(lambda: descriptors(server) <= before, "the descriptors", PATIENCE)
        with ThreadPoolExecutor(8) as pool:
            assert {reply.status for reply in pool.map(lambda _: ask(server, "GET", "/status"), range(64))} == {200}


def test_clients_that_leave_while_they_wait_for_a_reload_make_room(tmp_path: Path, gate: Gate) -> None:
    release(tmp_path, "a")
    with running("released:app", cwd=tmp_path) as server:
        release(tmp_path, "b", f"while not pathlib.Path({str(gate.path)!r}).exists(): time.sleep(0.01)")

        def let_in() -> bool:  # the gate is closed: one that is let in is not answered
            with Client(path_of(server), PATIENCE) as client:
                client.send(request("POST", "/reload"))
                return client.silent(0.2)

        clients = [Client(path_of(server), PATIENCE) for _ in range(8)]
        for client in clients:
            client.send(request("POST", "/reload"))
        until(lambda: not let_in(), "no place left", PATIENCE)
        assert status(server)["state"] == "serving"
        for client in clients:
            client.close()
        until(let_in, "room for another", PATIENCE)
        gate.open()
        assert tell(server, "reload").code == 0


def test_server_that_is_stopped_is_said_so_by_every_command() -> None:
    with running("apps.workers") as server:
        os.kill(server.front, SIGSTOP)
        try:
            with ThreadPoolExecutor() as pool:
                for ended in pool.map(lambda command: tell(server, command), ("status", "reload", "stop")):
                    assert ended.code == 1 and ended.stdout == ""
                    assert (
                        f"the server with pid {server.front} does not answer" in ended.stderr
                        and "[SPY0023]" in ended.stderr
                    )
        finally:
            os.kill(server.front, SIGCONT)
        assert server.get("/").status == 200
        assert status(server)["state"] == "serving"


def test_socket_speaks_http() -> None:
    with running("apps.workers") as server:
        assert ask(server, "GET", "/status", "1.0").json["pid"] == server.front
        reply = ask(server, "GET", "/status")
        assert reply.closes and reply.get("Content-Type") == "application/json"
        assert ask(server, "HEAD", "/status").status == 200
        for method, target, allowed in (
            ("POST", "/status", "GET, HEAD"),
            ("GET", "/reload", "POST"),
            ("GET", "/stop", "POST"),
        ):
            reply = ask(server, method, target)
            assert (reply.status, reply.get("Allow")) == (405, allowed)
        assert ask(server, "GET", "/").status == 404 and "POST /reload" in ask(server, "GET", "/nothing").text


def test_status_under_load_keeps_no_request_waiting() -> None:
    with running("apps.workers", workers=2) as server:
        over = threading.Event()

        def watch() -> int:
            asked = 0
            while not over.is_set():
                assert ask(server, "GET", "/status").status == 200
                asked += 1
            return asked

        with ThreadPoolExecutor() as pool:
            watching = pool.submit(watch)
            with server.connect() as client:
                assert {client.get("/").status for _ in range(300)} == {200}
            over.set()
            assert watching.result() > 0


def test_status_names_what_is_past_its_time_and_what_nobody_waits_for(gate: Gate) -> None:
    limits = ("--timeout=300ms", "--timeout-grace=60s", "--route=/long/ timeout=60s")
    with running("apps.timeouts", *limits, threads=2, provoked=True) as server:
        assert server.get("/sleep").status == 504
        with server.connect() as client:
            client.send(request("GET", f"/long/gated?gate={gate.path}"))
            server.printed("waiting")
            (worker,) = status(server)["generations"][0]["workers"]
            assert [running_now["path"] for running_now in worker["in_hand"]] == ["/long/gated"]
            assert (worker["overdue"], worker["left"]) == (1, 0)
            client.reset()
        until(lambda: status(server)["metrics"]["requests_left"], "a client that has left", PATIENCE)
        said = status(server)
        (worker,) = said["generations"][0]["workers"]
        assert (worker["overdue"], worker["left"], worker["in_hand"]) == (1, 1, [])
        assert (said["metrics"]["requests_overdue"], said["metrics"]["replies_504_total"]) == (1, 1)
        text = tell(server, "status").stdout
        assert "worker 0 has 2 in hand" in text and "1 whose clients have left" in text
        assert "1 past their time, answered with 504" in text
        gate.open()
        assert tell(server, "stop", "--now").code == 0
        server.check_end(0)
