"""Draw where a server's CPU goes as a flame graph.

Use: ``python bench/flame.py [SERVER] --scenario hello`` as root, with the Python of the environment that install.py
made; needs `perf` (Debian: linux-perf), wrk, and inferno (``cargo install --locked inferno``), which draws. The
server's processes are interrupted so many times in a second of their CPU time, and each time their stack is noted,
the kernel's part too. Speyside's released program has no symbols, so it is built once more from the same sources.

The front, in Go, keeps frame pointers. Python and most extensions do not: their stacks are unwound with the tables
for exceptions, from a copy of each stack's top.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import run
import servers
from harness.rounds import command, split_cpus
from harness.running import Plan, Running, free_port
from scenarios import SCENARIOS
from scenarios.base import Scenario
from servers import Server

RATE = 997  # stacks per second of CPU; no multiple of what else happens at round times
LEAST = 0.005  # the share below which a frame is not drawn
STACK = 8192  # bytes of each stack that are copied for unwinding with tables
ROOM = "32M"  # for what perf has not yet written, of each CPU
TOOLS = ("inferno-collapse-perf", "inferno-flamegraph")
Folded = dict[tuple[str, ...], int]


def parse(text: str) -> Folded:
    """Read folded stacks, outermost frame first: `process;frame;frame ns`. ValueError for a line that is none."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        if not frames or not count.isdigit():
            raise ValueError(f"no folded stack: {line!r}")
        stacks[tuple(frames.split(";"))] += int(count)
    return dict(stacks)


def is_front(process: str) -> bool:
    """Whether a process of Speyside's is the front, by its name in the kernel."""
    return process.startswith("speyside")


def by_role(stacks: Folded, server: str) -> Folded:
    """The same stacks with what a process is for in place of its name."""
    changed: Counter[tuple[str, ...]] = Counter()
    for (process, *frames), count in stacks.items():
        role = "front" if is_front(process) else "worker"
        changed[(role if servers.is_ours(server) else server, *frames)] += count
    return dict(changed)


def pruned(stacks: Folded, least: float = LEAST) -> Folded:
    """Without frames whose share is less: what they called counts for their callers."""
    total = sum(stacks.values())
    inclusive: Counter[tuple[str, ...]] = Counter()
    for frames, count in stacks.items():
        for depth in range(1, len(frames) + 1):
            inclusive[frames[:depth]] += count
    kept: Counter[tuple[str, ...]] = Counter()
    for frames, count in stacks.items():
        depth = len(frames)
        while depth > 1 and inclusive[frames[:depth]] < least * total:
            depth -= 1
        kept[frames[:depth]] += count
    return dict(kept)


def merged(parts: Iterable[Folded]) -> Folded:
    """The stacks of all parts together."""
    whole: Counter[tuple[str, ...]] = Counter()
    for part in parts:
        whole.update(part)
    return dict(whole)


def shares(stacks: Folded) -> dict[str, float]:
    """The share of the stacks in which a function is, the largest first; one that calls itself counts once."""
    total = sum(stacks.values())
    found: Counter[str] = Counter()
    for frames, count in stacks.items():
        for frame in set(frames):
            found[frame] += count
    return {frame: count / total for frame, count in found.most_common()}


def folded(stacks: Folded) -> str:
    """What `parse` reads."""
    return "".join(f"{';'.join(frames)} {count}\n" for frames, count in sorted(stacks.items()))


def with_symbols(directory: Path) -> Path:
    """Build Speyside as it is released, but for the symbols."""
    program = directory / "speyside"
    line = ["go", "build", "-trimpath", "-o", str(program), "./cmd/speyside"]
    subprocess.run(line, cwd=run.ROOT, env=os.environ | {"CGO_ENABLED": "0"}, check=True)
    return program


def unwinding(pids: frozenset[int]) -> dict[str, list[int]]:
    """How perf is to walk the stacks of which processes."""
    go = {pid for pid in pids if is_front(Path(f"/proc/{pid}/comm").read_text())}
    ways = {"fp": sorted(go), f"dwarf,{STACK}": sorted(pids - go)}
    return {way: found for way, found in ways.items() if found}


def record(
    scenario: Scenario, server: Server, words: dict[str, str], python: Path, seconds: float, to: Path
) -> tuple[list[Path], float]:
    """Start the server, load it, and have perf note its stacks in files of a directory; answers these, and the seconds
    of CPU that were used meanwhile."""
    cpus, load_cpus = split_cpus(scenario.pinned)
    port, ours = free_port(), servers.is_ours(server.name)
    plan = Plan(
        server.name,
        command(server, scenario, words, port),
        scenario.load.request,
        scenario.expected,
        port,
        cpus,
        sysconfig.get_path("purelib") if ours else None,
        server.keep_alive,
        variables={"SPEYSIDE_PYTHON": str(python)} if ours else {},
    )
    recorders: dict[Path, subprocess.Popen[bytes]] = {}
    with Running(plan) as running:
        scenario.load.run(port, scenario.expected, 1, load_cpus)
        for number, (way, pids) in enumerate(unwinding(running.workers()).items()):
            data = to / f"{number}.data"
            line = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(RATE), "--call-graph", way, "-m", ROOM]
            recorders[data] = subprocess.Popen([*line, "-p", ",".join(map(str, pids)), "-o", str(data)])
        before = running.cpu_seconds()
        try:
            scenario.load.run(port, scenario.expected, seconds, load_cpus)
            return list(recorders), running.cpu_seconds() - before
        finally:
            for perf in recorders.values():
                perf.send_signal(signal.SIGINT)
            for perf in recorders.values():
                perf.wait()


def collapse(recorded: Path) -> Folded:
    """Fold what perf recorded; the kernel's frames end in _[k]."""
    read = ["perf", "script", "-i", str(recorded)]
    script = subprocess.Popen(read, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = ["inferno-collapse-perf", "--kernel", "--quiet"]
    text = subprocess.run(line, stdin=script.stdout, stdout=subprocess.PIPE, text=True, check=True).stdout
    if script.wait() != 0:
        raise RuntimeError(f"perf script ended with {script.returncode}")
    return parse(text)


def draw(stacks: Folded, title: str, to: Path) -> None:
    """Write the graph, one file that needs nothing else."""
    line = ["inferno-flamegraph", "--title", title, "--countname", "ns", "--colors", "java", "--hash"]
    drawn = subprocess.run(line, input=folded(stacks), stdout=subprocess.PIPE, text=True, check=True).stdout
    to.write_text(drawn)


def missing() -> str | None:
    """What has to be installed first, and how."""
    if not shutil.which("perf"):
        return "perf is not installed; on Debian: apt-get install linux-perf"
    if any(not shutil.which(tool) for tool in TOOLS):
        return "inferno is not installed, or not on PATH: cargo install --locked inferno"
    return None


def main() -> int:
    """Draw one graph per server, and print where its stacks are."""
    parser = argparse.ArgumentParser(prog="flame", description="Draw where a server's CPU goes as a flame graph.")
    parser.add_argument("servers", nargs="*", default=["speyside"], help="speyside fastpysgi")
    parser.add_argument(
        "--scenario", default="hello", choices=[n for n, s in SCENARIOS.items() if s.load.measures_speed]
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--speyside", type=Path, default=run.ROOT / ".venv/bin/speyside")
    parser.add_argument("--to", type=Path, default=Path(), metavar="DIRECTORY", help="where SERVER-SCENARIO.svg goes")
    parser.add_argument("--top", type=int, default=40, help="functions to print with their shares")
    options = parser.parse_args()
    if said := missing():
        parser.error(said)
    for name in options.servers:
        server, scenario = servers.by_name(name), SCENARIOS[options.scenario]
        with TemporaryDirectory(prefix="bench-flame-") as made:
            directory = Path(made)
            program = with_symbols(directory) if servers.is_ours(name) else options.speyside
            python = options.speyside.absolute().parent / "python"
            words = run.settled(program, Path())
            recorded, used = record(scenario, server, words, python, options.seconds, directory)
            stacks = by_role(merged(map(collapse, recorded)), name)
        to = options.to / f"{name}-{options.scenario}.svg"
        draw(pruned(stacks), f"{name}, {options.scenario}: CPU", to)
        print(f"{to}: where {sum(stacks.values()) / 1e9:.2f} of {used:.2f} s of CPU were")
        for frame, share in list(shares(stacks).items())[: options.top]:
            print(f"{share:7.1%}  {frame}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
