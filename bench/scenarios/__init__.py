"""All comparisons, in the order in which they run. A new one is an entry of a module here."""

from __future__ import annotations

from scenarios import bodies, connections, frameworks, hello, life, mixed, own
from scenarios.base import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (hello, frameworks, bodies, connections, mixed, life, own)
    for scenario in module.SCENARIOS
}
