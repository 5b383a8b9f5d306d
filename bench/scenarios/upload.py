"""How much CPU a request costs whose body is larger than what fits one read."""

from __future__ import annotations

from harness.answers import Expected
from harness.load import Wrk
from harness.metrics import CPU
from scenarios.base import Scenario, Target

SCENARIO = Scenario(
    name="upload",
    what="CPU per request of the whole server tree, POST of 64 KiB that the application reads",
    why="the body is copied on its way, and each server has its own way",
    app="upload_app:app",
    expected=Expected(b"taken", headers={"Content-Type": "text/plain", "Content-Length": "5"}),
    load=Wrk(connections=64, method="POST", body_bytes=65536),
    workers=1,
    threads=1,
    pinned=True,
    target=Target(CPU, 1.10),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "waitress"),
)
