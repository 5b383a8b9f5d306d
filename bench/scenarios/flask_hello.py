"""How much of it is left to see under a framework that people use."""

from __future__ import annotations

from harness.answers import Expected
from harness.load import Wrk
from harness.metrics import CPU
from scenarios.base import Scenario, Target

BODY = b"<p>Hello, World!</p>"

SCENARIO = Scenario(
    name="flask",
    what="CPU per request of the whole server tree, Flask's hello world, two workers",
    why="most requests are dominated by the framework; two processes share the machine with the load",
    app="flask_app:app",
    expected=Expected(BODY, headers={"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(BODY))}),
    load=Wrk(connections=64),
    workers=2,
    threads=1,
    pinned=False,
    target=Target(CPU, 1.05),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "waitress"),
)
