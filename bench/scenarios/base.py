"""What a scenario is: an application, a load, the servers, and what is compared.

Callers need `Scenario` and `Target`. A scenario holds no code of its own: what is done with it is in harness/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import servers
from harness.answers import Expected
from harness.load import Load
from harness.metrics import Metric
from servers import Server


@dataclass(frozen=True)
class Fair:
    """What must not have been given up for the sake of the target: a figure of which more is better."""

    metric: Metric
    share: float


@dataclass(frozen=True)
class Target:
    """The figure of `of` may be at most limit × that of the best peer, or of the one named in against (at least, where
    more is better); with `minus`, at most limit more than it; with `absolute`, at most limit, whatever the peers have.
    With `fair`, the comparison is void unless the other figure is at least that share of the same peer's."""

    metric: Metric
    limit: float
    against: str | None = None
    absolute: bool = False
    fair: Fair | None = None
    of: str = servers.SPEYSIDE.name
    minus: bool = False


@dataclass(frozen=True)
class Scenario:
    """One comparison. `pinned` puts the server's tree on one CPU and the load on the others; `extra` are arguments
    that one server needs for this comparison only, put before the application. `short` are the peers that take part in
    the short run, none if the scenario is no part of it. `variants` take part instead of Speyside's defaults."""

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
    short: tuple[str, ...] = ()
    variants: tuple[Server, ...] = ()
    service: str | None = None  # what runs beside the server: "postgres"
    reload: bool = False  # in the middle of the load the server is told to load its application again
    files: int = 0  # descriptors that a process needs
    cpus: int = 1  # with fewer it says nothing

    def takers(self, names: tuple[str, ...]) -> list[Server]:
        """Speyside or its variants, then the peers of these names."""
        return [*(self.variants or (servers.SPEYSIDE,)), *(servers.by_name(name) for name in names)]
