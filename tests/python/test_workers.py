"""Workers of an application that is named: which thread serves, and what a death costs."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from program import Program, find

APPS = Path(__file__).parents[1] / "apps"


def start(workers: int, threads: int, *more: str) -> Program:
    shape = ("--workers", str(workers), "--threads", str(threads), "--bind", "127.0.0.1:0")
    return Program(*shape, *more, "processes", directory=APPS)


def pid(told: str) -> int:
    found = re.search(r"pid=(\d+)", told)
    assert found, told
    return int(found.group(1))


def wait_for_death(*pids: int) -> None:
    for one in pids:
        try:
            descriptor = os.pidfd_open(one)
        except ProcessLookupError:
            continue
        death = select.poll()
        death.register(descriptor, select.POLLIN)
        died = death.poll(20_000)
        os.close(descriptor)
        assert died, f"process {one} lives on"


def test_one_thread_serves_on_the_main_thread() -> None:
    with start(1, 1) as program:
        assert "main=True flags=(False, False)" in program.get()
        assert "caught=[True]" in program.get("/signal")
        assert program.interrupt() == 0


def test_more_threads_leave_the_main_thread_to_signals() -> None:
    with start(2, 2) as program:
        assert "main=False flags=(True, True)" in program.get()
        assert "caught=[True]" in program.get("/signal")
        assert program.interrupt() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_signal_that_another_thread_receives_is_handled_at_once(threads: int) -> None:
    with start(1, threads) as program:
        assert "caught=[True]" in program.get("/signal-here")
        assert program.interrupt() == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_killed_worker_is_replaced_and_loses_no_line(threads: int) -> None:
    with start(1, threads) as program:
        first = pid(program.get())
        assert program.get("/kill").startswith("502")
        program.wait_for("last words")
        program.wait_for(f"worker reaped worker=0 pid={first} signal=SIGKILL")
        assert pid(program.get()) != first
        assert program.get("/exit").startswith("502")
        program.wait_for("worker reaped .* status=7")
        assert program.interrupt() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_terminated_worker_finishes_and_is_replaced(threads: int) -> None:
    with start(1, threads) as program:
        first = pid(program.get())
        answers: list[str] = []
        client = threading.Thread(target=lambda: answers.append(program.get("/sleep")))
        client.start()
        program.wait_for("sleeping")
        os.kill(first, signal.SIGTERM)
        client.join()
        assert pid(answers[0]) == first
        program.wait_for(f"worker reaped worker=0 pid={first} status=0")
        assert pid(program.get()) != first
        assert program.interrupt() == 0


def test_stop_waits_for_threads_and_runs_exit_handlers() -> None:
    with start(1, 2) as program:
        first = pid(program.get("/thread"))
        assert program.interrupt() == 0
        assert "thread ended" in program.lines
        assert f"atexit {first}" in program.lines


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_is_left_when_the_front_is_killed(threads: int) -> None:
    with start(2, threads) as program:
        told = program.get()
        found = re.search(r"ppid=(\d+)", told)
        assert found
        program.process.kill()
        program.process.wait()
        wait_for_death(pid(told), int(found.group(1)))


def test_killed_zygote_is_replaced_and_requests_do_not_notice() -> None:
    with start(2, 2) as program:
        found = re.search(r"ppid=(\d+)", program.get())
        assert found
        os.kill(int(found.group(1)), signal.SIGKILL)
        program.wait_for("zygote died")
        for _ in range(100):
            assert program.get().startswith("pid=")
        program.wait_for("worker ready", count=4)
        assert f"ppid={found.group(1)}" not in program.get()
        assert program.interrupt() == 0


def test_application_without_streams_does_not_matter() -> None:
    with start(1, 1) as program:
        assert program.get("/broken").startswith("pid=")
        assert program.get().startswith("pid=")
        assert program.interrupt() == 0


def test_module_becomes_the_program_in_the_same_process() -> None:
    environment = {**os.environ, "PATH": os.path.dirname(find()) + os.pathsep + os.environ["PATH"]}
    command = [sys.executable, "-m", "speyside", "--version"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "speyside" in told.stdout.lower()
