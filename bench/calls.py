"""Count the system calls that a server makes per request.

Use: ``python bench/calls.py [SERVER ...]`` as root, with the Python of the environment that install.py made; needs
`perf` (Debian: linux-perf) and wrk. It counts at the tracepoints of the kernel, which costs next to nothing; strace
stops a server at every call, so that fewer requests come together and more calls are made for each.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import run
import servers
from harness.rounds import command, split_cpus
from harness.running import Plan, Running, free_port
from scenarios import SCENARIOS
from scenarios.base import Scenario
from servers import Server

TOTAL = "raw_syscalls:sys_enter"
BY_NAME = "syscalls:sys_enter_"
SWITCHES = "context-switches"
NAMES = (
    "read write writev readv recvfrom recvmsg sendto sendmsg sendfile64 accept4 close epoll_wait epoll_pwait epoll_ctl "
    "poll ppoll select futex nanosleep clock_nanosleep sched_yield tgkill getpid rt_sigreturn io_uring_enter"
).split()
LEAST = 0.0005  # calls per request that are worth a mention


@dataclass(frozen=True)
class Count:
    """What was counted while so many requests were answered."""

    requests: int
    events: dict[str, int]

    def per_request(self, event: str) -> float:
        """How often it happened for each."""
        return self.events.get(event, 0) / self.requests

    def named(self) -> dict[str, float]:
        """Calls per request by name, the most frequent first; what is not in NAMES is "others"."""
        found = {name: self.per_request(BY_NAME + name) for name in NAMES}
        found["others"] = self.per_request(TOTAL) - sum(found.values())
        return {name: n for name, n in sorted(found.items(), key=lambda one: -one[1]) if n >= LEAST}


def parse(text: str) -> dict[str, int]:
    """Read what `perf stat -x,` writes: value, unit, event, and more. ValueError for an event that was not counted."""
    events: dict[str, int] = {}
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) < 3 or line.startswith("#"):
            continue
        if not fields[0].isdigit():
            raise ValueError(f"perf did not count {fields[2]}: {fields[0]}")
        events[fields[2]] = int(fields[0])
    return events


def known() -> list[str]:
    """The events of NAMES that this kernel has."""
    listed = subprocess.run(["perf", "list", "tracepoint"], capture_output=True, text=True, check=True).stdout
    return [BY_NAME + name for name in NAMES if BY_NAME + name in listed.split()]


def count(scenario: Scenario, server: Server, words: dict[str, str], site: str, seconds: float) -> Count:
    """Start the server, load it, count."""
    cpus, load_cpus = split_cpus(scenario.pinned)
    port = free_port()
    line, ours = command(server, scenario, words, port), servers.is_ours(server.name)
    plan = Plan(
        server.name,
        line,
        scenario.load.request,
        scenario.expected,
        port,
        cpus,
        site if ours else None,
        server.keep_alive,
    )
    with Running(plan) as running:
        scenario.load.run(port, scenario.expected, 1, load_cpus)
        pids = ",".join(map(str, running.workers()))
        events = ",".join([TOTAL, SWITCHES, *known()])
        perf = subprocess.Popen(["perf", "stat", "-x,", "-e", events, "-p", pids], stderr=subprocess.PIPE, text=True)
        try:
            result = scenario.load.run(port, scenario.expected, seconds, load_cpus)
        finally:
            perf.send_signal(signal.SIGINT)
            said = perf.communicate()[1]
    return Count(result.requests, parse(said))


def main() -> int:
    """Print a line per server."""
    parser = argparse.ArgumentParser(
        prog="calls", description="Count the system calls that a server makes per request."
    )
    parser.add_argument(
        "servers", nargs="*", default=["speyside", "fastpysgi", "bjoern"], help="speyside fastpysgi bjoern"
    )
    parser.add_argument(
        "--scenario", default="hello", choices=[n for n, s in SCENARIOS.items() if s.load.measures_speed]
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--speyside", type=Path, default=run.ROOT / ".venv/bin/speyside")
    options = parser.parse_args()
    if not shutil.which("perf"):
        parser.error("perf is not installed; on Debian: apt-get install linux-perf")
    for name in options.servers:
        words = run.settled(options.speyside, Path())
        counted = count(
            SCENARIOS[options.scenario], servers.by_name(name), words, sysconfig.get_path("purelib"), options.seconds
        )
        calls = "  ".join(f"{call} {n:.3f}" for call, n in counted.named().items())
        total, switches = counted.per_request(TOTAL), counted.per_request(SWITCHES)
        print(f"{name:<12} {total:.3f} calls and {switches:.3f} context switches per request: {calls}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
