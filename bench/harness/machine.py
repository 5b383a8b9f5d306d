"""What the figures depend on: the machine, its state and the versions. Callers need `describe`."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from harness.load import wrk_version

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


def heading(about: dict[str, object]) -> str:
    """The two lines above the tables."""
    cpus = about["cpus"]
    assert isinstance(cpus, list)
    return (
        f"{about['cpu']}, {len(cpus)} CPUs, governor {about['governor'] or 'unknown'}, Linux {about['kernel']}, "
        f"{about['wrk']}\n{about['speyside']} ({about['commit']}), Python {about['python']}, "
        f"load average before {about['load_average_before']:.2f}, {about['date']}\n"
    )
