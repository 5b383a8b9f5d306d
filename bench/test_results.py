"""RESULTS.md: nobody has to look for what is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.results import reasons, text
from scenarios import SCENARIOS

ABOUT = {
    "cpu": "a CPU",
    "cpus": [0, 1],
    "governor": None,
    "kernel": "6.1",
    "date": "2030-01-02",
    "speyside": "speyside 1",
    "commit": "abc",
    "python": "3.11",
    "wrk": "wrk 4",
    "rounds": 2,
    "seconds": 5.0,
    "load_average_before": 0.25,
    "versions": {"bjoern": "3.2", "pip": "23"},
    "programs": {"nginx": "nginx/1.22"},
}


def entry(name: str, ours: float, theirs: float, state: str, other_cpus: float = 0.0) -> dict[str, Any]:
    figures = {"speyside": ours, "bjoern": theirs}
    rounds = [
        {"server": server, "failure": None, "values": {"cpu_us": figure}, "other_cpus": other_cpus}
        for server, figure in figures.items()
    ]
    rounds.append({"server": "bjoern", "failure": "it fell", "values": {}, "other_cpus": 0.0})
    interval = {"low": ours / theirs - 0.1, "high": ours / theirs + 0.1}
    return {
        "scenario": name,
        "metric": "cpu_us",
        "limit": 0.9,
        "ratio": ours / theirs,
        "target": state,
        "interval": interval,
        "absent": {"uwsgi": "no compiler"},
        "rounds": rounds,
    }


def test_what_is_lost_by_most_stands_first_with_its_reason() -> None:
    entries = [entry("a", 5, 10, "met"), entry("b", 11, 10, "not met", 0.5), entry("c", 20, 10, "not met")]
    written = text([{"machine": ABOUT, "scenarios": entries}], reasons("# Head\n\n## c\n\nTwo copies.\n"))
    rows = [line for line in written.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `c` | CPU µs/req | 20.00 | bjoern 10.00 | 2.00 × | 1.90–2.10 | not met | – |",
        "| `b` | CPU µs/req | 11.00 | bjoern 10.00 | 1.10 × | 1.00–1.20, level | not met (noise: 0.50 CPU) | – |",
        "| `a` | CPU µs/req | 5.00 | bjoern 10.00 | 0.50 × | 0.40–0.60 | met | – |",
    ]
    assert "- `c`: Two copies.\n- `b`: not looked into yet.\n" in written
    assert (
        "- `a`, CPU µs/req: speyside 5.00, bjoern 10.00; not measured: uwsgi (no compiler); bjoern: it fell" in written
    )
    assert "- bjoern 3.2, nginx/1.22\n" in written


def test_what_was_run_apart_is_marked_and_stands_in_the_same_table() -> None:
    entries = [entry("a", 5, 10, "met")]
    entries[0]["rounds"].append({"server": "gunicorn", "failure": None, "values": {"cpu_us": 50.0}, "other_cpus": 0.0})
    later = {"machine": ABOUT | {"date": "2030-01-03"}, "scenarios": [entry("b", 9, 10, "met")]}
    written = text([{"machine": ABOUT, "scenarios": entries}, later], {})
    assert "- run apart: `b`. a CPU, 2 CPUs, governor unknown, Linux 6.1; 2030-01-03; speyside 1" in written
    assert [line.split(" | ")[0] for line in written.splitlines() if line.startswith("| `")] == ["| `b`", "| `a`"]
    assert "| 0.40–0.60 | met | 0.10 × |" in written


def test_every_reason_is_of_a_scenario_that_there_is() -> None:
    known = reasons((Path(__file__).parent / "reasons.md").read_text())
    assert known and set(known) <= set(SCENARIOS)
