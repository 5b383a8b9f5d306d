"""Compare Speyside with other WSGI servers on the same applications in one run.

Use: ``python bench/run.py`` with the Python of the environment that install.py made; ``--help`` has the options and
README.md the method. It loads the loopback address only, and ends what it started.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import install
import servers
from harness import report
from harness.load import wrk_version
from harness.rounds import Round, Settings, compare
from scenarios import SCENARIOS
from scenarios.base import Scenario
from servers import Server

ROOT = Path(__file__).parent.parent
DESCRIBE = "import sys; print(sys.version.replace(chr(10), ' '), sys._base_executable, sep=chr(10))"


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench", description="Compare Speyside with other WSGI servers.")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this one (repeatable)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server; the median counts (3)")
    parser.add_argument("--seconds", type=int, default=5, help="load per turn (5)")
    parser.add_argument("--peers", help="comma-separated peers instead of all of the scenario's")
    parser.add_argument("--speyside", type=Path, default=ROOT / ".venv/bin/speyside", help="the program to measure")
    parser.add_argument("--json", type=Path, help="write the raw figures of every round to this file")
    parser.add_argument("--smoke", action="store_true", help="1 round of 1 s: does it work, not how fast is it")
    parser.add_argument("--list", action="store_true", help="print scenarios and how each server is started, and why")
    options = parser.parse_args(words)
    if options.smoke:
        options.rounds = options.seconds = 1
    if min(options.rounds, options.seconds) < 1:
        parser.error("--rounds and --seconds must be at least 1")
    if options.peers is not None:
        options.peers = [name for name in options.peers.split(",") if name]
        unknown = set(options.peers) - {peer.name for peer in servers.PEERS}
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


def absence(server: Server, speyside: Path) -> str | None:
    """Why a server cannot take part; None when it can."""
    if server.distribution is None:
        if not os.access(speyside, os.X_OK):
            return f"{speyside} is no program; build it first or give --speyside PATH"
        other, ours = python_of(speyside), python_of(Path(sys.executable))
        if other is None:
            return f"no Python beside {speyside}, so it cannot be known whether it is the peers' Python"
        if other != ours:
            return f"its Python is {other}, that of the peers {ours}: not comparable; use install.py with its Python"
        return None
    try:
        importlib.metadata.version(server.distribution)
    except importlib.metadata.PackageNotFoundError:
        failures = Path(sys.prefix) / install.FAILURES
        known: dict[str, str] = json.loads(failures.read_text()) if failures.exists() else {}
        reason = known.get(server.name, f"not in {sys.prefix}; run bench/install.py and use its Python")
        return f"not installed: {reason}" + (f" ({server.hint})" if server.hint else "")
    return None


def machine(options: argparse.Namespace) -> dict[str, object]:
    """What the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": models[0].partition(": ")[2] if models else platform.machine(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": sys.version.replace("\n", " "),
        "wrk": wrk_version(),
        "commit": commit.stdout.strip(),
        "load_average_before": os.getloadavg()[0],
        "rounds": options.rounds,
        "seconds": options.seconds,
        "versions": {d.name: d.version for d in importlib.metadata.distributions()},
    }


def run(scenario: Scenario, options: argparse.Namespace) -> tuple[list[Round], dict[str, str]]:
    """One scenario, with a line of progress per turn; answers its rounds and who could not take part."""
    names = [name for name in scenario.peers if options.peers is None or name in options.peers]
    takers: list[Server] = []
    absent: dict[str, str] = {}
    for server in [servers.SPEYSIDE, *(servers.by_name(name) for name in names)]:
        reason = absence(server, options.speyside)
        if reason is None:
            takers.append(server)
        else:
            absent[server.name] = reason
    words = {
        "python": sys.executable,
        "bin": str(Path(sys.executable).parent),
        "speyside": str(options.speyside.absolute()),
    }
    settings = Settings(options.rounds, options.seconds, words, sysconfig.get_path("purelib"))
    rounds: list[Round] = []
    for one in compare(scenario, takers, settings):
        rounds.append(one)
        print(f"{scenario.name} round {one.number} {one.server}: {one.failure or 'done'}", file=sys.stderr, flush=True)
    return rounds, absent


def catalogue() -> str:
    """Scenarios and servers, with the reasons."""
    lines = [f"{s.name}: {s.what}\n    {s.why}" for s in SCENARIOS.values()]
    lines += [f"{s.name}: {' '.join(s.command)}\n    {s.why}" for s in (servers.SPEYSIDE, *servers.PEERS)]
    return "\n".join(lines)


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
    about = machine(options)
    print(f"{about['cpu']}, {len(os.sched_getaffinity(0))} CPUs, Linux {about['kernel']}, {about['wrk']}")
    print(f"Python {about['python']}, load average before {about['load_average_before']:.2f}, {about['date']}\n")
    raw: list[dict[str, object]] = []
    for name in options.scenario or list(SCENARIOS):
        rounds, absent = run(SCENARIOS[name], options)
        print(report.table(SCENARIOS[name], rounds, absent, options.seconds), flush=True)
        outcome = report.verdict(report.summarize(rounds), SCENARIOS[name].target)
        raw.append({
            "scenario": name, "target": outcome.state, "text": outcome.text, "absent": absent,
            "rounds": [dataclasses.asdict(one) for one in rounds],
        })  # fmt: skip
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": about, "scenarios": raw}, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
