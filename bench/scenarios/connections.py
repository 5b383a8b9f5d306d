"""How long answers take when many connections are open: each used now and then, a few of them, and all at once."""

from __future__ import annotations

from dataclasses import replace

from harness.load import Wrk
from harness.metrics import P99
from harness.paced import Paced, Rates
from scenarios import hello
from scenarios.base import Scenario, Target

RATE = 5000
LIMITS = {"granian": ("--backlog", "32768"), "gunicorn": ("--worker-connections", "20000")}
PEERS = ("fastpysgi", "bjoern", "granian", "gunicorn", "uwsgi-nginx", "waitress")

TURN = Scenario(
    name="keepalive-1000",
    what="p99 of 5,000 requests a second over 1,000 keep-alive connections, constant answer, two workers",
    why="behind a proxy, or before browsers, most connections are idle most of the time; what they cost shows in the "
    "tail of those that are not. Fixed rate: each connection sends every 0.2 s whether the server is ready or not",
    app=hello.SCENARIO.app,
    expected=hello.SCENARIO.expected,
    load=Paced(rate=RATE, connections=1000),
    workers=2,
    threads=1,
    pinned=False,
    target=Target(P99, 0.80),
    peers=PEERS,
    # Their limits on connections are per worker, and would close or keep waiting some of ours.
    extra=LIMITS,
    short=("fastpysgi", "granian"),
    files=4096,
)

ACTIVE = replace(
    TURN,
    name="keepalive-1000-64",
    what="p99 of 5,000 requests a second over 64 of 1,000 keep-alive connections, constant answer, two workers",
    why="the others are open and send nothing: they should cost nothing",
    load=Paced(rate=RATE, connections=64, idle=936),
    short=(),
)

TEN_THOUSAND = replace(
    ACTIVE,
    name="keepalive-10000-64",
    what="p99 of 5,000 requests a second over 64 of 10,000 keep-alive connections, constant answer, two workers",
    load=Paced(rate=RATE, connections=64, idle=9936),
    # Ours is a limit that sheds: with the load it would be reached by the check of the answers.
    extra=LIMITS | {"speyside": ("--max-connections", "20000")},
    files=12000,
)

BUSY = replace(
    TURN,
    name="keepalive-1000-busy",
    what="p99 of 1,000 keep-alive connections that are never idle, constant answer, two workers",
    why="more clients than the server can serve: the line is long, and the tail shows how evenly it moves. Closed "
    "loop: a connection sends when it has its answer, so slow answers are asked for less often",
    load=Wrk(connections=1000),
    short=(),
)

RATES = replace(
    hello.SCENARIO,
    name="latency-rates",
    what="p99 at 500 to 8,000 requests a second over 64 keep-alive connections, constant answer, two workers",
    why="latency belongs to a rate: the curve shows where each server's line begins to grow. The table has the "
    "middle rate",
    load=Rates((500, 1000, 2000, 4000, 8000), connections=64),
    workers=2,
    pinned=False,
    target=Target(P99, 1.00),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "uwsgi-nginx", "waitress"),
    short=(),
)

SCENARIOS = (TURN, ACTIVE, TEN_THOUSAND, BUSY, RATES)
