"""Medians of good rounds, ratios to the best peer, and a target that is met only when it is."""

from __future__ import annotations

import pytest

from harness.answers import Expected
from harness.intervals import confidence, paired
from harness.load import Wrk
from harness.metrics import CPU, P99, PSS, RATE
from harness.report import best_peer, grid, notes, ratio, summarize, table, verdict
from harness.rounds import Round
from scenarios.base import Scenario, Target


def turn(server: str, number: int, cpu: float, failure: str | None = None, **more: float) -> Round:
    return Round("s", server, number, failure, {CPU.key: cpu, **more})


ROUNDS = [
    *(turn("speyside", n, cpu, pss_mib=12.0) for n, cpu in enumerate([6.0, 9.0, 6.3], 1)),
    *(turn("bjoern", n, cpu, pss_mib=10.0, requests_per_second=200.0) for n, cpu in enumerate([7.0, 7.2, 7.4], 1)),
    *(turn("granian", n, cpu, requests_per_second=100.0) for n, cpu in enumerate([12.0, 11.0, 13.0], 1)),
]
SCENARIO = Scenario(
    "s", "what", "why", "m:app", Expected(b""), Wrk(), 2, 1, True, Target(CPU, 1.0), ("bjoern", "granian")
)


def test_the_median_counts_not_the_mean() -> None:
    assert summarize(ROUNDS)["speyside"].values[CPU.key] == 6.3


def test_failed_rounds_are_no_part_of_a_figure() -> None:
    summary = summarize([*ROUNDS, turn("bjoern", 4, 0.1, "wrk saw 3 read errors")])["bjoern"]
    assert summary.values[CPU.key] == 7.2
    assert (summary.good, summary.rounds) == (3, 4)


def test_best_peer_is_the_least_cost_the_most_throughput_and_never_speyside() -> None:
    summaries = summarize(ROUNDS)
    cheapest, fastest = best_peer(summaries, CPU), best_peer(summaries, RATE)
    assert cheapest and cheapest.server == "bjoern"
    assert fastest and fastest.server == "bjoern"
    assert best_peer(summaries, P99) is None
    assert best_peer({"speyside": summaries["speyside"]}, CPU) is None


def test_ratio_is_to_the_best_peer() -> None:
    summaries = summarize(ROUNDS)
    best = best_peer(summaries, CPU)
    assert ratio(summaries["speyside"], best, CPU) == pytest.approx(6.3 / 7.2)
    assert ratio(summaries["granian"], best, CPU) == pytest.approx(12.0 / 7.2)
    assert ratio(summaries["granian"], best_peer(summaries, PSS), PSS) is None


@pytest.mark.parametrize(("limit", "state"), [(0.88, "met"), (0.87, "not met")])
def test_target_against_the_best_peer(limit: float, state: str) -> None:
    assert verdict(summarize(ROUNDS), Target(CPU, limit)).state == state


@pytest.mark.parametrize(("limit", "state"), [(1.2, "met"), (1.19, "not met")])
def test_target_against_a_named_peer(limit: float, state: str) -> None:
    assert verdict(summarize(ROUNDS), Target(PSS, limit, "bjoern")).state == state


def test_target_is_not_met_when_a_round_of_speyside_failed() -> None:
    outcome = verdict(summarize([*ROUNDS, turn("speyside", 4, 6.0, "status")]), Target(CPU, 1.0))
    assert outcome.state == "not met"
    assert "1 of 4 rounds" in outcome.text


def test_target_is_not_met_when_every_round_of_speyside_failed() -> None:
    peers = [one for one in ROUNDS if one.server != "speyside"]
    only_failed = [turn("speyside", 1, 1.0, "not started"), *peers]
    assert verdict(summarize(only_failed), Target(CPU, 1.0)).state == "not met"


def test_target_without_speyside_or_without_the_peer_is_not_measured() -> None:
    without = [one for one in ROUNDS if one.server != "speyside"]
    assert verdict(summarize(without), Target(CPU, 1.0)).state == "not measured"
    alone = [one for one in ROUNDS if one.server == "speyside"]
    assert verdict(summarize(alone), Target(CPU, 1.0)).state == "not measured"
    assert verdict(summarize(ROUNDS), Target(CPU, 1.0, "gunicorn")).state == "not measured"


def test_columns_are_aligned() -> None:
    assert grid([["server", "x"], ["a", "1.00"]]) == ["server     x", "a       1.00"]


def test_table_shows_figures_failures_absentees_and_the_verdict() -> None:
    text = table(
        SCENARIO, [*ROUNDS, turn("granian", 4, 1.0, "wrk saw 3 read errors")], {"waitress": "not installed"}, 5
    )
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert rows["speyside"][1:4] == ["6.30", "24%", "0.88"]
    assert rows["bjoern"][1:7] == ["7.20", "3%", "1.00", "200", "0%", "1.00"]
    assert rows["granian"][-1] == "3/4"
    assert "FAILED granian, round 4: wrk saw 3 read errors" in text
    assert "not measured waitress: not installed" in text
    said = "MET, 0.88 × (speyside 6.30, bjoern 7.20); level: 0.85–1.25"
    assert f"target: CPU µs/req at most 1.00 × best peer: {said}" in text


def test_notes_name_noise_and_idle_workers() -> None:
    lines = notes(
        [Round("s", "a", 1, None, other_cpus=0.5), Round("s", "b", 2, None, other_cpus=0.05, workers_seen=3)], workers=4
    )
    assert lines == [
        "noise  a, round 1: other programs used 0.50 CPU meanwhile",
        "uneven b, round 2: only 3 of 4 workers answered anything",
    ]


@pytest.mark.parametrize(
    ("ours", "word"), [([5.0, 6.0, 6.5], "ahead"), ([5.0, 6.0, 7.0], "level"), ([7.1, 7.2, 9.0], "behind")]
)
def test_level_is_what_cannot_be_told_apart(ours: list[float], word: str) -> None:
    interval = paired(dict(enumerate(ours)), dict.fromkeys(range(3), 7.0))
    assert interval is not None and interval.words().startswith(word)
    turned = {"ahead": "behind", "behind": "ahead"}.get(word, word)
    assert interval.words(more_is_better=True).startswith(turned)


def test_rounds_are_paired_so_that_what_disturbs_both_shows_in_neither() -> None:
    interval = paired({1: 1.0, 2: 10.0, 4: 3.0}, {1: 2.0, 2: 20.0, 3: 9.0, 4: 6.0})
    assert interval is not None and (interval.low, interval.high, interval.rounds) == (0.5, 0.5, 3)
    assert paired({1: 1.0}, {1: 1.0}) is None
    assert paired({1: 1.0, 2: 1.0}, {3: 1.0}) is None


def test_confidence_is_that_of_coins() -> None:
    assert [confidence(rounds, 0) for rounds in (2, 3, 5)] == [0.5, 0.75, 0.9375]
    wide = paired({n: float(n) for n in range(1, 10)}, dict.fromkeys(range(1, 10), 1.0))
    # Of nine, one may be cut off at each end: more would be less than 95 %.
    assert wide is not None and (wide.low, wide.high) == (2.0, 8.0)


@pytest.mark.parametrize(("cost", "state"), [(6.9, "met"), (7.0, "not met")])
def test_a_difference_is_compared_with_its_limit(cost: float, state: str) -> None:
    target = Target(CPU, 0.65, of="speyside+log", against="speyside", minus=True)
    rounds = [turn("speyside", 1, 6.3), turn("speyside+log", 1, cost), turn("granian", 1, 1.0)]
    assert verdict(summarize(rounds), target).state == state
    assert verdict(summarize(rounds[1:]), target).state == "not measured"


@pytest.mark.parametrize(("rate", "state"), [(150.0, "met"), (149.0, "not met")])
def test_where_more_is_better_the_limit_is_the_least(rate: float, state: str) -> None:
    target = Target(RATE, 1.5, of="speyside+2l", against="speyside+1l")
    rounds = [
        turn("speyside+1l", 1, 1.0, requests_per_second=100.0),
        turn("speyside+2l", 1, 1.0, requests_per_second=rate),
    ]
    assert verdict(summarize(rounds), target).state == state


def test_a_late_generator_is_named() -> None:
    assert notes([Round("s", "a", 1, None, late_p99_ms=3.0)], 1) == [
        "late   a, round 1: the load generator's own timers were 3.0 ms late (p99)"
    ]
