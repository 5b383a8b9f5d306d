"""One round: one server's turn in one scenario.

Callers need `one_round` and the `Round` it answers; interleave.py has the order of turns. A round starts its server
afresh, checks the answers, loads it, reads what the tree used, checks again and ends it; whatever goes wrong makes that
round a failed one, with the reason.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import servers
from harness import answers, processes
from harness.load import LoadFailed, LoadResult, Point, Wrk
from harness.metrics import CPU, FIRST, LOST, P50, P99, PSS, PSS_START, RATE, SLOW
from harness.running import BENCH, POLL_SECONDS, Plan, Running, free_port
from scenarios.base import Scenario
from servers import Server

WARM_UP_SECONDS = 1.0
RELOAD_SECONDS = 20.0


@dataclass(frozen=True)
class Round:
    """One server's turn. `values` is empty when it failed before anything was measured; `started` is false when
    the server did not come up at all."""

    scenario: str
    server: str
    number: int
    failure: str | None
    values: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    bytes_per_reply: float = 0.0
    other_cpus: float = 0.0
    workers_seen: int | None = None
    late_p99_ms: float | None = None
    curve: tuple[Point, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    started: bool = True


@dataclass(frozen=True)
class Settings:
    """What holds for the whole run. `variables` are put in every server's environment. With `every`, each server takes
    part in every round, however far behind."""

    rounds: int
    seconds: float
    words: dict[str, str]
    site: str
    variables: dict[str, str] = field(default_factory=dict)
    every: bool = False


def split_cpus(pinned: bool) -> tuple[frozenset[int], frozenset[int]]:
    """CPUs of the server and of the load. Pinned: one, and the others; needs two."""
    every = frozenset(os.sched_getaffinity(0))
    if not pinned:
        return every, every
    if len(every) < 2:
        raise LoadFailed("this scenario is pinned and needs two CPUs, one for the server and one for the load")
    first = min(every)
    return frozenset([first]), every - {first}


def command(server: Server, scenario: Scenario, words: dict[str, str], port: int) -> list[str]:
    """The server's command line for this scenario; the scenario's own arguments come before the application."""
    filled = (
        words
        | {
            "port": str(port),
            "workers": str(scenario.workers),
            "threads": str(scenario.threads),
            "slots": str(scenario.workers * scenario.threads),
            "app": scenario.app,
            "peers": str(BENCH / "peers"),
        }
        | dict(server.words)
    )
    *options, app = server.command
    more = scenario.extra.get(server.name.partition("+")[0], ())
    return [word.format_map(filled) for word in (*options, *more, app)]


def one_round(scenario: Scenario, server: Server, number: int, settings: Settings) -> Round:
    """One turn of one server. What keeps it from starting is raised; all later trouble is in the answer."""
    server_cpus, load_cpus = split_cpus(scenario.pinned)
    port = free_port()
    plan = Plan(
        name=server.name,
        command=command(server, scenario, settings.words, port),
        request=scenario.load.request,
        expected=scenario.expected,
        port=port,
        cpus=server_cpus,
        site=settings.site if servers.is_ours(server.name) else None,
        keep_alive=server.keep_alive,
        together=scenario.load.pipeline if isinstance(scenario.load, Wrk) else 1,
        variables=settings.variables,
    )
    with Running(plan) as running:
        try:
            return measure(scenario, running, number, settings.seconds, load_cpus)
        except (OSError, http.client.HTTPException, RuntimeError, answers.WrongAnswer, LoadFailed) as error:
            return Round(scenario.name, server.name, number, f"{type(error).__name__}: {error}")


def measure(scenario: Scenario, running: Running, number: int, seconds: float, cpus: frozenset[int]) -> Round:
    """Check, warm up, load, read, check."""
    plan, load = running.plan, scenario.load
    answer = plan.check()
    start = running.pss_mib()
    if load.measures_speed:
        load.run(plan.port, scenario.expected, min(WARM_UP_SECONDS, seconds), cpus)
    cpu, busy, began = running.cpu_seconds(), processes.machine_busy_seconds(), time.monotonic()
    with reloading(running, seconds / 3) if scenario.reload else contextlib.nullcontext():
        result = load.run(plan.port, scenario.expected, seconds, cpus)
    busy, took = processes.machine_busy_seconds() - busy, time.monotonic() - began
    cpu = running.cpu_seconds() - cpu
    failure = trouble(result, scenario) or forgetful(running)
    values = figures(result, cpu, load.measures_speed) | {PSS.key: running.pss_mib()}
    if scenario.target.metric in (PSS, PSS_START):
        values[PSS_START.key] = start
    if scenario.target.metric is FIRST and running.first_answer_seconds is not None:
        values[FIRST.key] = running.first_answer_seconds * 1000
    if scenario.reload:
        values[LOST.key] = sum(result.errors.get(kind, 0) for kind in ("missing", "shed", "status", "body"))
    try:
        plan.check()
    except (OSError, http.client.HTTPException, answers.WrongAnswer) as error:
        failure = failure or f"after the load: {error}"
    return Round(
        scenario=scenario.name,
        server=plan.name,
        number=number,
        failure=failure,
        values=values,
        requests=result.requests,
        errors=dict(result.errors),
        bytes_per_reply=result.bytes / max(1, result.requests),
        other_cpus=max(0.0, busy - cpu - result.cpu_seconds) / took,
        workers_seen=result.workers_seen,
        late_p99_ms=None if result.late_p99_us is None else result.late_p99_us / 1000,
        curve=result.curve,
        headers=dict(answer.headers),
    )


@contextlib.contextmanager
def reloading(running: Running, after: float) -> Iterator[None]:
    """Reload while the load runs; RuntimeError when the processes are the same afterwards, so that it was none."""
    before = running.workers()
    timer = threading.Timer(after, running.reload)
    timer.start()
    yield
    timer.join()
    deadline = time.monotonic() + RELOAD_SECONDS
    while not running.workers() - before:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no process was started within {RELOAD_SECONDS} s after the reload")
        time.sleep(POLL_SECONDS)


def figures(result: LoadResult, cpu: float, speed: bool) -> dict[str, float]:
    """The round's figures by their metric's key; those of speed only where the load can tell."""
    values: dict[str, float] = {}
    if speed and result.requests:
        values[CPU.key] = cpu / result.requests * 1e6
        values[RATE.key] = result.requests / result.seconds
    if result.p50_us is not None and result.p99_us is not None:
        values[P50.key] = result.p50_us / 1000
        values[P99.key] = result.p99_us / 1000
    if result.slow_per_second is not None:
        values[SLOW.key] = result.slow_per_second
    return values


def trouble(result: LoadResult, scenario: Scenario) -> str | None:
    """Why a loaded round does not count."""
    if result.errors and not scenario.reload:
        return "the load saw " + ", ".join(f"{count} {kind} errors" for kind, count in result.errors.items())
    if not result.requests:
        return "no request was answered"
    if result.bytes < result.requests * scenario.expected.size:
        return f"{result.bytes} bytes for {result.requests} replies: some were too short"
    return None


def forgetful(running: Running) -> str | None:
    """Why the tree's CPU time cannot be known."""
    pids = processes.forgetful(running.holder.pid)
    return f"processes {pids} ignore SIGCHLD, so CPU of their dead children is lost" if pids else None
