"""The figures of a round. Callers need the constants; METRICS is their order in the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One figure: its key in the raw results, its title, and which way is better."""

    key: str
    title: str
    digits: int
    more_is_better: bool = False


CPU = Metric("cpu_us", "CPU µs/req", 2)
RATE = Metric("requests_per_second", "req/s", 0, more_is_better=True)
P50 = Metric("p50_ms", "p50 ms", 3)
P99 = Metric("p99_ms", "p99 ms", 2)
SLOW = Metric("slow_per_second", "slow req/s", 1, more_is_better=True)
FIRST = Metric("first_answer_ms", "first answer ms", 0)
LOST = Metric("lost", "lost", 0)
PSS_START = Metric("pss_start_mib", "PSS MiB at start", 1)
PSS = Metric("pss_mib", "PSS MiB", 1)
METRICS = (CPU, RATE, P50, P99, SLOW, FIRST, LOST, PSS_START, PSS)
