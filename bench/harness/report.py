"""The comparison as people read it.

Callers need `table` for one scenario and `verdict`, which says of its target: met, not met, void or not measured.
A figure is the median of a server's good rounds; failed rounds are never part of one, and each
is shown. How sure a ratio is: intervals.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import servers
from harness.interleave import FURTHEST, far_behind
from harness.intervals import Interval, paired
from harness.metrics import METRICS, Metric
from harness.rounds import Round
from scenarios.base import Fair, Scenario, Target

NOISE = 0.10
LATE_MS = 1.0


@dataclass(frozen=True)
class Summary:
    """One server over all its rounds."""

    server: str
    rounds: int
    good: int
    values: dict[str, float]
    series: dict[str, dict[int, float]]  # of each figure, by the number of the round

    def spread(self, metric: Metric) -> float:
        """Half of the range of the rounds, as a share of the median."""
        series, middle = self.series[metric.key].values(), self.values[metric.key]
        return (max(series) - min(series)) / 2 / middle if middle else 0.0


@dataclass(frozen=True)
class Verdict:
    """Whether the target was reached, the sentence that says so, and the ratio behind it where there is one."""

    state: str
    text: str
    interval: Interval | None = None
    ratio: float | None = None


def summarize(rounds: Iterable[Round]) -> dict[str, Summary]:
    """Medians per server, in the order in which the servers first ran."""
    by_server: dict[str, list[Round]] = {}
    for one in rounds:
        by_server.setdefault(one.server, []).append(one)
    summaries: dict[str, Summary] = {}
    for server, turns in by_server.items():
        good = [turn for turn in turns if turn.failure is None]
        keys = sorted({key for turn in good for key in turn.values})
        series = {key: {turn.number: turn.values[key] for turn in good if key in turn.values} for key in keys}
        values = {key: median(of.values()) for key, of in series.items()}
        summaries[server] = Summary(server, len(turns), len(good), values, series)
    return summaries


def best_peer(summaries: dict[str, Summary], metric: Metric) -> Summary | None:
    """The peer with the best figure; Speyside is not its own peer, and a floor is none."""
    peers = [s for s in summaries.values() if servers.is_peer(s.server) and metric.key in s.values]
    if not peers:
        return None
    return (max if metric.more_is_better else min)(peers, key=lambda s: s.values[metric.key])


def ratio(summary: Summary, best: Summary | None, metric: Metric) -> float | None:
    """The server's figure divided by the best peer's."""
    if best is None or metric.key not in summary.values or not best.values[metric.key]:
        return None
    return summary.values[metric.key] / best.values[metric.key]


def verdict(summaries: dict[str, Summary], target: Target) -> Verdict:
    """Compare as the scenario's target says."""
    metric = target.metric
    if target.absolute:
        return absolute(summaries, target)
    if target.minus:
        return difference(summaries, target)
    peer = summaries.get(target.against) if target.against else best_peer(summaries, metric)
    who = target.against or "best peer"
    bound = "at least" if metric.more_is_better else "at most"
    goal = f"{metric.title} {bound} {target.limit:.2f} × {who}"
    ours = summaries.get(target.of)
    early = incomplete(ours, goal, target)
    if early or ours is None:
        return early or Verdict("not measured", goal)
    if peer is None or metric.key not in peer.values or not peer.values[metric.key]:
        return Verdict("not measured", f"{goal}: not measured, no good round of {target.against or 'any peer'}")
    share = ours.values[metric.key] / peer.values[metric.key]
    figures = f"{ours.server} {figure(ours, metric)}, {peer.server} {figure(peer, metric)}"
    interval = paired(ours.series[metric.key], peer.series[metric.key])
    unfair = unfairness(ours, peer, target.fair)
    if unfair:
        return Verdict("void", f"{goal}: VOID, {unfair}; {share:.2f} × ({figures})", interval, share)
    reached = share >= target.limit if metric.more_is_better else share <= target.limit
    state = "met" if reached else "not met"
    how = interval.words(metric.more_is_better) if interval else "no interval"
    return Verdict(state, f"{goal}: {state.upper()}, {share:.2f} × ({figures}); {how}", interval, share)


def figure(summary: Summary, metric: Metric) -> str:
    """The figure of a server as a table shows it."""
    return f"{summary.values[metric.key]:.{metric.digits}f}"


def incomplete(ours: Summary | None, goal: str, target: Target) -> Verdict | None:
    """The verdict when there is too little of ours to compare; None when there is enough. A failed round means that
    requests got errors, so that nothing may be compared."""
    if ours is None:
        return Verdict("not measured", f"{goal}: not measured, {target.of} did not take part")
    if not ours.good:
        return Verdict("not met", f"{goal}: NOT MET, all rounds of {target.of} failed")
    if target.metric.key not in ours.values:
        return Verdict("not measured", f"{goal}: not measured, the load cannot tell")
    if ours.good < ours.rounds:
        failed = ours.rounds - ours.good
        return Verdict("not met", f"{goal}: NOT MET, {failed} of {ours.rounds} rounds of {target.of} failed")
    return None


def difference(summaries: dict[str, Summary], target: Target) -> Verdict:
    """Compare what is more than another's figure with the limit."""
    metric = target.metric
    goal = f"{metric.title} at most {target.limit:.{metric.digits}f} more than {target.against}'s"
    ours, other = summaries.get(target.of), summaries.get(target.against or "")
    early = incomplete(ours, goal, target)
    if early or ours is None:
        return early or Verdict("not measured", goal)
    if other is None or metric.key not in other.values:
        return Verdict("not measured", f"{goal}: not measured, no good round of {target.against}")
    more = ours.values[metric.key] - other.values[metric.key]
    state = "met" if more <= target.limit else "not met"
    return Verdict(state, f"{goal}: {state.upper()}, {more:+.{metric.digits}f}")


def unfairness(ours: Summary, peer: Summary, fair: Fair | None) -> str | None:
    """Why the two may not be compared: what Speyside gave up that the peer did not."""
    if fair is None:
        return None
    metric = fair.metric
    if metric.key not in ours.values or metric.key not in peer.values:
        return f"{metric.title} is not known of both"
    mine, theirs = ours.values[metric.key], peer.values[metric.key]
    if mine >= fair.share * theirs:
        return None
    limit = f"{fair.share:.2f} × {peer.server}'s {theirs:.{metric.digits}f}"
    return f"{metric.title} {mine:.{metric.digits}f} is less than {limit}"


def absolute(summaries: dict[str, Summary], target: Target) -> Verdict:
    """Compare with the limit itself. Unfair to the other figure as seen against the peer that has most of it."""
    metric = target.metric
    goal = f"{metric.title} at most {target.limit:.{metric.digits}f}"
    ours = summaries.get(target.of)
    early = incomplete(ours, goal, target)
    if early or ours is None:
        return early or Verdict("not measured", goal)
    mine = ours.values[metric.key]
    peer = best_peer(summaries, target.fair.metric) if target.fair else None
    unfair = unfairness(ours, peer, target.fair) if peer else None
    if unfair:
        return Verdict("void", f"{goal}: VOID, {unfair}; {mine:.{metric.digits}f}")
    state = "met" if mine <= target.limit else "not met"
    return Verdict(state, f"{goal}: {state.upper()}, {mine:.{metric.digits}f}")


def shown(summaries: dict[str, Summary]) -> list[Metric]:
    """The columns: the metrics of which this load says something."""
    return [metric for metric in METRICS if any(metric.key in s.values for s in summaries.values())]


def cells(summary: Summary, summaries: dict[str, Summary]) -> list[str]:
    """One row: each figure, its spread over the rounds and its ratio to the best peer's."""
    row = [summary.server]
    for metric in shown(summaries):
        value = summary.values.get(metric.key)
        share = ratio(summary, best_peer(summaries, metric), metric)
        row.append("–" if value is None else f"{value:,.{metric.digits}f}")
        row.append("–" if value is None else f"{summary.spread(metric):.0%}")
        row.append("–" if share is None else f"{share:.2f}")
    return [*row, f"{summary.good}/{summary.rounds}"]


def grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return lines


def notes(rounds: Iterable[Round], workers: int) -> list[str]:
    """What a reader must know beside the figures: failed rounds, a disturbed machine, workers that got nothing."""
    lines: list[str] = []
    for one in rounds:
        where = f"{one.server}, round {one.number}"
        if one.failure:
            lines.append(f"FAILED {where}: {one.failure}")
        if one.other_cpus > NOISE:
            lines.append(f"noise  {where}: other programs used {one.other_cpus:.2f} CPU meanwhile")
        if one.late_p99_ms is not None and one.late_p99_ms > LATE_MS:
            lines.append(f"late   {where}: the load generator's own timers were {one.late_p99_ms:.1f} ms late (p99)")
        if one.workers_seen is not None and one.workers_seen < workers:
            lines.append(f"uneven {where}: only {one.workers_seen} of {workers} workers answered anything")
    return lines


def left_out(rounds: Sequence[Round], target: Target) -> list[str]:
    """Who was not measured again, because it was far behind."""
    last = max((one.number for one in rounds), default=0)
    turns = {name: max(one.number for one in rounds if one.server == name) for name in {one.server for one in rounds}}
    lines: list[str] = []
    for number in (number for number in FURTHEST if number < last):
        for name, share in far_behind(target, rounds, number).items():
            if turns[name] == number and servers.is_peer(name):
                lines.append(f"behind {name}: {share:.1f} × the best peer in round {number}, not measured again")
    return lines


def table(scenario: Scenario, rounds: Sequence[Round], absent: dict[str, str], seconds: float) -> str:
    """Everything there is to say about one scenario."""
    summaries = summarize(rounds)
    where = "server pinned to one CPU, load to the others" if scenario.pinned else "not pinned"
    turns = max((one.number for one in rounds), default=0)
    length = f" of {seconds:g} s" if scenario.load.measures_speed else ""
    lines = [
        f"{scenario.name}: {scenario.what}",
        textwrap.fill(scenario.why, 110, initial_indent="  ", subsequent_indent="  "),
        f"  workers × threads {scenario.workers} × {scenario.threads}, {where}, rounds {turns}{length}",
        "",
    ]
    header = ["server"] + [cell for metric in shown(summaries) for cell in (metric.title, "±", "×best")] + ["rounds"]
    lines += grid([header, *(cells(summary, summaries) for summary in summaries.values())])
    lines += [f"not measured {name}: {reason}" for name, reason in absent.items()]
    lines += left_out(rounds, scenario.target)
    lines += notes(rounds, scenario.workers)
    lines.append(f"target: {verdict(summaries, scenario.target).text}")
    return "\n".join(lines) + "\n"
