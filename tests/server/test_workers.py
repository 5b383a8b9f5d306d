"""Workers and threads: one queue for all, and who runs where."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator

import pytest
from harness.client import request
from harness.program import PRELOAD

from harness import SANITIZED, Client, Gate, Server, processes, running


def hold(server: Server, gate: Gate, count: int) -> list[Client]:
    """Keep so many threads busy until the gate opens."""
    clients = []
    for number in range(count):
        client = server.connect()
        client.send(request("GET", f"/gated?name=held{number}&gate={gate.path}"))
        server.printed(rf"^started held{number} ")
        clients.append(client)
    return clients


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (4, 1), (2, 3)])
def test_one_free_thread_of_any_worker_serves_everybody(workers: int, threads: int, gate: Gate) -> None:
    with running("apps.workers", workers=workers, threads=threads) as server:
        held = hold(server, gate, workers * threads - 1)
        with server.connect(patience=10) as client:
            for _ in range(20):
                assert client.get("/").text == "hello\n"
        gate.open()
        pids = set()
        for number, other in enumerate(held):
            answer = re.fullmatch(rf"held{number} pid=(\d+)", other.reply().text)
            assert answer
            pids.add(int(answer[1]))
            other.close()
        assert len(pids) == min(workers, workers * threads - 1), "some of the workers had all the sleepers"


def test_requests_wait_in_one_line_when_every_thread_is_busy(gate: Gate) -> None:
    with running("apps.workers", workers=2, threads=1) as server:
        held = hold(server, gate, 2)
        with server.connect() as waiting:
            waiting.send(request("GET", "/"))
            assert waiting.silent(0.2)
            gate.open()
            assert waiting.reply().text == "hello\n"
        for client in held:
            assert client.reply().status == 200
            client.close()


@pytest.fixture(scope="module")
def single() -> Iterator[Server]:
    with running("apps.workers", workers=1, threads=1) as made:
        yield made


def test_single_thread_is_the_main_thread(single: Server) -> None:
    seen = [single.get("/who").json for _ in range(3)]
    assert [each["main"] for each in seen] == [True] * 3
    assert len({each["thread"] for each in seen}) == 1
    assert (seen[0]["multithread"], seen[0]["multiprocess"]) == (False, False)


def test_single_thread_may_set_signal_handlers(single: Server) -> None:
    assert single.json("/signal") is True
    assert single.json("/signal") is True


def test_single_thread_may_keep_sqlite_objects(single: Server) -> None:
    assert [single.json("/sqlite") for _ in range(3)] == [1, 2, 3]


def test_single_thread_may_run_asyncio(single: Server) -> None:
    assert single.json("/asyncio") == "from asyncio\n"
    assert single.json("/asyncio") == "from asyncio\n"


def test_several_threads_are_not_the_main_thread(gate: Gate) -> None:
    with running("apps.workers", workers=1, threads=3) as server:
        held = hold(server, gate, 2)
        seen = [server.get("/who").json]
        gate.open()
        for client in held:
            client.reply()
            client.close()
        seen += [server.get("/who").json for _ in range(10)]
        assert not any(each["main"] for each in seen)
        assert 1 <= len({each["thread"] for each in seen}) <= 3


def test_application_is_imported_once_and_forked() -> None:
    with running("apps.workers", workers=3, threads=1) as server:
        zygote = server.zygote()
        pids = set(server.workers().values())
        assert len(pids) == 3
        seen = server.get("/who").json
        assert seen["imported_by"] == zygote
        assert seen["pid"] in pids and zygote not in pids and server.front not in pids


@pytest.mark.parametrize("threads", [1, 4])
def test_application_may_run_other_programs_and_fork(threads: int) -> None:
    with running("apps.workers", workers=1, threads=threads) as server:
        worker = server.workers()[0]
        for _ in range(2):
            assert server.json("/subprocess") == ["True\n", 1, "forked", 5]
        assert server.get("/who").json["pid"] == worker


def workers_of(banner: str) -> tuple[int, int]:
    found = re.search(r"^  workers +(\d+) × (\d+) threads?", banner, re.MULTILINE)
    assert found, banner
    return int(found[1]), int(found[2])


def test_default_is_a_worker_for_each_cpu_with_four_threads() -> None:
    with running("apps.workers", workers=None, threads=None) as server:
        workers, threads = workers_of(server.banner)
        assert 1 <= workers <= len(os.sched_getaffinity(0))
        assert threads == 4
        assert len(server.ready(workers)) == workers


def test_one_cpu_gets_one_worker() -> None:
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        with running("apps.workers", workers=None) as server:
            assert workers_of(server.banner)[0] == 1
    finally:
        os.sched_setaffinity(0, cpus)


def test_web_concurrency_is_the_number_of_workers() -> None:
    with running("apps.workers", workers=None, env={"WEB_CONCURRENCY": "3"}) as server:
        assert workers_of(server.banner) == (3, 4)
        assert sorted(server.ready(3)) == [0, 1, 2]


def test_flag_goes_before_web_concurrency() -> None:
    with running("apps.workers", workers=2, env={"WEB_CONCURRENCY": "3"}) as server:
        assert workers_of(server.banner)[0] == 2


@pytest.mark.skipif(not SANITIZED, reason="this run is not sanitized: SANITIZER_LIBRARY is not set")
def test_sanitized_run_has_the_sanitizer_in_zygote_and_workers(single: Server) -> None:
    for pid in (single.zygote(), *single.workers().values()):
        assert processes.maps(pid, PRELOAD)


@pytest.mark.skipif(SANITIZED, reason="has a heap of its own")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep it")
@pytest.mark.parametrize("threads", [1, 2])
def test_memory_that_a_request_has_freed_is_there_for_the_next_one(threads: int) -> None:
    with running("apps.workers", workers=1, threads=threads) as server, server.connect() as client:
        fewest = min(client.get("/faults").json["faults"] for _ in range(20))
        assert fewest < 100, "each request took its 256 pages from the kernel"
