"""A reply of any size costs front and worker little memory, at whatever pace its client reads.

1 GB, to a reader of 50 MB/s and to one that stops for 10 s, when SPEYSIDE_SOAK is set (make soak); else 200 MB and 1 s.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apps.replies import BLOCK
from harness.client import request

from harness import PATIENCE, SANITIZED, Server, running, until
from harness.processes import resident

from .segment import Inside

SOAK = bool(os.environ.get("SPEYSIDE_SOAK"))
BLOCKS = -(-(1_000_000_000 if SOAK else 200_000_000) // len(BLOCK))
STOP = 10.0 if SOAK else 1.0
PACE = 50_000_000  # bytes a second
GROWTH = 32 << 20  # of front and worker together
RING = 32  # blocks that a reply may have published


@pytest.fixture
def server() -> Iterator[Server]:
    with running("apps.replies", workers=1, threads=1) as made:
        assert made.get("/stream?blocks=50").status == 200  # what the first such reply needs is there from then on
        yield made


def paced() -> Callable[[int], None]:
    """Return what keeps a reader at its pace: it is told how much was read."""
    began = time.monotonic()

    def keep(read: int) -> None:
        time.sleep(max(0.0, began + read / PACE - time.monotonic()))

    return keep


def stops(inside: Inside, look: Callable[[], bool]) -> Callable[[int], None]:
    """Return a reader's stop in the middle: until the worker has filled all that it may, and for a while after."""
    stopped: list[int] = []

    def stop(read: int) -> None:
        if stopped or read < BLOCKS * len(BLOCK) // 2:
            return
        stopped.append(read)
        until(lambda: inside.holding().blocks >= RING - 1, "the worker to wait for its reader", PATIENCE)
        over = time.monotonic() + STOP
        until(lambda: look() or time.monotonic() > over, "the end of the stop", STOP + PATIENCE)

    return stop


@pytest.mark.parametrize("reader", ["paced", "stops"])
def test_generator_of_any_size_costs_little_memory(reader: str, server: Server) -> None:
    inside = Inside(server)
    idle = sum(resident(pid) for pid in inside.processes)
    peak = idle

    def look() -> bool:
        nonlocal peak
        peak = max(peak, sum(resident(pid) for pid in inside.processes))
        return False

    pause = paced() if reader == "paced" else stops(inside, look)
    total = checksum = 0
    with server.connect() as client:
        client.send(request("GET", f"/stream?blocks={BLOCKS}"))
        for piece in client.pieces(client.head()):
            checksum = zlib.crc32(piece, checksum)
            total += len(piece)
            if total % (1 << 22) < len(piece):
                look()
            pause(total)
    expected = 0
    for _ in range(BLOCKS):
        expected = zlib.crc32(BLOCK, expected)
    assert (total, checksum) == (BLOCKS * len(BLOCK), expected)
    print(f"{total} bytes to a reader that {reader}: front and worker grew by {peak - idle} bytes at most")
    assert peak - idle <= GROWTH or SANITIZED


def test_replies_that_nobody_reads_go_to_the_spool(short_path: Path) -> None:
    """120 clients leave 400 KB each unread: neither a thread nor memory is spent on them, and nothing is lost."""
    path = short_path / "socket"  # of which the kernel keeps little for a client
    with running("apps.replies", bind=[f"unix:{path}"], workers=1, threads=4) as server:
        inside = Inside(server)
        assert server.get("/large?blocks=6").status == 200
        idle, before = inside.holding(), sum(resident(pid) for pid in inside.processes)
        clients = [server.connect() for _ in range(120)]
        for client in clients:
            client.send(request("GET", "/large?blocks=6"))
        assert server.get("/").text == "hello\n"
        until(lambda: inside.holding().slots == 0, "every reply to be in the spool", PATIENCE)
        held = inside.holding()
        grown = sum(resident(pid) for pid in inside.processes) - before
        print(f"{held.spooled << 16} bytes are in the spool, front and worker grew by {grown} bytes")
        assert held.blocks == 0 and held.spooled << 16 > len(clients) * 100_000
        assert grown < GROWTH // 2 or SANITIZED
        for client in clients[::2]:
            client.close()
        for client in clients[1::2]:
            assert client.reply().body == BLOCK * 6
            client.close()
        at_rest = inside.holding
        until(
            lambda: (at_rest().slots, at_rest().blocks, at_rest().spooled) == (0, 0, 0),
            "all to be given back",
            PATIENCE,
        )
        # The first look may have met the connection before on its way out.
        until(lambda: at_rest().descriptors <= idle.descriptors, "descriptors to be given back", PATIENCE)


def test_without_room_in_the_spool_workers_wait_and_nothing_is_lost(short_path: Path) -> None:
    path = short_path / "socket"
    with running(
        "apps.replies", "--spool-limit=1MB", bind=[f"unix:{path}"], workers=1, threads=2, provoked=True
    ) as server:
        clients = [server.connect() for _ in range(20)]
        for client in clients:
            client.send(request("GET", "/large?blocks=6"))
        server.log(r"WARN  replies not parked .*code=SPY0010")
        for client in clients:
            assert client.reply().body == BLOCK * 6
            client.close()
        assert server.get("/").text == "hello\n"
