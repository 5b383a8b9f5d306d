"""The guard cries when the rounds agree, and only then."""

from __future__ import annotations

import pytest

import guard
from harness import report
from harness.intervals import paired
from harness.metrics import CPU
from harness.rounds import Round
from scenarios import SCENARIOS


def rounds(server: str, *values: float, failure: str | None = None) -> list[Round]:
    return [Round("hello", server, number, failure, {CPU.key: value}) for number, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("ours", "bad"),
    [
        ([1.06, 1.07, 1.20, 1.07, 1.06], True),
        ([1.04, 1.20, 1.30, 1.20, 1.20], False),  # one round does not agree
        ([1.20, 1.20, 1.30, 1.20], False),  # too few
        ([0.90, 0.95, 1.00, 0.91, 0.92], False),
    ],
)
def test_slower_is_what_all_rounds_say(ours: list[float], bad: bool) -> None:
    interval = paired(dict(enumerate(ours)), dict.fromkeys(range(5), 1.0))
    assert guard.judge("hello", interval, guard.ALLOWED)[0] is bad
    assert guard.judge("hello", None, guard.ALLOWED)[0] is False


def test_both_comparisons_are_made_and_a_failed_round_is_bad() -> None:
    entry = SCENARIOS["hello"]
    peers = [*rounds("granian", *[9.0] * 5), *rounds("bjoern", *[7.0] * 5), *rounds("epoll", *[1.0] * 5)]
    good = report.summarize([*rounds("speyside", *[6.0] * 5), *rounds(guard.BEFORE, *[5.0] * 5), *peers])
    (slower, before), (behind, best) = guard.compare(entry, good)
    assert slower and "against speyside+before: TOO SLOW, 1.20" in before
    assert not behind and "against bjoern: fine, 0.86" in best
    failed = report.summarize([*rounds("speyside", 6.0), *rounds("speyside", 6.0, failure="died"), *peers])
    assert guard.compare(entry, failed) == [(True, "hello: a round of speyside failed")]


def test_a_commit_that_is_not_there_is_said() -> None:
    with pytest.raises(SystemExit, match="no commit nowhere-such"):
        guard.commit("nowhere-such")
