"""workers_min and workers_max: the number of workers follows the requests that wait."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM
from typing import Any

import pytest
from harness.client import request

from harness import PATIENCE, Client, Gate, Server, end_of, running, until

APP = """
import os, pathlib, time
if pathlib.Path("broken").exists():
    raise RuntimeError("it is broken")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.05)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["SPEYSIDE_GENERATION"].encode()]
"""


@contextmanager
def scaling(*arguments: str, workers: int = 1, most: int = 3, calm: str = "1h", **options: Any) -> Iterator[Server]:
    """Serve with a thread for each worker, from one worker to `most`."""
    bounds = ("--workers-min=1", f"--workers-max={most}", f"--workers-calm={calm}")
    app = options.pop("app", "apps.workers")
    with running(app, *bounds, *arguments, workers=workers, threads=1, **options) as server:
        yield server


def status(server: Server) -> dict[str, Any]:
    """Return what a server says of itself."""
    ended = end_of("status", "--json", f"--pid={server.front}")
    assert ended.code == 0, ended
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def waited(server: Server, milliseconds: int) -> None:
    """Wait until a request has waited for so long."""
    until(lambda: status(server)["metrics"]["queue_wait_ms"] >= milliseconds, "a long wait", PATIENCE)


def ask(server: Server, gate: Gate, *names: str) -> list[Client]:
    """Send requests that are answered when the gate opens, each on a connection of its own."""
    clients = []
    for name in names:
        client = server.connect()
        client.send(request("GET", f"/gated?name={name}&gate={gate.path}"))
        clients.append(client)
    return clients


def answered(clients: list[Client]) -> None:
    for client in clients:
        assert client.reply().status == 200
        client.close()


def scaled(server: Server) -> list[str]:
    """Return each change of the number of workers, as before and after."""
    found = re.findall(r"workers scaled workers=(\d+) before=(\d+) ", server.stderr.text())
    return [f"{before} {after}" for after, before in found]


class Visitor:
    """A client that asks again and again on one connection that is kept alive."""

    def __init__(self, server: Server) -> None:
        self.answers = 0
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(server,))
        self._thread.start()

    def _ask(self, server: Server) -> None:
        try:
            with server.connect() as client:
                while not self._over.is_set():
                    reply = client.get("/")
                    self.answers += 1
                    if reply.status != 200 or reply.closes:
                        self.wrong.append(str(reply))
        except Exception as error:
            self.wrong.append(repr(error))

    def finish(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE)
        assert not self.wrong, self.wrong[:3]
        assert self.answers


def test_burst_of_slow_requests_brings_workers_until_all_are_at_work(gate: Gate) -> None:
    with scaling() as server:
        assert re.search(r"^  workers +1 × 1 thread, 1 to 3 workers by demand$", server.banner, re.MULTILINE)
        clients = ask(server, gate, "a", "b", "c")
        for name in "abc":
            server.printed(rf"^started {name} ")
        reason = r"by=\+1 reason=\"a request has waited [\d.]+m?s, and no thread is free\"$"
        server.log(rf"INFO  workers scaled workers=2 before=1 {reason}")
        server.log(rf"INFO  workers scaled workers=3 before=2 {reason}")
        said = status(server)
        assert said["demand"] == {"workers": 3, "min": 1, "floor": 1, "max": 3}
        metrics = said["metrics"]
        assert (metrics["workers"], metrics["workers_added_total"], metrics["workers_dismissed_total"]) == (3, 2, 0)
        assert "\n  workers      3, from 1 to 3 by demand\n" in end_of("status", f"--pid={server.front}").stdout
        gate.open()
        answered(clients)


def test_no_more_workers_come_than_may_be(gate: Gate) -> None:
    with scaling(most=2) as server:
        clients = ask(server, gate, "a", "b", "c", "d")
        server.ready(2)
        waited(server, 1500)
        server.log(r"workers scaled workers=2 before=1 ")
        assert scaled(server) == ["1 2"]
        assert len(server.workers()) == 2
        gate.open()
        answered(clients)


def test_workers_leave_one_at_a_time_when_it_is_calm_and_nobody_notices(gate: Gate) -> None:
    with scaling(calm="1s") as server:
        visitor = Visitor(server)
        clients = ask(server, gate, "a", "b", "c")
        server.log(r"workers scaled workers=3 ")
        gate.open()
        answered(clients)
        reason = r"by=-1 reason=\"at most \d of \d threads were busy for [\d.]+s\"$"
        server.log(rf"workers scaled workers=2 before=3 {reason}")
        server.log(rf"workers scaled workers=1 before=2 {reason}")
        server.ready(1)
        visitor.finish()
        dismissed = status(server)["metrics"]["workers_dismissed_total"]
        server.log(r"workers scaled .* by=-1 ", count=dismissed)
        assert not re.search(r" (502|503) |in_hand=", server.stderr.text())


def test_worker_that_is_at_work_is_not_the_one_that_leaves(tmp_path: Path, gate: Gate) -> None:
    other = Gate(tmp_path / "other")
    with scaling(most=2, calm="1s") as server:
        first, second = ask(server, other, "short")[0], ask(server, gate, "long")[0]
        at_work = int(server.printed(r"^started long pid=\d+").rpartition("=")[2])
        other.open()
        answered([first])
        server.log(r"workers scaled workers=1 before=2 ")
        server.ready(1)
        assert list(server.workers().values()) == [at_work]
        gate.open()
        answered([second])


def test_worker_for_which_there_is_no_memory_does_not_come(gate: Gate) -> None:
    with scaling("--workers-memory=1MB", provoked=True) as server:
        clients = ask(server, gate, "a", "b")
        server.log(
            r"WARN  worker not added workers=1 waited=[\d.]+m?s needs=\d+\.\dMiB left=-\d+\.\dMiB "
            r'of="workers_memory, 1.0MiB" code=SPY0025 hint='
        )
        waited(server, 2000)
        assert server.stderr.text().count("worker not added") == 1
        assert not scaled(server)
        gate.open()
        answered(clients)


def test_crashing_workers_are_not_taken_for_demand(tmp_path: Path) -> None:
    (tmp_path / "breaking.py").write_text(APP)
    with scaling("--preload=off", app="breaking:app", cwd=tmp_path, provoked=True) as server:
        assert server.get("/").text == "1"
        (tmp_path / "broken").touch()
        with server.connect() as client:
            os.kill(server.ready(1)[0], SIGKILL)
            server.log(r"WARN  worker delayed ")
            client.send(request("GET", "/"))
            waited(server, 1000)
            assert not scaled(server)
            (tmp_path / "broken").unlink()
            assert client.reply().text == "1"


def test_reload_keeps_the_number_that_demand_has_made(tmp_path: Path, gate: Gate) -> None:
    with scaling() as server:
        clients = ask(server, gate, "a", "b")
        server.log(r"workers scaled workers=2 ")
        for name in "ab":
            server.printed(rf"^started {name} ")
        server.interrupt(SIGHUP)
        server.log(r"generation took over generation=2 ")
        assert len(re.findall(r"worker ready .* generation=2$", server.stderr.text(), re.MULTILINE)) == 2
        gate.open()
        answered(clients)
        again = Gate(tmp_path / "again")
        clients = ask(server, again, "c", "d", "e")
        for name in "cde":
            server.printed(rf"^started {name} ")
        server.log(r"workers scaled workers=3 before=2 ")
        assert scaled(server) == ["1 2", "2 3"]
        again.open()
        answered(clients)


@pytest.mark.parametrize("overlap", ["auto", "1"])
def test_demand_goes_on_during_reloads_and_recycling_without_a_request_lost(tmp_path: Path, overlap: str) -> None:
    (tmp_path / "working.py").write_text(APP)
    flags = (f"--reload-overlap={overlap}", "--max-requests=20")
    with scaling(*flags, most=4, calm="0.2s", app="working:app", cwd=tmp_path) as server:
        visitors = [Visitor(server) for _ in range(3)]
        for generation in (2, 3):
            crowd = [server.connect() for _ in range(20)]
            for client in crowd:
                client.send(request("GET", "/slow"))
            server.interrupt(SIGHUP)
            answered(crowd)
            server.log(rf"generation took over generation={generation} ")
        for visitor in visitors:
            visitor.finish()
        server.log(r"worker recycled .* reason=max_requests ")
        assert status(server)["metrics"]["workers_added_total"] > 0
        until(lambda: status(server)["demand"]["workers"] == 1, "one worker again", PATIENCE)
        until(lambda: len(server.tree()) == 3, "front, zygote and one worker", PATIENCE)
        assert all(abs(int(change[0]) - int(change[2])) == 1 and int(change[2]) <= 4 for change in scaled(server))


def test_bounds_of_a_file_count_from_the_reload_on(tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "working.py").write_text(APP)
    settings = tmp_path / "speyside.toml"
    settings.write_text("[app]\nworkers = 2\nthreads = 1\n")
    with running("working:app", workers=None, threads=None, cwd=tmp_path) as server:
        assert status(server)["demand"] is None
        settings.write_text("[app]\nworkers = 2\nworkers_min = 1\nworkers_calm = 0.2\nthreads = 1\n")
        server.interrupt(SIGHUP)
        server.log(r"workers scaled workers=1 before=2 by=-1 reason=")
        settings.write_text("[app]\nworkers = 3\nworkers_min = 3\nworkers_max = 30\nthreads = 1\n")
        server.interrupt(SIGHUP)
        server.log(r"workers scaled workers=3 before=1 by=\+2$")
        assert status(server)["demand"] == {"workers": 3, "min": 3, "floor": 3, "max": 30}
        settings.write_text("[app]\nworkers = 2\nthreads = 1\n")
        server.interrupt(SIGHUP)
        server.log(r"workers scaled workers=2 before=3 by=-1$")
        assert status(server)["demand"] is None


def test_stop_in_the_middle_of_a_burst_answers_everybody(gate: Gate) -> None:
    with scaling() as server:
        clients = ask(server, gate, "a", "b", "c", "d")
        server.log(r"workers scaled workers=2 ")
        server.interrupt(SIGTERM)
        server.log(r"drain began ")
        gate.open()
        answered(clients)
        server.check_end()


def test_uwsgi_ini_with_cheaper_follows_the_demand(tmp_path: Path, gate: Gate) -> None:
    ini = tmp_path / "uwsgi.ini"
    ini.write_text(
        "[uwsgi]\nhttp-socket = 127.0.0.1:0\nmodule = apps.workers\nprocesses = 2\ncheaper = 1\ncheaper-algo = spare\n"
    )
    written = end_of("import", str(ini)).stdout
    assert re.search(r"^workers_min = 1 +# .*uwsgi.ini:5, cheaper$", written, re.MULTILINE), written
    assert re.search(r"^workers_max = 2 +# .*uwsgi.ini:4, processes$", written, re.MULTILINE), written
    with running("--ini", str(ini), bind=(), workers=None, threads=None, provoked=True) as server:
        server.log(r"option without effect option=cheaper-algo .* instead=\"there is one algorithm")
        clients = ask(server, gate, "a", "b")
        server.log(r"workers scaled workers=2 before=1 by=\+1 ")
        gate.open()
        answered(clients)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (
            "--workers-min=3 --workers-max=2",
            "setting workers_max is 2 .*: it must be at least workers_min, which is 3 ",
        ),
        ("--workers=1 --workers-min=2", "setting workers is 1 .*: it is less than workers_min, which is 2 "),
        ("--workers=5 --workers-max=4", "setting workers is 5 .*: it is more than workers_max, which is 4 "),
        ("--workers-max=2000", 'setting workers_max is "2000" .*: it must be an integer from 0 to 1024 '),
        ("--workers-maxx=2", "there is no flag --workers-maxx"),
    ],
)
def test_bounds_that_cannot_be_are_refused_before_anything_is_started(flags: str, why: str) -> None:
    ended = end_of("apps.workers", *flags.split())
    assert ended.code == (2 if "no flag" in why else 1)
    assert ended.stderr.count("speyside: error:") == ended.stderr.count("speyside: hint:") == 1, ended
    assert re.search(rf"^speyside: error: {why}", ended.stderr, re.MULTILINE), ended
