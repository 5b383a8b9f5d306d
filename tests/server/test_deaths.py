"""Deaths of workers and of the zygote: what was not started is served elsewhere, and nobody else notices."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.client import request

from harness import PATIENCE, SANITIZED, Client, Gate, Server, Unsound, processes, running, until


def hold(server: Server, gate: Gate, name: str) -> tuple[Client, int]:
    """Keep a thread busy until the gate opens; return the connection and the worker's pid."""
    client = server.connect()
    client.send(request("GET", f"/gated?name={name}&gate={gate.path}"))
    line = server.printed(rf"^started {name} pid=\d+$")
    return client, int(line.rpartition("=")[2])


def replaced(server: Server, count: int, dead: set[int]) -> dict[int, int]:
    """Wait until so many workers are ready and none of the dead is among them."""

    def fresh() -> dict[int, int]:
        found = server.workers()
        return found if len(found) == count and not dead & set(found.values()) else {}

    return until(fresh, f"{count} workers, none of {dead}", PATIENCE)


@pytest.mark.parametrize("threads", [1, 4])
def test_worker_that_exits_in_a_request_costs_that_request_only(threads: int) -> None:
    with running("apps.workers", workers=2, threads=threads, provoked=True) as server:
        before = server.workers()
        others = [server.connect() for _ in range(4)]
        assert all(client.get("/").text == "hello\n" for client in others)
        with server.connect() as client:
            reply = client.get("/exit")
            assert (reply.status, reply.reason) == (502, "Bad Gateway")
        pid = int(server.printed(r"^leaving \d+$").rpartition(" ")[2])
        assert all(client.get("/").text == "hello\n" for client in others)
        record = server.log(r"^.* worker reaped .*$")
        assert f" pid={pid} " in record and "status=7" in record
        record = server.log(r"^.* request failed .*$")
        assert 'request="GET /exit"' in record and "code=SPY0401" in record
        after = replaced(server, 2, {pid})
        assert pid in before.values() and set(after.values()) - set(before.values())
        for other in others:
            other.close()


RECORD = r"^.* worker reaped .*\n( {4}.*\n)*"


@pytest.mark.parametrize(("path", "name"), [("/segfault", "SIGSEGV"), ("/abort", "SIGABRT")])
def test_crash_is_one_record_with_what_each_thread_did_and_the_stack(path: str, name: str, gate: Gate) -> None:
    with running("apps.workers", workers=1, threads=3, provoked=True) as server:
        other, pid = hold(server, gate, "other")
        assert server.get(path + "?why=test").status == 502
        assert other.reply().status == 502
        other.close()
        record = server.log(RECORD)
        head, *below = record.splitlines()
        assert f" worker=0 pid={pid} signal={name} " in head and " in_hand=2 " in head and " generation=1" in head
        assert re.search(r" peak_rss=\d+\.\dMiB ", head)
        threads = [line for line in below if line.startswith("    thread ")]
        assert len(threads) == 2
        crashed = next(line for line in threads if f"GET {path}?why=test for " in line)
        assert re.search(r"^    thread \d+: GET \S+ for .*, id=[0-9a-f]{8}-[0-9a-f]+ client=127\.0\.0\.1$", crashed)
        identifier = crashed.partition(" id=")[2].split()[0]
        assert re.search(rf"request failed id={identifier} .* code=SPY0401", server.stderr.text())
        assert any("GET /gated?name=other" in line for line in threads)
        assert "apps/workers.py" in record and ("in crash" in record or "in abort" in record)
        assert server.stderr.text().count(" worker reaped ") == 1
        replaced(server, 1, {pid})


def test_record_of_a_killed_worker_tells_memory_and_who_it_may_have_been(gate: Gate) -> None:
    with running("apps.workers", workers=1, provoked=True) as server:
        held, pid = hold(server, gate, "held")
        time.sleep(1.2)  # memory is sampled each second
        os.kill(pid, signal.SIGKILL)
        assert held.reply().status == 502
        held.close()
        record = server.log(RECORD)
        assert f" pid={pid} signal=SIGKILL why=" in record
        assert "killed by another process" in record or "cannot be known" in record
        assert re.search(r" rss=\d+\.\dMiB peak_rss=\d+\.\dMiB in_hand=1 ", record)
        assert "GET /gated?name=held" in record


@contextmanager
def memory_limit(size: int) -> Iterator[str]:
    """Be in a control group with this much memory; what is started stays there. Skips where none can be made."""
    version1 = re.search(r"^\d+:memory:(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    base = Path("/sys/fs/cgroup/memory" if version1 else "/sys/fs/cgroup")
    name = version1[1] if version1 else Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    group = base / f"speyside-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if version1 else "memory.max")).write_text(str(size))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield f"/{group.name}"
    finally:
        (base / name.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        until(lambda: not (group / "cgroup.procs").read_text(), "everybody has left the group", PATIENCE)
        group.rmdir()


@pytest.mark.skipif(SANITIZED, reason="the sanitizer needs more memory than the group has")
def test_worker_that_the_kernel_killed_for_want_of_memory_is_said_to_be() -> None:
    with memory_limit(300 << 20) as group:
        with running("apps.workers", workers=1, threads=2, provoked=True) as server:
            pid = server.workers()[0]
            assert server.get("/hog").status == 502
            record = server.log(RECORD)
            why = f"killed by the kernel for want of memory in cgroup {group}, which may have 300.0MiB"
            assert f' pid={pid} signal=SIGKILL why="{why}" ' in record
            assert "GET /hog for " in record
            replaced(server, 1, {pid})
            assert server.get("/").text == "hello\n"


def test_requests_wait_while_no_worker_comes_up(tmp_path: Path) -> None:
    """Workers crash as soon as they are forked, until somebody has put that right."""
    broken = tmp_path / "broken"
    (tmp_path / "crashing.py").write_text(
        "import os\n"
        "def die():\n"
        f"    if os.path.exists({str(broken)!r}):\n"
        "        os._exit(9)\n"
        "os.register_at_fork(after_in_child=die)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'there']\n"
    )
    with running("crashing:app", "--abandon-after=0", workers=2, threads=1, cwd=tmp_path, provoked=True) as server:
        before = server.workers()
        broken.touch()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        server.log(r"worker delayed worker=0 delay=500ms")
        line = [server.connect() for _ in range(5)]
        for client in line:
            client.send(request("GET", "/"))
        server.log(r"worker delayed worker=0 delay=1s")
        server.log(r"worker delayed worker=1 delay=1s")
        assert server.process.poll() is None
        assert all(client.silent(0.05) for client in line)
        broken.unlink()
        assert [client.reply().text for client in line] == ["there"] * 5
        assert {int(number) for number in re.findall(r"worker delayed worker=(\d+)", server.stderr.text())} == {0, 1}
        for client in line:
            client.close()


def test_worker_that_dies_in_a_reply_leaves_it_incomplete(gate: Gate) -> None:
    with running("apps.workers", provoked=True) as server, server.connect() as client:
        pid = server.workers()[0]
        client.send(request("GET", f"/exit-begun?gate={gate.path}"))
        reply = client.head()
        pieces = client.pieces(reply)
        assert (reply.status, next(pieces)) == (200, b"first")
        gate.open()
        with pytest.raises(Unsound):
            list(pieces)
        replaced(server, 1, {pid})
        assert server.get("/").text == "hello\n"


def test_requests_that_were_not_started_are_served_by_others(gate: Gate) -> None:
    """Both workers are busy and a line waits; one is killed: its replacement serves the whole line."""
    with running("apps.workers", workers=2, threads=1, provoked=True) as server:
        doomed, victim = hold(server, gate, "doomed")
        lucky, survivor = hold(server, gate, "lucky")
        assert victim != survivor
        line = [server.connect() for _ in range(30)]
        for number, client in enumerate(line):
            client.send(request("GET", f"/count?name=n{number}"))
        assert line[0].silent(0.1)
        os.kill(victim, signal.SIGKILL)
        assert doomed.reply().status == 502
        assert [client.reply().text for client in line] == [f"n{number}" for number in range(30)]
        gate.open()
        assert lucky.reply().text == f"lucky pid={survivor}"
        server.printed(r"^served n\d+\.$", count=30)
        served = re.findall(r"^served (n\d+)\.$", server.stdout.text(), re.MULTILINE)
        assert sorted(served) == sorted(f"n{number}" for number in range(30)), "once each"
        for client in [doomed, lucky, *line]:
            client.close()


def test_killed_worker_under_load_loses_only_what_it_had_started() -> None:
    """Every client gets an answer to every request; the failed ones are no more than the killed threads."""
    workers, threads, kills = 2, 2, 2
    with running("apps.workers", workers=workers, threads=threads, provoked=True) as server:
        stop = threading.Event()
        answers: dict[str, int] = {}
        broken: list[str] = []

        def load(number: int) -> None:
            sent = 0
            while not stop.is_set():
                with server.connect() as client:  # again after a reply that closes: 502 does
                    closed = False
                    while not (closed or stop.is_set()):
                        name = f"c{number}r{sent}"
                        sent += 1
                        try:
                            reply = client.get(f"/count?name={name}")
                        except (Unsound, OSError) as error:
                            broken.append(f"{name}: {error}")
                            return
                        answers[name] = reply.status
                        closed = reply.closes

        clients = [threading.Thread(target=load, args=[number]) for number in range(6)]
        for client in clients:
            client.start()
        dead: set[int] = set()
        for _ in range(kills):
            seen = len(answers)
            until(lambda seen=seen: len(answers) > seen + 100, "the load goes on", PATIENCE)  # type: ignore[misc]
            victim = server.ready(workers)[len(dead)]
            os.kill(victim, signal.SIGKILL)
            dead.add(victim)
            replaced(server, workers, dead)
        seen = len(answers)
        until(lambda: len(answers) > seen + 100, "the load goes on", PATIENCE)
        stop.set()
        for client in clients:
            client.join(PATIENCE)
        assert broken == []
        failed = [name for name, status in answers.items() if status == 502]
        assert {*answers.values()} <= {200, 502}
        assert failed, "no request was in the killed workers: nothing is shown"
        assert len(failed) <= kills * threads, failed
        served = re.findall(r"^served (\S+)\.$", server.stdout.text(), re.MULTILINE)
        assert len(served) == len(set(served)), "a request was served twice"
        assert {name for name, status in answers.items() if status == 200} <= set(served)


def test_dead_worker_is_replaced_at_once_and_slower_from_the_third_death_on() -> None:
    with running("apps.workers", workers=2, threads=1, provoked=True) as server:
        dead: set[int] = set()
        for number in range(3):
            err = server.stderr.mark
            victim = server.workers()[0]
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            dead.add(victim)
            if number == 2:
                assert re.search(r"worker=0 delay=\S+ ", server.log(r"^.* WARN .*worker delayed .*$", err))
                for _ in range(5):
                    assert server.get("/").text == "hello\n"  # the other one is there
            replaced(server, 2, dead)
            waited = time.monotonic() - began
            assert ("worker delayed" in server.stderr.text(err)) == (number == 2)
            assert waited > 0.4 or number < 2


def test_stopped_zygote_delays_the_replacement_and_nothing_else(gate: Gate) -> None:
    with running("apps.workers", workers=2, threads=1, provoked=True) as server:
        doomed, victim = hold(server, gate, "doomed")
        zygote = server.zygote()
        os.kill(zygote, signal.SIGSTOP)
        try:
            os.kill(victim, signal.SIGKILL)
            assert doomed.reply().status == 502  # the front sees the death by itself
            for _ in range(10):
                assert server.get("/").text == "hello\n"
            assert len(server.workers()) == 1
        finally:
            os.kill(zygote, signal.SIGCONT)
        replaced(server, 2, {victim})
        assert server.zygote() == zygote
        record = server.log(rf"^.* worker reaped .* pid={victim} .*$")
        assert "SIGKILL" in record or "status=unknown" in record
        gate.open()
        doomed.close()


def test_killed_zygote_is_replaced_and_no_request_is_lost(gate: Gate) -> None:
    with running("apps.workers", workers=2, threads=2, provoked=True) as server:
        held, _ = hold(server, gate, "held")
        before = set(server.workers().values())
        zygote = server.zygote()
        stop = threading.Event()
        wrong: list[object] = []
        count = 0

        def load() -> None:
            nonlocal count
            while not stop.is_set():
                with server.connect() as client:
                    reply = client.get("/")
                    if reply.text != "hello\n":
                        wrong.append(reply)
                    count += 1

        client = threading.Thread(target=load)
        client.start()
        os.kill(zygote, signal.SIGKILL)
        assert "SIGKILL" in server.log(rf"^.* ERROR zygote died pid={zygote} .*$")
        seen = count
        until(lambda: count > seen + 10, "requests are served without a zygote", PATIENCE)
        gate.open()
        assert held.reply().status == 200
        held.close()
        after = replaced(server, 2, before)
        seen = count
        until(lambda: count > seen + 10, "requests are served", PATIENCE)
        stop.set()
        client.join(PATIENCE)
        assert wrong == []
        assert server.get("/who").json["imported_by"] == server.zygote() != zygote
        victim = next(iter(after.values()))
        os.kill(victim, signal.SIGKILL)  # the new zygote does what the old one did
        replaced(server, 2, {victim})


def test_killed_front_takes_everything_with_it() -> None:
    for threads in (1, 2):
        with running("apps.workers", workers=2, threads=threads, code=-signal.SIGKILL) as server:
            client = server.connect()
            assert client.get("/").status == 200
            tree = server.tree()
            assert len(tree) == 4
            os.kill(server.front, signal.SIGKILL)
            until(lambda: not server.tree(), "the others end by themselves", PATIENCE)
            until(lambda tree=tree: not any(map(processes.running, tree)), "their end", PATIENCE)  # type: ignore[misc]
            assert client.gone()
            client.close()


def test_application_that_cannot_be_loaded_again_does_not_end_the_server(tmp_path: Path) -> None:
    """The zygote dies after somebody broke the source: the workers that are there serve on."""
    source = tmp_path / "fragile.py"
    source.write_text("from wsgiref.simple_server import demo_app as application\n")
    with running("fragile", workers=1, cwd=tmp_path, provoked=True) as server:
        assert server.get("/").status == 200
        source.write_text("raise ValueError('broken meanwhile')\n")
        os.kill(server.zygote(), signal.SIGKILL)
        server.log(r"^.* ERROR application failed to load .*SPY0101.*$")
        assert server.get("/").status == 200
        source.write_text("from wsgiref.simple_server import demo_app as application\n")
        before = set(server.workers().values())
        replaced(server, 1, before)
        assert server.get("/").status == 200
