"""How long answers take when many connections are open and each is used now and then."""

from __future__ import annotations

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
