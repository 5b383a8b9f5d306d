"""How long fast requests take beside slow ones."""

from __future__ import annotations

from harness.answers import Expected, Request
from harness.load import Wrk
from harness.metrics import P50, P99, SLOW
from harness.paced import Beside, Closed, Paced
from scenarios.base import Fair, Scenario, Target

BODY = b"Hello World !"
THREADED = ("granian", "gunicorn", "uwsgi", "waitress", "cheroot")
SLEEPERS = Wrk(connections=4, request=Request("/sleep"))
BURNER = Wrk(connections=1, request=Request("/burn"))
UPLOADS = Closed(connections=500, request=Request("/", "POST", body=b"x" * 16384), trickle=8192)
FAST = Paced(rate=400, connections=16)
ALONE = Paced(rate=100, connections=1)


def scenario(name: str, what: str, why: str, load: Beside, target: Target, short: tuple[str, ...] = ()) -> Scenario:
    """What they have in common: two workers with four threads, and peers that have threads."""
    return Scenario(
        name=name,
        what=what,
        why=why,
        app="mixed_app:app",
        expected=Expected(BODY, headers={"Content-Type": "text/plain", "Content-Length": str(len(BODY))}),
        load=load,
        workers=2,
        threads=4,
        pinned=False,
        target=target,
        peers=THREADED,
        # Their limits on connections are per worker, and below the slow uploads' number.
        extra={"gunicorn": ("--worker-connections", "4000")},
        short=short,
        files=2048,
    )


SCENARIOS = (
    scenario(
        "mixed-sleepers",
        "p99 of fast requests beside 4 clients whose requests wait 0.2 s",
        "half of the threads wait for a database; a request that is given to a busy worker or thread while another is "
        "idle shows in the tail",
        Beside(FAST, SLEEPERS),
        Target(P99, 1.00, fair=Fair(SLOW, 0.8)),
        short=("granian", "gunicorn"),
    ),
    scenario(
        "mixed-cpu",
        "p99 of fast requests beside a client whose requests compute for 20 ms",
        "one worker's interpreter is taken; who is given to it waits for Python to change threads",
        Beside(FAST, BURNER),
        Target(P99, 0.50, fair=Fair(SLOW, 0.8)),
    ),
    scenario(
        "mixed-cpu-alone",
        "p50 of a single fast client beside a client whose requests compute for 20 ms",
        "an idle worker is there for every one of its requests",
        Beside(ALONE, BURNER),
        Target(P50, 0.30, absolute=True, fair=Fair(SLOW, 0.8)),
    ),
    scenario(
        "slow-clients",
        "p99 of fast requests beside 500 clients that upload 16 KiB in 2 s each",
        "mobile clients and attackers: whoever reads a body in a thread of the application has none left",
        Beside(FAST, UPLOADS),
        Target(P99, 1.00, fair=Fair(SLOW, 0.8)),
    ),
)
