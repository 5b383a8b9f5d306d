"""Good and bad requests leave nothing behind: not memory, not descriptors, not slots, not blocks, not the spool.

200,000 of them when SPEYSIDE_SOAK is set (make soak), else 3,000.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest
from harness.client import request

from harness import PATIENCE, SANITIZED, Client, Gate, Server, running, until

from .abuse import BLOB, WEIGHTS, abuse
from .segment import Holding, Inside

SOAK = bool(os.environ.get("SPEYSIDE_SOAK"))
COUNT = 200_000 if SOAK else 3_000
WARM = max(COUNT // 10, 3_000)  # after which everything has nearly the size that it keeps
GROWTH = 16 << 20  # of one process: 200,000 times 84 bytes, or four large bodies in memory that malloc keeps


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.clients", workers=2, threads=4) as made:
        yield made


def at_rest(inside: Inside, wanted: Holding, seconds: float = PATIENCE) -> None:
    """Wait until the server holds what it held at first; lingering connections take two seconds."""
    seen = [wanted]

    def same() -> bool:
        seen[0] = inside.holding()
        return seen[0] == wanted

    try:
        until(same, "", seconds)
    except AssertionError as error:
        raise AssertionError(f"it held {wanted} at first, and holds {seen[0]} now") from error


def test_good_and_bad_requests_leave_nothing_behind(server: Server, gate: Gate) -> None:
    inside = Inside(server)
    idle = inside.holding()
    assert (idle.slots, idle.blocks) == (0, 0)
    workers = server.workers()
    room = body_room(server, inside)
    abuse(server, WARM, seed=1)
    at_rest(inside, idle)
    before = inside.memory()
    done = abuse(server, COUNT, seed=2)
    assert sum(done.values()) > COUNT * 0.99 and set(done) == set(WEIGHTS)
    at_rest(inside, idle)
    if not SANITIZED:  # a sanitizer keeps what was freed for a while
        growth = [after - first for after, first in zip(inside.memory(), before, strict=True)]
        print(f"{sum(done.values())} requests {dict(done)}: front and workers grew by {growth} bytes")
        assert max(growth) < GROWTH, f"front and workers grew by {growth} bytes"
    assert server.workers() == workers
    fill_every_slot(server, inside, gate)
    at_rest(inside, idle)
    assert abs(body_room(server, inside) - room) <= 1, "the front has lost blocks"
    at_rest(inside, idle)


def test_replies_that_nobody_waited_for_give_their_blocks_back(server: Server) -> None:
    """Also when the worker was done with them before the front had looked."""
    inside = Inside(server)
    idle = inside.holding()
    for number in range(200):
        client = server.connect()
        client.send(request("GET", ("/large?blocks=4", "/stream?blocks=3")[number % 2]))
        client.reset()
    at_rest(inside, idle, seconds=5)


def body_room(server: Server, inside: Inside) -> int:
    """Return how many bodies of 300 KB that are not complete the front holds in blocks before it spools one."""
    clients: list[Client] = []
    try:
        while not inside.holding().spooled:
            assert len(clients) < 1000, "nothing was spooled"
            clients.append(server.connect())
            clients[-1].send(request("POST", "/request", [("Content-Length", "300001")]) + BLOB[:300_000])
            for _ in range(3):  # by then the front has read what came before
                assert server.get("/").status == 200
    finally:
        for client in clients:
            client.close()
    return len(clients)


def fill_every_slot(server: Server, inside: Inside, gate: Gate) -> None:
    """Have as many requests in flight as there are slots: one that was lost would be missed here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < inside.slots + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(inside.slots + 500, hard), hard))
    clients = [server.connect() for _ in range(inside.slots)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/gated?name={number}&gate={gate.path}"))
    until(lambda: inside.holding().slots == inside.slots, "a request in every slot", PATIENCE)
    gate.open()
    assert [client.reply().text for client in clients] == [f"gated {number}\n" for number in range(inside.slots)]
    for client in clients:
        client.close()
