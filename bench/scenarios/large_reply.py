"""How much CPU a reply costs that is larger than the kernel takes at once."""

from __future__ import annotations

from harness.answers import Expected
from harness.load import Wrk
from harness.metrics import CPU
from scenarios.base import Scenario, Target

BODY = bytes(range(256)) * 4096

SCENARIO = Scenario(
    name="large-reply",
    what="CPU per request of the whole server tree, a reply of 1 MiB",
    why="in-process servers write from the application's own object; between processes the bytes are copied once more",
    app="large_app:app",
    expected=Expected(BODY, headers={"Content-Type": "application/octet-stream", "Content-Length": str(len(BODY))}),
    load=Wrk(connections=64),
    workers=1,
    threads=1,
    pinned=True,
    target=Target(CPU, 1.50),
    peers=("fastpysgi", "bjoern", "granian", "gunicorn", "waitress"),
)
