"""Warming up: every worker does it before its first request, and what fails is not put in service."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest
from harness.program import end_of

from harness import PATIENCE, running, until


@pytest.mark.parametrize("threads", [1, 3])
def test_every_worker_is_warm_before_its_first_request(threads: int) -> None:
    with running(
        "apps.warming", "--warmup=/first%20one?x=1,apps.warming:prepare", workers=2, threads=threads, provoked=True
    ) as server:
        warm = "['/first one?x=1', 'prepare in True']"
        for _ in range(10):
            assert server.get("/").text.endswith(warm)
        before = server.workers()
        os.kill(before[0], SIGKILL)
        until(lambda: len(set(server.workers().values()) - set(before.values())) == 1, "a new worker", PATIENCE)
        for _ in range(10):
            assert server.get("/").text.endswith(warm)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/broken", "/broken was answered with 500"),
        ("apps.warming:fail", "ValueError: nothing to warm up with"),
        ("apps.warming:leave", "SystemExit: 7"),
        ("apps.warming:nothing", "has no 'nothing'"),
        ("/slow", "it was not done in 300ms"),
    ],
)
def test_start_that_cannot_be_warmed_up_ends_with_one_error(target: str, told: str) -> None:
    done = end_of("apps.warming", "--bind=127.0.0.1:0", f"--warmup={target}", "--warmup-timeout=300ms", "--workers=2")
    assert done.code in (3, 4)
    assert (
        told in done.stderr and "speyside: error:" in done.stderr and "Traceback" not in done.stderr.split("error:")[1]
    )


def test_reload_that_cannot_be_warmed_up_leaves_the_old_generation(tmp_path: Path) -> None:
    source = """
import os
def application(environ, start_response):
    start_response("200 OK" if not os.path.exists("broken") else "503 No", [])
    return [os.environ["SPEYSIDE_GENERATION"].encode()]
"""
    (tmp_path / "warmed.py").write_text(source)
    with running("warmed", "--warmup=/", workers=2, threads=2, cwd=tmp_path, provoked=True) as server:
        (tmp_path / "broken").touch()
        server.interrupt(SIGHUP)
        record = server.log(r"^.* ERROR reload failed .*$")
        assert "/ was answered with 503" in record and "code=SPY0107" in record
        (tmp_path / "broken").unlink()
        assert server.get("/").text == "1"
        server.interrupt(SIGHUP)
        until(lambda: server.get("/").text == "3", "the third generation", PATIENCE)
