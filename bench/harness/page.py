"""A run's figures as one HTML page that needs nothing else: no script, no font, no other file.

Callers need `page`, which takes what run.py writes with --json, so that an old run can be drawn again:
``python -m harness.page RESULTS.json > page.html`` in bench/.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

import servers
from harness import plots
from harness.machine import facts
from harness.metrics import METRICS, PSS, PSS_START, Metric

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2430; --faint: #778; --rule: #d8dce4;
  --ours: #b8561b; --peer: #9fb0c8; --floor: #d5dae2; --good: #3f8f5f; --bad: #b8434e; --grey: #a9adb5; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181f; --ink: #e4e7ec; --faint: #98a0ad; --rule: #333a46;
  --ours: #e08a4a; --peer: #56688a; --floor: #39414e; --good: #5fb583; --bad: #dd6b75; --grey: #6a707b; } }
body { font: 15px/1.5 system-ui, sans-serif; background: var(--paper); color: var(--ink);
  max-width: 920px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.7em; } h2 { font-size: 1.2em; margin-top: 2.2em; border-top: 1px solid var(--rule); padding-top:
1em; }
svg { width: 100%; height: auto; } svg text { font-size: 12.5px; fill: var(--ink); }
svg text.faint, .faint { fill: var(--faint); color: var(--faint); } svg text.ours { fill: var(--ours); font-weight:
600; }
rect.ours { fill: var(--ours); } rect.peer { fill: var(--peer); } rect.floor { fill: var(--floor); }
rect.met { fill: var(--good); } rect.not-met { fill: var(--bad); } rect.void, rect.not-measured { fill: var(--grey); }
svg a text:hover { text-decoration: underline; } .torn { fill: none; stroke: var(--paper); stroke-width: 3; }
.dot { fill: var(--ink); opacity: .55; } .axis { stroke: var(--rule); } .whisker { stroke: var(--ink);
stroke-width: 2; }
.limit { stroke: var(--ink); stroke-dasharray: 3 2; } .curve { fill: none; stroke-width: 2; }
.curve.ours { stroke: var(--ours); stroke-width: 3; } .line0 { stroke: #5b7fb8; } .line1 { stroke: #3f9a92; }
.line2 { stroke: #8a63b0; } .line3 { stroke: #a88c28; } .line4 { stroke: #b85f8c; } .line5 { stroke: #788596; }
svg text.line0, svg text.line1, svg text.line2, svg text.line3, svg text.line4, svg text.line5 { stroke: none; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
td, th { padding: .15em .8em; text-align: right; border-bottom: 1px solid var(--rule); }
td:first-child, th:first-child { text-align: left; } .verdict { font-weight: 600; }
summary { cursor: pointer; color: var(--faint); }
"""

Entry = Mapping[str, Any]


def kind(server: str) -> str:
    """Ours, peer or floor."""
    return "ours" if servers.is_ours(server) else "peer" if servers.is_peer(server) else "floor"


def series(entry: Entry, key: str) -> dict[str, list[float]]:
    """A figure's good rounds by server."""
    found: dict[str, list[float]] = {}
    for one in entry["rounds"]:
        if one["failure"] is None and key in one["values"]:
            found.setdefault(one["server"], []).append(one["values"][key])
    return found


def bar_plot(entry: Entry, metric: Metric) -> str:
    """One figure of all servers, the best first."""
    rows = [
        plots.Bar(name, median(dots), dots, kind(name), f"{median(dots):,.{metric.digits}f}")
        for name, dots in series(entry, metric.key).items()
    ]
    rows.sort(key=lambda row: row.value, reverse=metric.more_is_better)
    return plots.bars(rows, f"{entry['scenario']}: {metric.title}") if rows else ""


def ratio_plot(entries: list[Entry]) -> str:
    """Every comparison that is a ratio, the worst first, because that is what a reader should see first."""
    rows: list[plots.Share] = []
    for entry in entries:
        if entry["ratio"] is None:
            continue
        interval = entry["interval"] or {}
        level = bool(interval) and interval["low"] <= 1.0 <= interval["high"]
        words = f"{entry['ratio']:.2f}× {entry['target']}" + (", level" if level else "")
        low, high = interval.get("low"), interval.get("high")
        rows.append(plots.Share(entry["scenario"], entry["ratio"], low, high, entry["limit"], entry["target"], words))
    rows.sort(key=lambda row: -row.value / row.limit if row.limit else 0)
    return plots.ratios(rows, "ratio to the best peer of each scenario")


def curve_plot(entry: Entry) -> str:
    """The median p99 of the rounds against the rate, for scenarios that have one."""
    seen: dict[str, dict[float, list[float]]] = {}
    for one in entry["rounds"]:
        for point in one["curve"] if one["failure"] is None else ():
            seen.setdefault(one["server"], {}).setdefault(point["rate"], []).append(point["p99_us"] / 1000)
    lines = {name: [(rate, median(of)) for rate, of in sorted(rates.items())] for name, rates in seen.items()}
    return plots.curves(lines, {name: kind(name) for name in lines}, f"{entry['scenario']}: p99 against rate")


def table(entry: Entry) -> str:
    """All figures of all servers, and what went wrong."""
    metrics = [metric for metric in METRICS if series(entry, metric.key)]
    columns = {metric.key: series(entry, metric.key) for metric in metrics}
    head = "".join(f"<th>{escape(metric.title)}</th>" for metric in metrics)
    rows = []
    for name in dict.fromkeys(one["server"] for one in entry["rounds"]):
        cells = [columns[metric.key].get(name) for metric in metrics]
        shown = [f"{median(c):,.{m.digits}f}" if c else "–" for c, m in zip(cells, metrics, strict=True)]
        rows.append(f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{cell}</td>" for cell in shown) + "</tr>")
    failed = [f"{one['server']}, round {one['number']}: {one['failure']}" for one in entry["rounds"] if one["failure"]]
    failed += [f"{name}: {reason}" for name, reason in entry["absent"].items()]
    notes = "".join(f"<li>{escape(note)}</li>" for note in failed)
    return (
        "<details><summary>all figures</summary><div class='scroll'><table>"
        f"<tr><th>server</th>{head}</tr>{''.join(rows)}</table></div><ul>{notes}</ul></details>"
    )


def sentence(words: str) -> str:
    """As HTML, from a capital letter to a full stop."""
    return escape(words[:1].upper() + words[1:]) + "."


def tally(entries: list[Entry]) -> str:
    """How many targets there are of each outcome."""
    states = [entry["target"] for entry in entries]
    counts = {state: states.count(state) for state in ("met", "not met", "void", "not measured")}
    return "Targets: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count) + "."


def section(entry: Entry) -> str:
    """One scenario."""
    metric = next(metric for metric in METRICS if metric.key == entry["metric"])
    shown = [PSS_START, PSS] if metric == PSS else [metric]
    parts = [f"<h2 id='{entry['scenario']}'>{escape(entry['scenario'])}</h2><p>{sentence(entry['what'])}</p>"]
    parts.append(f"<p class='faint'>{sentence(entry['why'])}</p><p class='verdict'>{escape(entry['text'])}</p>")
    for one in shown:
        better = "more" if one.more_is_better else "less"
        parts.append(f"<p class='faint'>{escape(one.title)} ({better} is better), a dot for each round</p>")
        parts.append(bar_plot(entry, one))
    return "\n".join([*parts, curve_plot(entry), table(entry)])


def page(results: Mapping[str, Any]) -> str:
    """The whole page."""
    about, entries = results["machine"], results["scenarios"]
    return "\n".join([
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'><title>Speyside's benchmark</title>",
        f"<style>{STYLE}</style><h1>Speyside beside other WSGI servers</h1>",
        *(f"<div class='faint'>{escape(fact)}</div>" for fact in facts(about)),
        "<p>Each bar is Speyside's figure divided by that of the best peer of the same run: left of 1× is better "
        "where less is "
        f"better. The black line is the interval, the dashed mark the target. What loses most stands first. "
        f"{tally(entries)}</p>",
        ratio_plot(entries),
        *(section(entry) for entry in entries),
        "</html>\n",
    ])  # fmt: skip


if __name__ == "__main__":
    print(page(json.loads(Path(sys.argv[1]).read_text())))
