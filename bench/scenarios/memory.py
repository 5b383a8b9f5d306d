"""What four workers of a Django project weigh."""

from __future__ import annotations

from harness.answers import Expected
from harness.load import Counted
from harness.metrics import PSS
from scenarios.base import Scenario, Target

BODY = b"<!doctype html><title>Benchmark</title>" + b"".join(b"<p>%d</p>" % n for n in range(10))

SCENARIO = Scenario(
    name="memory",
    what="memory (PSS) of the whole server tree, Django, four workers, after 1,000 requests",
    why="workers forked after the import share its pages; what is not shared costs four times. bjoern with four forked "
    "workers is about the least a forking server can weigh; gunicorn is what most people run",
    app="django_app:app",
    expected=Expected(BODY, headers={"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(BODY))}),
    load=Counted(requests=1000, concurrency=20, per_connection=5, worker_header="X-Worker"),
    workers=4,
    threads=1,
    pinned=False,
    target=Target(PSS, 1.2, against="bjoern"),
    peers=("bjoern", "gunicorn"),
    extra={"gunicorn": ("--preload",)},
)
