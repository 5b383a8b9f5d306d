"""What Speyside's own settings cost: the access log, more workers, more loops. Peers beside where they have the
same."""

from __future__ import annotations

from dataclasses import replace

from harness.load import Wrk
from harness.metrics import CPU, RATE
from scenarios import hello
from scenarios.base import Target
from servers import SPEYSIDE, by_name

LOG = replace(
    hello.SCENARIO,
    name="access-log",
    what="CPU per request of the whole server tree, constant answer, with the access log and without",
    why="a line per request, formatted and written to a file in memory; the target is the difference in µs",
    variants=(
        SPEYSIDE,
        SPEYSIDE.variant("log", "--access-logfile", "-"),
        by_name("granian").variant("log", "--access-log"),
        by_name("gunicorn").variant("log", "--access-logfile", "-"),
    ),
    peers=("granian", "gunicorn"),
    target=Target(CPU, 0.5, of="speyside+log", against="speyside", minus=True),
    short=(),
)

COUNTS = ("1", "2", "4", "8")

WORKERS = replace(
    hello.SCENARIO,
    name="workers",
    what="CPU per request of the whole server tree, constant answer, 1, 2, 4 and 8 workers",
    why="more workers than CPUs are usual; each should cost memory and no time",
    pinned=False,
    variants=tuple(
        server.variant(f"{count}w", workers=count) for server in (SPEYSIDE, by_name("granian")) for count in COUNTS
    ),
    peers=(),
    target=Target(CPU, 1.25, of="speyside+8w", against="speyside+1w"),
    short=(),
)

LOOPS = replace(
    WORKERS,
    name="loops",
    what="requests per second, constant answer, the front with one loop and with two, 4 workers",
    why="one loop serves up to some 8 CPUs; the second should bring what the first cannot. Needs CPUs for loops, "
    "workers and "
    "load: with less than 8 it says nothing",
    load=Wrk(connections=256),
    workers=4,
    variants=(SPEYSIDE.variant("1l", "--loops", "1"), SPEYSIDE.variant("2l", "--loops", "2")),
    target=Target(RATE, 1.5, of="speyside+2l", against="speyside+1l"),
    cpus=8,
)

SCENARIOS = (LOG, WORKERS, LOOPS)
