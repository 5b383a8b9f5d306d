"""A run's verdicts as RESULTS.md has them: what is lost first, with what is known of why.

Callers need `text`, which takes what run.py writes with --json and the reasons by scenario:
``python -m harness.results RESULTS.json [MORE.json …] REASONS.md > RESULTS.md`` in bench/. Scenarios that were run
apart from the first file's are marked so. REASONS.md is Markdown with a heading ``## SCENARIO`` over each reason.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import servers
from harness.machine import facts
from harness.metrics import METRICS, Metric
from harness.report import NOISE

Entry = Mapping[str, Any]
USUAL = "gunicorn"
ORDER = ("not met", "void", "not measured", "met")


def reasons(markdown: str) -> dict[str, str]:
    """The reason by scenario."""
    parts = re.split(r"^## (.+)\n", markdown, flags=re.MULTILINE)
    return {name.strip(): body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def rank(entry: Entry) -> tuple[int, float]:
    """What is lost first, and of that what is lost by most."""
    beyond = entry["ratio"] / entry["limit"] if entry["ratio"] is not None and entry["limit"] else 0.0
    return ORDER.index(entry["target"]), -beyond


def metric_of(entry: Entry) -> Metric:
    """What the scenario compares."""
    return next(metric for metric in METRICS if metric.key == entry["metric"])


def medians(entry: Entry, metric: Metric) -> dict[str, float]:
    """A figure by server, the best first; failed rounds are no part of it."""
    found: dict[str, list[float]] = {}
    for one in entry["rounds"]:
        if one["failure"] is None and metric.key in one["values"]:
            found.setdefault(one["server"], []).append(one["values"][metric.key])
    order = sorted(found, key=lambda name: median(found[name]), reverse=metric.more_is_better)
    return {name: median(found[name]) for name in order}


def others(entry: Entry) -> float:
    """CPUs that other programs used, in the median round."""
    used = [one["other_cpus"] for one in entry["rounds"] if one["failure"] is None]
    return median(used) if used else 0.0


def row(entry: Entry) -> str:
    """A scenario's line of the table."""
    metric, interval = metric_of(entry), entry["interval"]
    figures = medians(entry, metric)
    shown = {name: f"{value:,.{metric.digits}f}" for name, value in figures.items()}
    ours = ", ".join(f"{shown[n]}" + f" ({n})" * (n != "speyside") for n in figures if servers.is_ours(n)) or "–"
    best = next((f"{name} {shown[name]}" for name in figures if servers.is_peer(name)), "–")
    ratio = "–" if entry["ratio"] is None else f"{entry['ratio']:.2f} ×"
    span = "–" if interval is None else f"{interval['low']:.2f}–{interval['high']:.2f}"
    if interval is not None and interval["low"] <= 1.0 <= interval["high"]:
        span += ", level"
    noise = f" (noise: {others(entry):.2f} CPU)" if others(entry) > NOISE else ""
    cells = (f"`{entry['scenario']}`", metric.title, ours, best, ratio, span, entry["target"] + noise, beside(entry))
    return "| " + " | ".join(cells) + " |"


def beside(entry: Entry) -> str:
    """Our figure divided by that of the server that most people run."""
    figures = medians(entry, metric_of(entry))
    ours, theirs = figures.get(servers.SPEYSIDE.name), figures.get(USUAL)
    return f"{ours / theirs:.2f} ×" if ours is not None and theirs else "–"


def figures_of_all(entry: Entry) -> str:
    """Every server's figure, in a line."""
    metric = metric_of(entry)
    line = ", ".join(f"{name} {value:,.{metric.digits}f}" for name, value in medians(entry, metric).items())
    absent = "".join(f"; not measured: {name} ({why})" for name, why in entry["absent"].items())
    failed = sorted({f"{one['server']}: {one['failure']}" for one in entry["rounds"] if one["failure"]})
    return f"- `{entry['scenario']}`, {metric.title}: {line or 'nothing'}{absent}" + "".join(
        f"; {one}" for one in failed
    )


def apart(results: Mapping[str, Any]) -> str:
    """What another run than the first has brought."""
    named = ", ".join(f"`{entry['scenario']}`" for entry in results["scenarios"])
    machine, programs, rounds, _ = facts(results["machine"])
    return f"- run apart: {named}. {machine}; {programs}; {rounds}"


def text(runs: Sequence[Mapping[str, Any]], why: Mapping[str, str]) -> str:
    """The whole file: the first run, and what others add to it."""
    first, *more = runs
    entries = sorted((entry for one in runs for entry in one["scenarios"]), key=rank)
    lost = [entry["scenario"] for entry in entries if entry["target"] != "met"]
    lines = [
        "# Results",
        "",
        "Speyside beside other WSGI servers in one run; `make bench-full` makes one of all scenarios and peers. The "
        "figures are those of this machine; what counts is the ratio to the best peer of the same run. README.md has "
        "scenarios, targets and method.",
        "",
        *(f"- {fact}" for fact in facts(first["machine"])),
        *(apart(one) for one in more),
        "",
        "What is lost stands first. `level`: 1.0 lies within the interval, so the run does not tell which is better. "
        "The last column is Speyside's figure divided by that of gunicorn (gthread), which most people run.",
        "",
        "| scenario | figure | Speyside | best peer | ratio | interval | target | beside gunicorn |",
        "|---|---|---|---|---|---|---|---|",
        *(row(entry) for entry in entries),
        "",
        "## What is known of those that are not met",
        "",
        *(f"- `{name}`: {why.get(name, 'not looked into yet.')}" for name in lost),
        "",
        "## All servers",
        "",
        *(figures_of_all(entry) for entry in entries),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    *files, markdown = (Path(word) for word in sys.argv[1:])
    print(text([json.loads(file.read_text()) for file in files], reasons(markdown.read_text())), end="")
