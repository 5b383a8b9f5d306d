"""Running one scenario: every server in turn, round by round, and in later rounds only who is still in the running.

Callers need `compare`, and `far_behind` where a report says who was left out. A comparison is with the best peer, so
further rounds are for those that could be it: a server that is several times slower even in its best round is not
measured again. Its figure is the median of the rounds that it had. Servers of ours are measured in every round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

import servers
from harness.load import LoadFailed
from harness.rounds import Round, Settings, one_round
from harness.running import NotStarted
from scenarios.base import Scenario, Target
from servers import Server

# After so many rounds: how many times the best peer's figure a server's best round may be.
FURTHEST = {1: 4.0, 2: 2.0}
FAILURES = 2


def compare(scenario: Scenario, takers: list[Server], settings: Settings) -> Iterator[Round]:
    """A, B, C, A, B, C …: so that what disturbs the machine for a while disturbs all of them. A server that does not
    start the first time is not tried again, nor a peer whose first two rounds failed or who is far behind."""
    out: set[str] = set()
    seen: list[Round] = []
    for number in range(1, settings.rounds + 1):
        for server in takers:
            if server.name in out:
                continue
            one = turn(scenario, server, number, settings)
            if not one.started:
                out.add(server.name)
            seen.append(one)
            yield one
        if not settings.every:
            out |= far_behind(scenario.target, seen, number).keys() | hopeless(seen)


def turn(scenario: Scenario, server: Server, number: int, settings: Settings) -> Round:
    """One turn of one server, also of one that does not start."""
    try:
        return one_round(scenario, server, number, settings)
    except (NotStarted, LoadFailed) as error:
        return Round(scenario.name, server.name, number, f"not started: {error}", started=False)


def hopeless(rounds: Sequence[Round]) -> set[str]:
    """Peers that failed in each of their first rounds: one that hangs would cost a minute each time."""
    good = {one.server for one in rounds if one.failure is None}
    failed = [one.server for one in rounds if servers.is_peer(one.server) and one.server not in good]
    return {name for name in failed if failed.count(name) >= FAILURES}


def far_behind(target: Target, rounds: Sequence[Round], number: int) -> dict[str, float]:
    """Who need not be measured again after that round, and how many times the best peer's figure its own is. Floors
    need not either: nothing is compared with them. Nobody where the target is no ratio to the best peer."""
    if number not in FURTHEST or target.absolute or target.minus or target.against:
        return {}
    metric = target.metric
    series: dict[str, list[float]] = {}
    for one in rounds:
        if one.failure is None and one.number <= number and metric.key in one.values:
            series.setdefault(one.server, []).append(one.values[metric.key])
    if metric.more_is_better:
        series = {name: [1 / value for value in values if value] for name, values in series.items()}
    peers = [median(values) for name, values in series.items() if servers.is_peer(name) and values]
    best = min(peers, default=0.0)
    if not best:
        return {}
    shares = {name: min(values) / best for name, values in series.items() if values and not servers.is_ours(name)}
    return {name: share for name, share in shares.items() if share > FURTHEST[number] or not servers.is_peer(name)}
