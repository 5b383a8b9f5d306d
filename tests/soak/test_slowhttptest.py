"""slowhttptest, all its modes at once, beside a client that does not wait for them: a minute with make soak.

The program is Debian's package of that name (`apt-get install slowhttptest`); without it the tests are skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest
from harness.client import request

from harness import PATIENCE, SANITIZED, running, until
from harness.processes import descriptors, memory

PROGRAM = shutil.which("slowhttptest")
SOAK = bool(os.environ.get("SPEYSIDE_SOAK"))
pytestmark = pytest.mark.skipif(not PROGRAM, reason="slowhttptest is not installed: apt-get install slowhttptest")

SECONDS = 60 if SOAK else 4
CONNECTIONS = 500 if SOAK else 200  # of each mode; the program cannot have many more than 1,000
GROWTH = 64 << 20
MODES = {
    "slow head": ["-H", "-i", "1", "-x", "24"],
    "slow body": ["-B", "-i", "1", "-s", "8192", "-x", "10"],
    "slow read": ["-X", "-k", "2", "-w", "10", "-y", "20", "-n", "1", "-z", "32"],
    "ranges": ["-R", "-a", "5", "-b", "1000"],
}
TARGETS = {"slow read": "/large?blocks=40"}  # more than the kernel keeps for one connection
# Each such reply is 2.6 MB that workers make before anything is slow, and others wait in line for that: half a gigabyte
# in one second would measure how fast the machine copies.
RATES = {"slow read": CONNECTIONS // 2}


def attack(mode: str, port: int) -> subprocess.Popen[str]:
    """Start one mode; its own probe waits three seconds for a reply."""
    url = f"http://127.0.0.1:{port}{TARGETS.get(mode, '/')}"
    rate = RATES.get(mode, CONNECTIONS)  # a second
    times = ["-c", str(CONNECTIONS), "-r", str(rate), "-l", str(SECONDS), "-p", "3", "-v", "1"]
    assert PROGRAM
    return subprocess.Popen([PROGRAM, *MODES[mode], *times, "-u", url], stdout=subprocess.PIPE, text=True)


def ask(port: int, seconds: float) -> list[float]:
    """Be the client beside it, on one connection: return how long it waited for each reply."""
    waited = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            client.sendall(request("GET", "/"))
            reply = b""
            while not reply.endswith(b"\r\n\r\nhello\n"):
                got = client.recv(4096)
                assert got, "the connection was closed"
                reply += got
            waited.append(time.monotonic() - began)
            time.sleep(0.005)  # the client's pace
    return waited


@pytest.mark.skipif(SANITIZED, reason="it measures")
def test_client_beside_slow_ones_does_not_wait() -> None:
    limits = ["--header-timeout=3s", "--body-timeout=3s", "--send-timeout=3s"]
    with running("apps.replies", *limits, workers=2, threads=4) as server, ExitStack() as attacks:
        workers = server.workers()
        ask(server.port, 0.2)
        before = descriptors(server.front), memory(server.front)
        running_now = {mode: attacks.enter_context(attack(mode, server.port)) for mode in MODES}
        waited = sorted(ask(server.port, SECONDS))
        for mode, process in running_now.items():
            told = re.sub(r"\x1b\[[0-9;]*m", "", process.communicate(timeout=SECONDS + PATIENCE)[0])
            assert "Test ended" in told, f"{mode}: {told}"
            assert "NO" not in re.findall(r"service available: +(\w+)", told), f"{mode}: {told}"
        middle, most = waited[len(waited) // 2], waited[-1]
        print(f"{len(waited)} replies, median {middle * 1e3:.1f} ms, longest {most * 1e3:.1f} ms")
        assert len(waited) > SECONDS * 30 and most < 1.0, (len(waited), middle, most)
        until(lambda: descriptors(server.front) <= before[0] + 1, "all connections are gone", PATIENCE)
        assert memory(server.front) - before[1] < GROWTH
        assert server.workers() == workers
