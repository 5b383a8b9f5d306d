"""Drawing flame graphs, without perf: stacks are read, shared out and cut right."""

from __future__ import annotations

import pytest

import flame

FOLDED = """speyside;main;turn;sendto;tcp_[k] 60
speyside;main;turn;parse 30
python3.11;serve;app 9
python3.11;serve;rare 1
"""


def test_what_is_written_is_what_was_read() -> None:
    stacks = flame.parse(FOLDED)
    assert stacks["speyside", "main", "turn", "parse"] == 30
    assert flame.parse(flame.folded(stacks)) == stacks


def test_names_of_functions_may_have_spaces() -> None:
    assert flame.parse("python;operator new (long) 3\n") == {("python", "operator new (long)"): 3}


@pytest.mark.parametrize("line", ["main;turn", "main;turn x", " 3"])
def test_a_line_that_is_no_stack_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="no folded stack"):
        flame.parse(line)


def test_processes_are_called_by_what_they_are_for() -> None:
    assert {frames[0] for frames in flame.by_role(flame.parse(FOLDED), "speyside")} == {"front", "worker"}
    assert {frames[0] for frames in flame.by_role(flame.parse(FOLDED), "fastpysgi")} == {"fastpysgi"}


def test_a_function_that_calls_itself_counts_once() -> None:
    assert flame.shares({("main", "eval", "eval"): 3, ("main",): 1}) == {"main": 1.0, "eval": 0.75}


def test_recordings_are_added_up() -> None:
    assert flame.merged([{("a",): 1, ("b",): 2}, {("a",): 3}]) == {("a",): 4, ("b",): 2}


def test_rare_frames_count_for_their_callers() -> None:
    stacks = flame.pruned(flame.parse(FOLDED), least=0.05)
    assert stacks["python3.11", "serve"] == 1
    assert ("python3.11", "serve", "rare") not in stacks
    assert sum(stacks.values()) == 100
