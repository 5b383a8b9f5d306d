"""What a tree of processes used, read from /proc.

Most callers need `tree_cpu_seconds` and `tree_pss_kib`; both take the pid of a holder (see holder.py), whose
descendants are the server. The holder itself is not counted. It refuses to guess: a figure that cannot be read
exactly is an error.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
SIGCHLD_BIT = 1 << 16
SNAPSHOTS = 20


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat, the fields that matter here; times are in clock ticks."""

    pid: int
    parent: int
    state: str
    started: int
    own_ticks: int
    reaped_ticks: int


Table = dict[int, Process]


def parse_stat(text: str) -> Process:
    """Parse /proc/PID/stat. The name in brackets may hold spaces and brackets itself, so cut at the last one."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    utime, stime, cutime, cstime = (int(field) for field in fields[11:15])
    return Process(int(pid), int(fields[1]), fields[0], int(fields[19]), utime + stime, cutime + cstime)


def read_table(proc: Path = PROC) -> Table:
    """Every process there is now; those that vanish while we read are left out."""
    table: Table = {}
    for name in os.listdir(proc):
        if name.isdigit():
            try:
                process = parse_stat((proc / name / "stat").read_text(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue
            table[process.pid] = process
    return table


def descendants(table: Table, root: int) -> list[Process]:
    """All processes below root, without root."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child.pid)
    return found


def tree_ticks(table: Table, root: int) -> int:
    """CPU of all that ever ran below root, in ticks.

    A dead process is in its parent's cutime and cstime once it is reaped, with everything it had reaped itself;
    one whose parent died before it is adopted by root, which is a child subreaper, and is in root's. Until it is
    reaped it is a zombie and still has its own line. So nothing is lost and nothing is counted twice.
    """
    return table[root].reaped_ticks + sum(p.own_ticks + p.reaped_ticks for p in descendants(table, root))


def stable_table(root: int) -> Table:
    """A table in which no process below root was born, died or was reaped while it was read: two reads that agree."""

    def outline(table: Table) -> set[tuple[int, int, int, int, bool]]:
        below = descendants(table, root)
        return {(p.pid, p.started, p.parent, p.reaped_ticks, p.state == "Z") for p in [table[root], *below]}

    before = read_table()
    for _ in range(SNAPSHOTS):
        after = read_table()
        if outline(before) == outline(after):
            return after
        before = after
    raise RuntimeError(f"processes below {root} came and went during {SNAPSHOTS} readings")


def tree_cpu_seconds(root: int) -> float:
    """User and system time of everything that runs or ran below root."""
    return tree_ticks(stable_table(root), root) / TICKS


def tree_pss_kib(root: int) -> int:
    """Proportional set size of all living processes below root: shared pages are counted once in total."""
    total = 0
    for process in descendants(stable_table(root), root):
        if process.state != "Z":
            total += parse_pss((PROC / str(process.pid) / "smaps_rollup").read_text())
    return total


def parse_pss(rollup: str) -> int:
    """The Pss line of smaps_rollup, in KiB."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError("smaps_rollup has no Pss line")


def ignores_children(status: str) -> bool:
    """Whether /proc/PID/status says that SIGCHLD is ignored: then the kernel forgets what dead children used."""
    for line in status.splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) & SIGCHLD_BIT)
    return False


def forgetful(root: int) -> list[int]:
    """Processes below root whose dead children the kernel does not add up."""
    pids = [process.pid for process in descendants(read_table(), root)]
    return [pid for pid in pids if ignores_children((PROC / str(pid) / "status").read_text())]


def machine_busy_seconds() -> float:
    """What all CPUs of the machine worked since boot, stolen time included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(field) for field in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS
