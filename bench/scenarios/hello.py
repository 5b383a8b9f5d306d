"""How much CPU the server itself takes per request."""

from __future__ import annotations

from harness.answers import Expected
from harness.load import Wrk
from harness.metrics import CPU
from scenarios.base import Scenario, Target

SCENARIO = Scenario(
    name="hello",
    what="CPU per request of the whole server tree, constant answer",
    why="the application does nothing, so what is measured is the server",
    app="hello_app:app",
    expected=Expected(b"Hello World !", headers={"Content-Type": "text/plain", "Content-Length": "13"}),
    load=Wrk(connections=64),
    workers=1,
    threads=1,
    pinned=True,
    target=Target(CPU, 1.00),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "waitress"),
)
