"""What the figures depend on: the machine, its state and the versions.

Callers need `describe`, and `facts`, which tells it to readers of a finished run.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import servers
from harness.load import wrk_version

FRAMEWORKS = {"Django", "Flask", "pyramid", "psycopg", "gevent"}
CPUS = Path("/sys/devices/system/cpu")
PROGRAMS = {
    "go": ["go", "version"],
    "nginx": ["nginx", "-v"],
    "apache": ["apache2", "-v"],
    "postgres": ["psql", "--version"],
    "cc": ["cc", "--version"],
}


def first_line(command: list[str]) -> str | None:
    """What a program says about itself; None when there is none."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines and not done.returncode else None


def read(path: Path) -> str | None:
    """A file of /sys or /proc, without the line's end; None where this machine has none."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def describe(root: Path, speyside: Path) -> dict[str, object]:
    """Everything, for the head of the table and for the file. A commit with changes of its own is marked so."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = next((line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines()), "0")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": models[0].partition(": ")[2] if models else platform.machine(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "governor": read(CPUS / "cpu0/cpufreq/scaling_governor"),
        "turbo_off": read(CPUS / "intel_pstate/no_turbo"),
        "threads_per_core": read(CPUS / "cpu0/topology/thread_siblings_list"),
        "memory_kib": int(memory),
        "kernel": platform.release(),
        "python": sys.version.replace("\n", " "),
        "speyside": first_line([str(speyside), "--version"]),
        "commit": first_line(["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]),
        "wrk": wrk_version(),
        "programs": {name: said for name, command in PROGRAMS.items() if (said := first_line(command))},
        "load_average_before": os.getloadavg()[0],
        "versions": {d.name: d.version for d in importlib.metadata.distributions()},
    }


def facts(about: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader of a finished run must know of it, a line each: machine, programs, rounds, versions of what was
    compared."""
    named = {server.distribution for server in servers.PEERS} | FRAMEWORKS
    versions = (f"{name} {version}" for name, version in sorted(about["versions"].items()) if name in named)
    return (
        f"{about['cpu']}, {len(about['cpus'])} CPUs, governor {about['governor'] or 'unknown'}, Linux "
        f"{about['kernel']}; {about['date']}",
        f"{about['speyside']} ({about['commit']}), Python {about['python']}, {about['wrk']}",
        f"{about['rounds']} rounds of {about['seconds']:g} s, interleaved, fewer for who is far behind; load average "
        f"before: {about['load_average_before']:.2f}",
        ", ".join([*versions, *about["programs"].values()]),
    )


def heading(about: dict[str, object]) -> str:
    """The two lines above the tables."""
    cpus = about["cpus"]
    assert isinstance(cpus, list)
    return (
        f"{about['cpu']}, {len(cpus)} CPUs, governor {about['governor'] or 'unknown'}, Linux {about['kernel']}, "
        f"{about['wrk']}\n{about['speyside']} ({about['commit']}), Python {about['python']}, "
        f"load average before {about['load_average_before']:.2f}, {about['date']}\n"
    )
