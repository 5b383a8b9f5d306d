"""Plots as SVG text, without a library: bars with the rounds as dots, ratios with their intervals, curves.

Callers need `bars`, `ratios` and `curves`. Colours are classes, which page.py styles for light and dark screens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
LABEL = 170
VALUE = 150
ROW = 24
FURTHEST = 8.0
LONGEST = 6.0


@dataclass(frozen=True)
class Bar:
    """One server: its figure, those of its rounds, and what kind of server it is (ours, peer or floor)."""

    label: str
    value: float
    dots: Sequence[float]
    kind: str
    text: str


@dataclass(frozen=True)
class Share:
    """One ratio: its interval where there is one, the limit that it should keep, and met, not met or another state."""

    label: str
    value: float
    low: float | None
    high: float | None
    limit: float
    state: str
    text: str


def text(x: float, y: float, words: str, anchor: str = "start", css: str = "") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(words)}</text>'


def picture(height: float, parts: Sequence[str], title: str) -> str:
    """The whole plot; the title is what a screen reader says."""
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return "\n".join([head, *parts, "</svg>"])


def bars(rows: Sequence[Bar], title: str) -> str:
    """Horizontal bars from zero, with a dot for each round. What is many times the smallest ends at the edge, open: one
    extreme must not press all others together. Its figure stands beside."""
    top = max((max([row.value, *row.dots]) for row in rows), default=0) or 1.0
    least = min((row.value for row in rows if row.value > 0), default=top)
    top = min(top, LONGEST * least)
    scale = (WIDTH - LABEL - VALUE) / top
    parts: list[str] = []
    for number, row in enumerate(rows):
        y = number * ROW
        parts.append(text(LABEL - 8, y + 16, row.label, "end", "ours" if row.kind == "ours" else ""))
        width = max(1.0, min(top, row.value) * scale)
        parts.append(f'<rect x="{LABEL}" y="{y + 4}" width="{width:.1f}" height="16" rx="2" class="{row.kind}"/>')
        if row.value > top:
            parts.append(f'<path d="{torn(LABEL + width, y + 2)}" class="torn"/>')
        parts += [
            f'<circle cx="{LABEL + dot * scale:.1f}" cy="{y + 12}" r="2.5" class="dot"/>'
            for dot in row.dots
            if dot <= top
        ]
        end = LABEL + min(top, max([row.value, *row.dots])) * scale
        parts.append(text(end + 8, y + 16, row.text))
    return picture(len(rows) * ROW + 4, parts, title)


def torn(x: float, y: float) -> str:
    """Where a bar goes on beyond the edge: a zigzag across it."""
    return f"M{x - 14:.1f},{y + 20:.1f} l6,-7 l-4,-4 l6,-9"


def ratios(rows: Sequence[Share], title: str) -> str:
    """A bar from 1.0 to each ratio on a logarithmic scale, its interval as a line, its limit as a mark."""
    known = [value for row in rows for value in (row.value, row.low, row.high, row.limit) if value and value > 0]
    # What is further away ends at the edge: one extreme must not press all others together. Its figure stands beside.
    reach = min(FURTHEST, max([2.0, *(max(value, 1 / value) for value in known)]))
    middle, half = (LABEL + WIDTH - VALUE) / 2, (WIDTH - VALUE - LABEL) / 2

    def at(value: float) -> float:
        return middle + half * math.log(min(reach, max(value, 1 / reach))) / math.log(reach)

    height = len(rows) * ROW
    parts = [f'<line x1="{middle}" y1="0" x2="{middle}" y2="{height}" class="axis"/>']
    for tick in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8):
        if 1 / reach <= tick <= reach:
            parts.append(text(at(tick), height + 14, f"{tick:g}×", "middle", "faint"))
    for number, row in enumerate(rows):
        y = number * ROW
        left, right = sorted((middle, at(row.value)))
        state = row.state.replace(" ", "-")
        parts.append(f'<a href="#{escape(row.label)}">' + text(LABEL - 8, y + 16, row.label, "end") + "</a>")
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 5}" width="{max(1, right - left):.1f}" height="14" class="{state}"/>'
        )
        if row.low and row.high:
            parts.append(
                f'<line x1="{at(row.low):.1f}" y1="{y + 12}" x2="{at(row.high):.1f}" y2="{y + 12}" class="whisker"/>'
            )
        if row.limit > 0:
            x = at(row.limit)
            parts.append(f'<line x1="{x:.1f}" y1="{y + 2}" x2="{x:.1f}" y2="{y + 22}" class="limit"/>')
        parts.append(text(WIDTH - VALUE + 10, y + 16, row.text))
    return picture(height + 20, parts, title)


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], kinds: Mapping[str, str], title: str) -> str:
    """A line per server, both axes logarithmic; its name stands where it ends."""
    height, bottom, left = 320, 290, 60
    points = [point for line in lines.values() for point in line if point[0] > 0 and point[1] > 0]
    if not points:
        return ""
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(y for _, y in points), max(y for _, y in points)

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / x_low) / (math.log(x_high / x_low) or 1)
        up = math.log(y / y_low) / (math.log(y_high / y_low) or 1)
        return left + across * (WIDTH - VALUE - left), bottom - up * (bottom - 20)

    parts = [f'<line x1="{left}" y1="{bottom}" x2="{WIDTH - VALUE}" y2="{bottom}" class="axis"/>']
    for x in sorted({x for x, _ in points}):
        parts.append(text(place(x, y_low)[0], bottom + 18, f"{x:,.0f}/s", "middle", "faint"))
    for y in [10.0**power for power in range(-3, 5)]:
        if y_low <= y <= y_high:
            parts.append(text(left - 6, place(x_low, y)[1] + 4, f"{y:g} ms", "end", "faint"))
    taken: list[float] = []
    for number, (name, line) in enumerate(lines.items()):
        places = [place(x, y) for x, y in line if x > 0 and y > 0]
        if not places:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        css = "ours" if kinds.get(name) == "ours" else f"line{number % 6}"
        parts.append(f'<polyline points="{path}" class="curve {css}"/>')
        end = places[-1][1] + 4
        while any(abs(end - other) < 14 for other in taken):
            end += 7
        taken.append(end)
        parts.append(text(places[-1][0] + 8, end, name, "start", css))
    return picture(height, parts, title)
