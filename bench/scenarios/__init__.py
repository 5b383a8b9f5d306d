"""All comparisons, in the order in which they run. A new one is a module here and a line in SCENARIOS."""

from __future__ import annotations

from scenarios import flask_hello, hello, keepalive, large_reply, memory, mixed, upload
from scenarios.base import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        hello.SCENARIO,
        flask_hello.SCENARIO,
        upload.SCENARIO,
        large_reply.SCENARIO,
        keepalive.SCENARIO,
        keepalive.BUSY,
        *mixed.SCENARIOS,
        memory.SCENARIO,
    )
}
