"""Has Speyside become slower? hello and Flask on this build, an earlier commit's and the fastest peers, in one run.

Use: ``python bench/guard.py`` with the Python of the environment that install.py made, or ``make bench-guard``. It ends
with 1 when a figure is more than 5 % worse and the rounds agree that it is: the whole interval of the ratio is beyond,
so that a noisy machine gives a wide interval and no alarm. Against the peers the same holds for the scenario's target.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from dataclasses import replace
from pathlib import Path

import run
import servers
from harness import report
from harness.intervals import Interval, paired
from harness.load import wrk_version
from scenarios import SCENARIOS
from scenarios.base import Scenario

ALLOWED = 1.05
SURE = 0.9  # five rounds
BEFORE = "speyside+before"
NAMES = ("hello", "flask")
PEERS = "fastpysgi,bjoern,granian"


def commit(name: str) -> str:
    """The full name of a commit; SystemExit with git's words when there is none of that name."""
    command = ["git", "-C", str(run.ROOT), "rev-parse", "--verify", f"{name}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"guard: error: no commit {name}: {done.stderr.strip()}\nguard: hint: name another with --before")
    return done.stdout.strip()


def build(name: str, directory: Path) -> Path:
    """Install that commit into an environment of its own; answer its program. What is there already is kept."""
    program = directory / name / "bin" / "speyside"
    if program.exists():
        return program
    venv.EnvBuilder(with_pip=True, symlinks=True, clear=True).create(directory / name)
    with tempfile.TemporaryDirectory(prefix="bench-guard-") as source:
        archive = subprocess.run(["git", "-C", str(run.ROOT), "archive", name], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
        install = [str(program.parent / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", source]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"guard: error: {name} could not be built: {done.stderr.strip().splitlines()[-1:]}")
    return program


def judge(what: str, interval: Interval | None, limit: float) -> tuple[bool, str]:
    """Whether it is beyond its limit for sure, and the line that says so."""
    if interval is None or interval.confidence < SURE:
        return False, f"{what}: too few good rounds to say anything"
    bad = interval.low > limit
    word = "TOO SLOW" if bad else "fine"
    said = f"{interval.middle:.2f} × ({interval.low:.2f}–{interval.high:.2f}, {interval.rounds} rounds)"
    return bad, f"{what}: {word}, {said}, at most {limit:.2f}"


def compare(scenario: Scenario, summaries: dict[str, report.Summary]) -> list[tuple[bool, str]]:
    """This build against the earlier one and against the best peer. A failed round of ours is bad in itself."""
    metric, ours = scenario.target.metric, summaries.get(servers.SPEYSIDE.name)
    if ours is None or ours.good < ours.rounds or metric.key not in ours.series:
        return [(True, f"{scenario.name}: a round of speyside failed")]
    lines: list[tuple[bool, str]] = []
    for other, limit in ((summaries.get(BEFORE), 1.0), (report.best_peer(summaries, metric), scenario.target.limit)):
        if other is None or metric.key not in other.series:
            lines.append((False, f"{scenario.name}: nothing to compare with"))
            continue
        what = f"{scenario.name} against {other.server}"
        lines.append(judge(what, paired(ours.series[metric.key], other.series[metric.key]), limit * ALLOWED))
    return lines


def main() -> int:
    """0 when nothing became slower."""
    parser = argparse.ArgumentParser(prog="guard", description="Compare this build with an earlier one and with peers.")
    parser.add_argument("--before", default="HEAD~1", help="the commit to compare with (HEAD~1)")
    parser.add_argument("--rounds", default="9", help="turns of each server (9)")
    parser.add_argument("--seconds", default="3", help="load per turn (3)")
    parser.add_argument("--speyside", default=str(run.ROOT / ".venv/bin/speyside"), help="this build")
    words = parser.parse_args()
    if wrk_version() is None:
        print("guard: error: wrk is not installed\nguard: hint: on Debian: apt-get install wrk", file=sys.stderr)
        return 1
    before = build(commit(words.before), run.ROOT / ".build" / "guard")
    options = run.arguments(
        ["--rounds", words.rounds, "--seconds", words.seconds, "--peers", PEERS, "--speyside", words.speyside]
    )
    variants = (servers.SPEYSIDE, servers.SPEYSIDE.variant("before", speyside=str(before)))
    chosen = [replace(SCENARIOS[name], variants=variants) for name in NAMES]
    progress = run.Progress(sum(len(one.takers(run.names(one, options))) for one in chosen) * options.rounds)
    bad = False
    for scenario in chosen:
        rounds, absent = run.run(scenario, options, Path("unused"), progress)
        print(report.table(scenario, rounds, absent, options.seconds))
        for beyond, line in compare(scenario, report.summarize(rounds)):
            print(f"guard: {line}", flush=True)
            bad = bad or beyond
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
