"""What thousands of slow clients cost those beside them. It takes a minute: make soak."""

from __future__ import annotations

import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.client import request

from harness import SANITIZED, running
from harness.processes import descriptors

pytestmark = pytest.mark.skipif(not os.environ.get("SPEYSIDE_SOAK") or SANITIZED, reason="only make soak measures")

CLIENTS = 16
PAUSE = 0.005  # between a reply and the next request of a client: the server is busy, and not overloaded
SECONDS = 5.0
ROUNDS = 5


@contextmanager
def crowd(port: int, heads: int, bodies: int, readers: int) -> Iterator[None]:
    """Have a crowd of slow clients there."""
    program = Path(__file__).with_name("crowd.py")
    line = [sys.executable, str(program), *map(str, (port, heads, bodies, readers))]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        assert process.poll() is None, "the crowd has gone"
        process.stdin.close()
    assert process.returncode == 0


def percentile_99(port: int) -> float:
    """Ask with all clients for some seconds, and return the 99th percentile of the replies' times in seconds."""
    asked: dict[socket.socket, float] = {}  # when; 0 while it pauses
    pausing: list[tuple[float, socket.socket]] = []
    times: list[float] = []
    question = request("GET", "/")
    end = time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, selectors.EVENT_READ)
            pausing.append((time.monotonic() + PAUSE, client))
        while (now := time.monotonic()) < end:
            while pausing and pausing[0][0] <= now:
                _, client = pausing.pop(0)
                asked[client] = time.monotonic()
                client.sendall(question)
            for key, _ in selector.select(max(0.0, pausing[0][0] - now) if pausing else 1.0):
                assert isinstance(key.fileobj, socket.socket)
                client = key.fileobj
                reply = client.recv(4096)
                arrived = time.monotonic()
                assert reply.endswith(b"hello\n"), reply
                times.append(arrived - asked[client])
                pausing.append((arrived + PAUSE, client))
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    assert len(times) > 100 * CLIENTS
    return statistics.quantiles(times, n=100)[98]


def test_tail_beside_a_crowd_is_at_most_twice_the_tail_without() -> None:
    with running("apps.replies", workers=2, threads=4) as server:
        percentile_99(server.port)  # warm
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(percentile_99(server.port))
            with crowd(server.port, heads=2000, bodies=500, readers=500):
                beside.append(percentile_99(server.port))
                assert descriptors(server.front) > 2900, "the crowd is not there"
        for name, values in (("alone", alone), ("beside a crowd", beside)):
            print(f"p99 {name}:", *(f"{1e3 * value:.2f}" for value in values), "ms")
        ratio = statistics.median(beside) / statistics.median(alone)
        print(f"ratio of the medians: {ratio:.2f}")
        assert ratio <= 2
