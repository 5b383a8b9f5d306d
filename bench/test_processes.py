"""No CPU time of a server's tree is lost, whoever died and whoever reaped, and nothing survives its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import processes
from harness.holder import Order
from harness.processes import Process, descendants, parse_stat, tree_ticks

BURN = """
import os, sys, time
def burn(seconds):
    while time.process_time() < seconds:
        pass
"""


@contextmanager
def held(code: str, grace: float = 0.3) -> Iterator[subprocess.Popen[bytes]]:
    """A holder whose server is a Python snippet that prints a line when it is done."""
    order = Order(
        command=[sys.executable, "-c", BURN + code],
        directory="/",
        environment={},
        grace_seconds=grace,
    )
    command = [sys.executable, "-m", "harness.holder", json.dumps(order)]
    with subprocess.Popen(command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdin and holder.stderr
        # The holder says when it started the program; which of the two is first, nobody knows.
        lines = {holder.stderr.readline() for _ in range(2)}
        assert b"ready\n" in lines and any(line.startswith(b"bench: server started at ") for line in lines)
        try:
            yield holder
        finally:
            holder.stdin.close()
            holder.wait(10)


def test_stat_of_a_program_with_brackets_and_spaces_in_its_name() -> None:
    numbers = " ".join(str(number) for number in range(4, 53))
    process = parse_stat(f"42 (a) R 1 (b c) S 7 {numbers}\n")
    assert (process.pid, process.state, process.parent) == (42, "S", 7)
    # Fields 14 to 17 of proc(5): utime, stime, cutime, cstime; here parent is field 4 and 4 follows it as field 5.
    assert (process.own_ticks, process.reaped_ticks) == (13 + 14, 15 + 16)
    assert process.started == 21


def test_stat_of_this_process_agrees_with_the_kernels_other_account() -> None:
    mine = parse_stat(Path("/proc/self/stat").read_text())
    assert (mine.pid, mine.parent) == (os.getpid(), os.getppid())
    assert abs(mine.own_ticks / processes.TICKS - time.process_time()) < 0.05


def test_tree_counts_the_living_and_the_reaped_but_not_the_holder_or_strangers() -> None:
    everyone = [
        Process(10, 1, "S", 0, own_ticks=1000, reaped_ticks=5),  # the holder: only what it reaped
        Process(11, 10, "S", 0, own_ticks=20, reaped_ticks=3),
        Process(12, 11, "R", 0, own_ticks=40, reaped_ticks=0),
        Process(13, 11, "Z", 0, own_ticks=7, reaped_ticks=1),  # dead, not yet reaped
        Process(14, 1, "R", 0, own_ticks=9000, reaped_ticks=9000),
    ]
    table = {process.pid: process for process in everyone}
    assert {process.pid for process in descendants(table, 10)} == {11, 12, 13}
    assert tree_ticks(table, 10) == 5 + 23 + 40 + 8


def test_cpu_of_dead_children_and_orphans_is_counted() -> None:
    code = """
if not (child := os.fork()):       # burns, dies, is reaped by its parent
    burn(0.3); os._exit(0)
os.waitpid(child, 0)
if not (child := os.fork()):       # its child is an orphan when it burns, and dies as one
    if not os.fork():
        burn(0.3); os._exit(0)
    os._exit(0)
os.waitpid(child, 0)
burn(0.3)
time.sleep(1)
print("ready", flush=True)
time.sleep(30)
"""
    with held(code) as holder:
        used = processes.tree_cpu_seconds(holder.pid)
        living = processes.descendants(processes.read_table(), holder.pid)
        assert len(living) == 1
        assert 0.85 <= used <= 1.1
        assert processes.forgetful(holder.pid) == []


def test_a_parent_that_ignores_its_children_is_reported() -> None:
    code = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print('ready', flush=True); time.sleep(30)"
    with held(code) as holder:
        assert len(processes.forgetful(holder.pid)) == 1


def test_memory_is_that_of_all_processes() -> None:
    code = "block = os.urandom(32 << 20)\nif not os.fork(): time.sleep(30)\nprint('ready', flush=True)\ntime.sleep(30)"
    with held(code) as holder:
        assert len(processes.descendants(processes.read_table(), holder.pid)) == 2
        # Shared after the fork: once in total, not twice.
        assert 32 << 10 <= processes.tree_pss_kib(holder.pid) <= 60 << 10


def test_rollup_without_pss_is_an_error() -> None:
    assert processes.parse_pss("Rss: 900 kB\nPss:  123 kB\nPss_Anon: 5 kB\n") == 123
    with pytest.raises(ValueError, match="no Pss"):
        processes.parse_pss("Rss: 900 kB\n")


def test_the_end_of_the_holder_leaves_nothing_behind() -> None:
    code = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.fork():
    os.setsid()
    if not os.fork():
        time.sleep(60)
    os._exit(0)
time.sleep(0.2)
print("ready", flush=True)
time.sleep(60)
"""
    with held(code) as holder:
        below = [process.pid for process in processes.descendants(processes.read_table(), holder.pid)]
        assert len(below) >= 2
    assert not set(below) & set(processes.read_table())
