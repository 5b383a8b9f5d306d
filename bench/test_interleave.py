"""Who is far behind is not measured again; whoever could be the best peer is, and so is Speyside."""

from __future__ import annotations

import pytest

from harness import interleave, report
from harness.answers import Expected
from harness.interleave import compare, far_behind
from harness.load import Wrk
from harness.metrics import CPU, LOST, P99, RATE, Metric
from harness.rounds import Round, Settings
from harness.running import NotStarted
from scenarios.base import Scenario, Target
from servers import SPEYSIDE, Server, by_name

TARGET = Target(CPU, 1.0)
NAMES = ("granian", "bjoern", "waitress", "epoll")
SCENARIO = Scenario("s", "", "", "m:app", Expected(b""), Wrk(), 1, 1, False, TARGET, NAMES)


def run(figures: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch, every: bool = False) -> list[Round]:
    """Four rounds in which each server has its figures, the last of them again and again; 0 is a failure, and a server
    without figures does not start."""

    def turn(scenario: Scenario, server: Server, number: int, settings: Settings) -> Round:
        if not figures[server.name]:
            raise NotStarted("no")
        values = figures[server.name]
        value = values[min(number, len(values)) - 1]
        return Round(scenario.name, server.name, number, None if value else "it hung", {CPU.key: value})

    monkeypatch.setattr(interleave, "one_round", turn)
    takers = [SPEYSIDE, *(by_name(name) for name in NAMES if name in figures)]
    return list(compare(SCENARIO, takers, Settings(4, 1.0, {}, "", every=every)))


def taken(rounds: list[Round]) -> dict[str, int]:
    return {name: sum(one.server == name for one in rounds) for name in {one.server for one in rounds}}


def test_the_far_behind_leave_early_and_speyside_never(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"speyside": [99.0], "bjoern": [7.0], "granian": [15.0], "waitress": [70.0], "epoll": [4.0]}
    rounds = run(figures, monkeypatch)
    assert taken(rounds) == {"speyside": 4, "bjoern": 4, "granian": 2, "waitress": 1, "epoll": 1}
    text = report.table(SCENARIO, rounds, {}, 1.0)
    assert "behind waitress: 10.0 × the best peer in round 1, not measured again" in text
    assert "behind granian: 2.1 × the best peer in round 2, not measured again" in text
    assert "behind epoll" not in text and "behind bjoern" not in text
    assert set(taken(run(figures, monkeypatch, every=True)).values()) == {4}


def test_one_bad_round_excludes_nobody_whose_other_one_was_good(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"speyside": [6.0], "bjoern": [7.0], "granian": [27.0, 8.0, 6.0]}
    assert taken(run(figures, monkeypatch)) == {"speyside": 4, "bjoern": 4, "granian": 4}


def test_who_does_not_start_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = run({"speyside": [6.0], "bjoern": [7.0], "granian": []}, monkeypatch)
    assert taken(rounds)["granian"] == 1
    assert [one.failure for one in rounds if one.server == "granian"] == ["not started: no"]


def test_a_peer_that_failed_twice_is_not_tried_again_and_speyside_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = run({"speyside": [0.0], "bjoern": [7.0], "granian": [0.0], "waitress": [0.0, 7.0]}, monkeypatch)
    assert taken(rounds) == {"speyside": 4, "bjoern": 4, "granian": 2, "waitress": 4}


@pytest.mark.parametrize(
    ("metric", "slow", "target", "out"),
    [
        (P99, 9.0, Target(P99, 1.0), {"waitress"}),
        (RATE, 0.2, Target(RATE, 1.0), {"waitress"}),
        (RATE, 9.0, Target(RATE, 1.0), {"granian"}),  # the other one is far behind
        (LOST, 9.0, Target(LOST, 0, absolute=True), set()),
        (CPU, 9.0, Target(CPU, 0.5, of="speyside+log", against="speyside", minus=True), set()),
        (CPU, 9.0, Target(CPU, 1.2, "granian"), set()),
    ],
)
def test_far_is_a_multiple_of_the_best_in_what_is_compared(
    metric: Metric, slow: float, target: Target, out: set[str]
) -> None:
    rounds = [
        Round("s", name, 1, None, {metric.key: value}) for name, value in {"granian": 1.0, "waitress": slow}.items()
    ]
    assert far_behind(target, rounds, 1).keys() == out
    assert far_behind(target, rounds, 3) == {}
    assert far_behind(target, [Round("s", "granian", 1, "died")], 1) == {}
