"""What a scenario is: an application, a load, the servers, and what is compared.

Callers need `Scenario` and `Target`. A scenario holds no code of its own: what is done with it is in harness/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.answers import Expected
from harness.load import Load
from harness.metrics import Metric


@dataclass(frozen=True)
class Fair:
    """What must not have been given up for the sake of the target: a figure of which more is better."""

    metric: Metric
    share: float


@dataclass(frozen=True)
class Target:
    """Speyside's figure may be at most limit × that of the best peer, or of the one named in against; with `absolute`,
    at most limit, whatever the peers have. With `fair`, the comparison is void unless Speyside's other figure is at
    least that share of the same peer's."""

    metric: Metric
    limit: float
    against: str | None = None
    absolute: bool = False
    fair: Fair | None = None


@dataclass(frozen=True)
class Scenario:
    """One comparison. `pinned` puts the server's tree on one CPU and the load on the others; `extra` are arguments
    that one server needs for this comparison only, put before the application."""

    name: str
    what: str
    why: str
    app: str
    expected: Expected
    load: Load
    workers: int
    threads: int
    pinned: bool
    target: Target
    peers: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
