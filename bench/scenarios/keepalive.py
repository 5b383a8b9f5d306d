"""How long answers take when many connections are open: each used now and then, and all at once."""

from __future__ import annotations

from dataclasses import replace

from harness.load import Wrk
from harness.metrics import P99
from harness.paced import Paced
from scenarios import hello
from scenarios.base import Scenario, Target

SCENARIO = Scenario(
    name="keepalive-1000",
    what="p99 of 5,000 requests a second over 1,000 keep-alive connections, constant answer, two workers",
    why="behind a proxy, or before browsers, most connections are idle most of the time; what they cost shows in the "
    "tail of those that are not. Fixed rate: each connection sends every 0.2 s whether the server is ready or not",
    app=hello.SCENARIO.app,
    expected=hello.SCENARIO.expected,
    load=Paced(rate=5000, connections=1000),
    workers=2,
    threads=1,
    pinned=False,
    target=Target(P99, 1.00),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "waitress"),
    # Their limits on connections are per worker, and would close or keep waiting some of ours.
    extra={"granian": ("--backlog", "8192"), "gunicorn": ("--worker-connections", "2000")},
)

BUSY = replace(
    SCENARIO,
    name="keepalive-1000-busy",
    what="p99 of 1,000 keep-alive connections that are never idle, constant answer, two workers",
    why="more clients than the server can serve: the line is long, and the tail shows how evenly it moves. Closed "
    "loop: a connection sends when it has its answer, so slow answers are asked for less often",
    load=Wrk(connections=1000),
)
