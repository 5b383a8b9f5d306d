"""The log record by record, and what it says of requests whose workers died."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

BEGINS = re.compile(r"^(?=\d{4}-\d\d-\d\d )", re.MULTILINE)
DEATH = re.compile(r"worker reaped worker=\d+ pid=(\d+) ")
HELD = re.compile(r"^    thread \d+: (.+) for (less than 100ms|\S+), id=\S+ client=\S*( \(not begun: )?", re.MULTILINE)
DURATION = re.compile(r"([\d.]+)(h|ms|m|s)")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Held:
    """A request that a worker had when it died, as the record of the death says."""

    request: str
    pid: int
    age: float  # seconds since it was seen to have been started; 0: it was not yet at the last look, within 100 ms
    begun: bool


def split(log: str) -> list[str]:
    """Return the records of a log, each with the lines that belong to it."""
    return [text for text in BEGINS.split(log) if text]


def held(records: list[str]) -> Iterator[Held]:
    """Yield what the workers had that have died."""
    for record in records:
        if death := DEATH.search(record):
            for request, age, unbegun in HELD.findall(record):
                yield Held(request, int(death[1]), seconds(age), not unbegun)


def seconds(age: str) -> float:
    """Return how long "1m2.5s" is."""
    return sum(float(number) * UNITS[unit] for number, unit in DURATION.findall(age)) if age[0].isdigit() else 0.0
