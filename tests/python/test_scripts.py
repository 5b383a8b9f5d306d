"""`speyside FILE.py`: each shape of script is served, and goes on to its end when the server stops."""

from __future__ import annotations

import importlib.util
import os
import signal

import pytest

from program import SCRIPTS, Program


@pytest.mark.parametrize(
    ("script", "answer", "after"),
    [
        ("plain.py", "plain 1", "calls 1"),
        ("subclasses.py", "subclasses from setup_environ", "after"),
        ("direct.py", "direct", "after"),
        ("handle_forever.py", "handle_forever", "interrupted"),
        ("in_thread.py", "in_thread serving", "interrupted"),
        ("port_taken.py", "port_taken", "after"),
        ("speyside_serve.py", "speyside_serve 1", "calls 1"),
        ("own_simple_server.py", "own_simple_server", "after"),
    ],
)
def test_script_is_served_and_goes_on_to_its_end(script: str, answer: str, after: str) -> None:
    with Program(script) as program:
        assert program.get() == answer
        assert program.interrupt() == 0, program.text
        assert after in program.lines, program.text
        assert "Traceback" not in program.text


def test_address_that_the_script_asks_for_is_the_real_one() -> None:
    with Program("plain.py") as program:
        assert int(program.wait_for(r"listening on (\d+)").group(1)) == program.port() != 0


def test_bind_goes_before_the_address_of_the_script() -> None:
    with Program("--bind", "127.0.0.1:0", "port_taken.py") as program:
        assert program.get() == "port_taken"
        assert "refused" not in program.text


def test_exit_handlers_run_after_the_last_line() -> None:
    with Program("guarded.py") as program:
        assert program.get() == f"guarded {program.port()}"
        assert program.interrupt() == 0
        own = [line for line in program.lines if line in ("interrupted", "after", "atexit")]
        assert own == ["after", "atexit"]


def test_methods_that_are_not_called_are_noted_once() -> None:
    with Program("subclasses.py") as program:
        assert program.get() == program.get()
        program.interrupt()
        notes = [line for line in program.lines if "not used" in line]
        assert len(notes) == 1
        assert "class=QuietHandler methods=log_message" in notes[0]


def test_handle_request_serves_exactly_one() -> None:
    with Program("handle_request.py") as program:
        for number, path in enumerate(("/a", "/b", "/c"), 1):
            assert program.get(path) == f"handle_request {number}"
            program.wait_for(f"served {path}")
        assert program.end() == 0, program.text
        assert "after /a /b /c" in program.lines


def test_shutdown_ends_the_script() -> None:
    with Program("shutdown.py") as program:
        assert program.get() == "shutdown"
        assert program.get("/shutdown") == "shutdown"
        assert program.end() == 0, program.text
        assert "after" in program.lines


def test_script_that_ends_unserved_is_served_by_its_application() -> None:
    with Program("--bind", "127.0.0.1:0", "unserved.py") as program:
        assert program.get() == "unserved __main__"
        assert program.interrupt() == 0


@pytest.mark.skipif(importlib.util.find_spec("flask") is None, reason="Flask is not installed")
def test_flask_run_returns_at_once() -> None:
    with Program("flask_run.py") as program:
        assert program.get() == "flask_run"
        assert program.lines[0] == "after"
        assert program.interrupt() == 0
        assert "Serving Flask app" not in program.text


@pytest.mark.skipif(importlib.util.find_spec("bottle") is None, reason="Bottle is not installed")
def test_bottle_run_is_served() -> None:
    with Program("bottle_run.py") as program:
        assert program.get() == "bottle_run"
        assert program.interrupt() == 0
        assert "after" in program.lines


def test_script_that_raises_is_told_with_its_own_frames() -> None:
    with Program("raises.py") as program:
        assert program.end() == 3
        traced = [line for line in program.lines if line.startswith("  File")]
        assert len(traced) == 2
        assert all(str(SCRIPTS / "raises.py") in line for line in traced)
        assert "RuntimeError: no database" in program.lines
        assert "speyside: error: running raises.py: RuntimeError: no database [SPY0104]" in program.lines


@pytest.mark.parametrize("shape", [("--workers", "2"), ("--threads", "2"), ("--workers", "2", "--threads", "2")])
def test_more_workers_are_forked_from_serve_forever(shape: tuple[str, ...]) -> None:
    with Program(*shape, "plain.py") as program:
        assert program.get() == "plain 1"
        assert program.interrupt() == 0, program.text
        assert "calls 0" in program.lines, program.text
        assert program.text.count("listening on") == 1


def test_killed_script_is_run_again() -> None:
    with Program("plain.py") as program:
        assert program.get() == "plain 1"
        first = int(program.wait_for(r"worker ready worker=0 pid=(\d+)").group(1))
        os.kill(first, signal.SIGKILL)
        program.wait_for("worker ready", count=2)
        assert program.get() == "plain 1"
        assert f"worker reaped worker=0 pid={first} signal=SIGKILL" in program.text


def test_terminated_script_goes_on_to_its_end() -> None:
    with Program("plain.py") as program:
        assert program.get() == "plain 1"
        os.kill(int(program.wait_for(r"worker ready worker=0 pid=(\d+)").group(1)), signal.SIGTERM)
        assert program.end() == 0, program.text
        assert "calls 1" in program.lines


def test_output_comes_at_once_and_in_whole_lines() -> None:
    with Program("--workers", "2", "--threads", "4", "streams.py") as program:
        for number in range(50):
            program.get(f"/?{number}")
            program.wait_for(f"begin {number} end é$")
            program.wait_for(f"^logged {number}$")
            program.wait_for(f"^bytes {number}$")
