"""What a server's life costs: start, memory, reload."""

from __future__ import annotations

from dataclasses import replace

from harness.load import Counted, OneAnswer
from harness.metrics import FIRST, LOST, PSS
from harness.paced import Closed, Paced
from scenarios import frameworks, hello
from scenarios.base import Scenario, Target

MEMORY = Scenario(
    name="memory",
    what="memory (PSS) of the whole server tree, Django, four workers, at start and after 1,000 requests",
    why="workers forked after the import share its pages; what is not shared costs four times. bjoern with four forked "
    "workers is about the least a forking server can weigh; gunicorn is what most people run",
    app="django_app:app",
    expected=frameworks.DJANGO.expected,
    load=Counted(requests=1000, concurrency=20, per_connection=5, worker_header="X-Worker"),
    workers=4,
    threads=1,
    pinned=False,
    target=Target(PSS, 1.0),
    peers=("bjoern", "fastpysgi", "granian", "gunicorn", "uwsgi"),
    extra={"gunicorn": ("--preload",)},
    short=("bjoern",),
)

MEMORY_LONG = replace(
    MEMORY,
    name="memory-100000",
    what="memory (PSS) of the whole server tree, Django, four workers, at start and after 100,000 requests",
    why="what grows with use: pages that the workers no longer share, and leaks",
    load=Closed(connections=16, requests=100_000, measures_speed=False),
    short=(),
)

START = replace(
    MEMORY,
    name="startup",
    what="time from the start of the program to the first right answer, Django, two workers",
    why="what a deployment and a developer wait for; most of it is the import of Django, which all have",
    load=OneAnswer(),
    workers=2,
    target=Target(FIRST, 1.2),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "uwsgi", "uwsgi-nginx", "waitress", "cheroot", "mod_wsgi"),
    extra={},
    short=(),
)

RELOAD = replace(
    hello.SCENARIO,
    name="reload",
    what="requests lost of 400 a second while the application is loaded again (SIGHUP), a connection for each",
    why="a deployment under load. New connections only, because a server may close one that idles. Those that have no "
    "reload in place do not take part. A round in which no process was started anew fails",
    load=Paced(rate=400, connections=64, fresh=True),
    workers=2,
    threads=4,
    pinned=False,
    target=Target(LOST, 0, absolute=True),
    peers=("gunicorn", "granian", "uwsgi"),
    short=(),
    reload=True,
)

SCENARIOS = (START, RELOAD, MEMORY, MEMORY_LONG)
