"""Compare Speyside with other WSGI servers on the same applications in one run.

Use: ``python bench/run.py`` with the Python of the environment that install.py made; ``--help`` has the options and
README.md the method. It loads the loopback address only, and ends what it started.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import install
import servers
from harness import machine, report, services
from harness.interleave import compare
from harness.load import wrk_version
from harness.page import page
from harness.rounds import WARM_UP_SECONDS, Round, Settings
from harness.services import Missing
from scenarios import SCENARIOS
from scenarios.base import Scenario
from servers import Server

ROOT = Path(__file__).parent.parent
DESCRIBE = "import sys; print(sys.version.replace(chr(10), ' '), sys._base_executable, sep=chr(10))"
FULL, SHORT, SMOKE = (6, 5.0), (3, 2.0), (1, 0.3)  # rounds, seconds
TURN_SECONDS = 2.0  # to start a server, to check it and to end it, beside warm-up and load


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench", description="Compare Speyside with other WSGI servers.")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this one (repeatable)")
    parser.add_argument("--rounds", type=int, help="turns of each server; the median counts (6, short 3)")
    parser.add_argument("--seconds", type=float, help="load per turn (5, short 2)")
    parser.add_argument(
        "--every", action="store_true", help="measure in all rounds also who is far behind after one or two"
    )
    parser.add_argument("--peers", help="comma-separated peers instead of all of the scenario's")
    parser.add_argument("--speyside", type=Path, default=ROOT / ".venv/bin/speyside", help="the program to measure")
    parser.add_argument("--json", type=Path, help="write the raw figures of every round to this file")
    parser.add_argument("--html", type=Path, help="write a page with plots to this file")
    parser.add_argument("--short", action="store_true", help="the scenarios and peers that matter most, in ten minutes")
    parser.add_argument("--smoke", action="store_true", help="1 round of 0.3 s: does it work, not how fast is it")
    parser.add_argument("--list", action="store_true", help="print scenarios and how each server is started, and why")
    options = parser.parse_args(words)
    rounds, seconds = SMOKE if options.smoke else SHORT if options.short else FULL
    options.rounds = rounds if options.rounds is None else options.rounds
    options.seconds = seconds if options.seconds is None else options.seconds
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds must be at least 1 and --seconds more than 0")
    if options.peers is not None:
        options.peers = [name for name in options.peers.split(",") if name]
        unknown = set(options.peers) - {peer.name for peer in (*servers.PEERS, *servers.FLOORS)}
        if unknown:
            parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    return options


def python_of(program: Path) -> tuple[str, ...] | None:
    """Version and binary of the Python beside a program in a virtual environment; None when there is none."""
    beside = program.parent / "python"
    if not beside.exists():
        return None
    done = subprocess.run([beside, "-c", DESCRIBE], capture_output=True, text=True, check=False)
    return tuple(done.stdout.splitlines()) if not done.returncode else None


def absence(server: Server, speyside: Path, floors: Path) -> str | None:
    """Why a server cannot take part; None when it can."""
    if servers.is_ours(server.name):
        return not_comparable(speyside)
    hint = f" ({server.hint})" if server.hint else ""
    if server.floor:
        failures = services.build_floors(floors)
        return failures[server.floor] + hint if server.floor in failures else None
    missing = [program for program in server.needs if not shutil.which(program)]
    if missing:
        return f"there is no {missing[0]} in PATH{hint}"
    if server.distribution is None:
        return None
    try:
        importlib.metadata.version(server.distribution)
    except importlib.metadata.PackageNotFoundError:
        file = Path(sys.prefix) / install.FAILURES
        known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        reason = known.get(server.distribution, f"not in {sys.prefix}; run bench/install.py and use its Python")
        return f"not installed: {reason}{hint}"
    return None


def not_comparable(speyside: Path) -> str | None:
    """Why this program cannot be measured beside the peers."""
    if not os.access(speyside, os.X_OK):
        return f"{speyside} is no program; build it first or give --speyside PATH"
    other, ours = python_of(speyside), python_of(Path(sys.executable))
    if other is None:
        return f"no Python beside {speyside}, so it cannot be known whether it is the peers' Python"
    if other != ours:
        return f"its Python is {other}, that of the peers {ours}: not comparable; use install.py with its Python"
    return None


def unfit(scenario: Scenario) -> str | None:
    """Why this machine cannot run a scenario; None when it can. It raises the limit of descriptors as far as it may."""
    if len(os.sched_getaffinity(0)) < scenario.cpus:
        return f"it needs {scenario.cpus} CPUs, here are {len(os.sched_getaffinity(0))}"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if scenario.files > hard:
        return f"it needs {scenario.files} descriptors, the limit here is {hard} (ulimit -Hn)"
    return None


class Progress:
    """A line per turn, with how far it is and how long it will take."""

    def __init__(self, turns: int) -> None:
        self.turns, self.done, self.began = turns, 0, time.monotonic()

    def add(self, one: Round) -> None:
        self.done += 1
        took = time.monotonic() - self.began
        left = max(0.0, took / self.done * (self.turns - self.done)) / 60
        what = f"{one.scenario} round {one.number} {one.server}: {one.failure or 'done'}"
        print(f"[{self.done}/{self.turns}, {left:.0f} min left] {what}", file=sys.stderr, flush=True)

    def skip(self, turns: int) -> None:
        """So many will not take place."""
        self.turns -= turns


def names(scenario: Scenario, options: argparse.Namespace) -> tuple[str, ...]:
    """The peers that were asked for."""
    peers = scenario.short if options.short else scenario.peers
    return tuple(name for name in peers if options.peers is None or name in options.peers)


def chosen(options: argparse.Namespace) -> list[Scenario]:
    """The scenarios that were asked for."""
    if options.scenario:
        return [SCENARIOS[name] for name in options.scenario]
    return [scenario for scenario in SCENARIOS.values() if scenario.short or not options.short]


def estimate(options: argparse.Namespace) -> tuple[int, float]:
    """How many turns there are, and about how many seconds they take."""
    turns = [(s, len(s.takers(names(s, options))) * options.rounds) for s in chosen(options)]
    warm_up = min(WARM_UP_SECONDS, options.seconds)
    return sum(count for _, count in turns), sum(
        count * (options.seconds + warm_up + TURN_SECONDS) for _, count in turns
    )


def settled(speyside: Path, floors: Path) -> dict[str, str]:
    """What the words of a server's command mean in every scenario."""
    return {
        "python": sys.executable,
        "bin": str(Path(sys.executable).parent),
        "speyside": str(speyside.absolute()),
        "floors": str(floors),
    }


def run(
    scenario: Scenario, options: argparse.Namespace, floors: Path, progress: Progress
) -> tuple[list[Round], dict[str, str]]:
    """One scenario; answers its rounds and who could not take part."""
    every = scenario.takers(names(scenario, options))
    wrong = unfit(scenario)
    absent = {server.name: reason for server in every if (reason := wrong or absence(server, options.speyside, floors))}
    takers = [server for server in every if server.name not in absent]
    progress.skip(len(absent) * options.rounds)
    words = settled(options.speyside, floors)
    rounds: list[Round] = []
    if not takers:
        return rounds, absent
    try:
        with service(scenario) as variables:
            site = sysconfig.get_path("purelib")
            settings = Settings(options.rounds, options.seconds, words, site, variables, options.every)
            for one in compare(scenario, takers, settings):
                rounds.append(one)
                progress.add(one)
    except Missing as error:
        absent |= {server.name: str(error) for server in takers}
    progress.skip(len(takers) * options.rounds - len(rounds))
    return rounds, absent


@contextlib.contextmanager
def service(scenario: Scenario) -> Iterator[dict[str, str]]:
    """What the scenario needs beside its server, as environment variables."""
    if scenario.service is None:
        yield {}
    else:
        with services.postgres() as variables:
            yield variables


def catalogue() -> str:
    """Scenarios and servers, with the reasons."""
    lines = [f"{s.name}: {s.what}\n    {s.why}" for s in SCENARIOS.values()]
    every = (servers.SPEYSIDE, *servers.PEERS, *servers.FLOORS)
    lines += [f"{s.name}: {' '.join(s.command)}\n    {s.why}" for s in every]
    return "\n".join(lines)


def measure(options: argparse.Namespace, about: dict[str, object]) -> list[dict[str, object]]:
    """Every scenario that was asked for, its table printed when it is done; answers the raw figures."""
    raw: list[dict[str, object]] = []
    turns, seconds = estimate(options)
    print(f"at most {turns} turns, {seconds / 60:.0f} minutes\n", flush=True)
    progress = Progress(turns)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="bench-floors-") as directory:
        for scenario in chosen(options):
            rounds, absent = run(scenario, options, Path(directory), progress)
            print(report.table(scenario, rounds, absent, options.seconds), flush=True)
            outcome = report.verdict(report.summarize(rounds), scenario.target)
            raw.append({
                "scenario": scenario.name, "what": scenario.what, "why": scenario.why,
                "metric": scenario.target.metric.key, "limit": scenario.target.limit, "ratio": outcome.ratio,
                "target": outcome.state, "text": outcome.text, "absent": absent,
                "interval": dataclasses.asdict(outcome.interval) if outcome.interval else None,
                "rounds": [dataclasses.asdict(one) for one in rounds],
            })  # fmt: skip
            save(options, {"machine": about, "scenarios": raw})
    return raw


def save(options: argparse.Namespace, everything: dict[str, object]) -> None:
    """Write after each scenario, so that a run that is ended early leaves what it has."""
    plain = json.dumps(everything, indent=2, ensure_ascii=False)
    for file, content in ((options.json, plain), (options.html, page(json.loads(plain)) if options.html else "")):
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content + "\n")


def main() -> int:
    """0 when all could be run; 1 when the load generator is missing."""
    options = arguments()
    if options.list:
        print(catalogue())
        return 0
    if wrk_version() is None:
        print("bench: error: wrk is not installed\nbench: hint: on Debian: apt-get install wrk", file=sys.stderr)
        return 1
    # SIGTERM ends servers and load like Ctrl-C does; after a SIGKILL the servers end too, wrk at the end of its turn.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    about = machine.describe(ROOT, options.speyside) | {"rounds": options.rounds, "seconds": options.seconds}
    print(machine.heading(about))
    measure(options, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
