"""The page is whole, needs nothing from elsewhere, and shows what the figures say."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from harness import plots, report
from harness.load import Point
from harness.metrics import CPU, P99, PSS, PSS_START
from harness.page import page
from harness.rounds import Round
from scenarios import SCENARIOS

ABOUT = {
    "cpu": "a <fast> one", "cpus": [0, 1], "governor": None, "kernel": "6", "speyside": "speyside 1", "commit": "abc",
    "python": "3.11", "wrk": "wrk 4", "rounds": 3, "seconds": 5.0, "date": "2026", "load_average_before": 0.1,
    "versions": {"granian": "2.8"}, "programs": {},
}  # fmt: skip


def entry(name: str, rounds: list[Round]) -> dict[str, Any]:
    """As run.py writes it."""
    scenario = SCENARIOS[name]
    outcome = report.verdict(report.summarize(rounds), scenario.target)
    return {
        "scenario": name, "what": scenario.what, "why": scenario.why, "metric": scenario.target.metric.key,
        "limit": scenario.target.limit, "ratio": outcome.ratio, "target": outcome.state, "text": outcome.text,
        "absent": {"bjoern": "no <ev.h>"}, "interval": outcome.interval and dataclasses.asdict(outcome.interval),
        "rounds": [dataclasses.asdict(one) for one in rounds],
    }  # fmt: skip


def turns(server: str, *values: float, key: str = CPU.key, **more: Any) -> list[Round]:
    return [Round("s", server, number, None, {key: value}, **more) for number, value in enumerate(values, 1)]


@pytest.fixture(scope="module")
def whole() -> str:
    curve = tuple(Point(rate, 100.0, rate * 2.0) for rate in (500, 1000, 2000))
    memory = [Round("s", "speyside", 1, None, {PSS.key: 40.0, PSS_START.key: 30.0})]
    results = {
        "machine": ABOUT,
        "scenarios": [
            entry(
                "hello", [*turns("speyside", 6.0, 6.1, 6.2), *turns("granian", 12.0, 12.1, 12.2), *turns("epoll", 1.0)]
            ),
            entry(
                "latency-rates", [*turns("speyside", 2.0, key=P99.key, curve=curve), Round("s", "granian", 1, "died")]
            ),
            entry("memory", memory),
        ],
    }
    return page(json.loads(json.dumps(results)))


def test_it_needs_nothing_from_elsewhere(whole: str) -> None:
    class Tags(HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found.append(tag)
            assert "src" not in dict(attrs) and (dict(attrs).get("href") or "#").startswith("#")

    tags = Tags()
    tags.feed(whole)
    assert {"svg", "table", "style"} <= set(tags.found) and not {"script", "link", "img"} & set(tags.found)
    assert "url(" not in whole and "@import" not in whole


def test_every_plot_is_well_formed_and_every_server_is_in_it(whole: str) -> None:
    drawn = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", whole, re.DOTALL)]
    words = [[text.text for text in svg.iter("text")] for svg in drawn]
    assert len(drawn) == 6  # ratios; hello; latency and its curve; memory at start and at the end
    assert {"hello", "0.50× met"} <= set(words[0])
    assert 'href="#hello"' in whole and "id='hello'" in whole and "Targets: 1 met, 2 not measured." in whole
    assert words[1] == ["epoll", "1.00", "speyside", "6.10", "granian", "12.10"]
    assert drawn[3].find("polyline") is not None and "2,000/s" in words[3]


def test_names_reasons_and_failures_are_shown_and_escaped(whole: str) -> None:
    assert "a &lt;fast&gt; one" in whole and "bjoern: no &lt;ev.h&gt;" in whole
    assert "granian, round 1: died" in whole


def test_a_ratio_lies_on_the_side_that_it_belongs_to() -> None:
    rows = [plots.Share("a", 0.5, 0.4, 0.6, 0.9, "met", ""), plots.Share("b", 2.0, None, None, 1.0, "not met", "")]
    svg = ElementTree.fromstring(plots.ratios(rows, "t"))
    middle = float(svg.findall("line")[0].attrib["x1"])
    first, second = svg.findall("rect")
    assert float(first.attrib["x"]) < middle and first.attrib["class"] == "met"
    assert float(second.attrib["x"]) == pytest.approx(middle, abs=0.1) and second.attrib["class"] == "not-met"


def test_extremes_end_at_the_edge_and_names_do_not_lie_on_each_other() -> None:
    rows = [
        plots.Share("a", 0.0001, None, None, 1.0, "met", ""),
        plots.Share("b", 900.0, None, None, 1.0, "not met", ""),
    ]
    for rect in ElementTree.fromstring(plots.ratios(rows, "t")).findall("rect"):
        assert float(rect.attrib["x"]) >= plots.LABEL
        assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= plots.WIDTH - plots.VALUE + 0.1
    bars = [plots.Bar(name, value, [value], "peer", "") for name, value in {"a": 6.0, "b": 9.0, "c": 900.0}.items()]
    svg = ElementTree.fromstring(plots.bars(bars, "t"))
    assert [float(rect.attrib["width"]) * plots.LONGEST for rect in svg.findall("rect")] == pytest.approx(
        [(plots.WIDTH - plots.VALUE - plots.LABEL) * share for share in (1, 1.5, plots.LONGEST)]
    )
    assert len(svg.findall("path")) == 1 and len(svg.findall("circle")) == 2
    lines = {name: [(1.0, 1.0), (2.0, 5.0)] for name in "abc"}
    svg = ElementTree.fromstring(plots.curves(lines, {}, "t"))
    places = sorted(float(text.attrib["y"]) for text in svg.findall("text") if text.text in lines)
    assert all(below - above >= 14 for above, below in zip(places, places[1:], strict=False))
