"""Counting system calls, without perf: what it prints is read right."""

from __future__ import annotations

import pytest

import calls
from calls import Count

PRINTED = """# started on Mon

20,,raw_syscalls:sys_enter,1000,100.00,,
8,,syscalls:sys_enter_read,1000,100.00,,
10,,syscalls:sys_enter_sendto,1000,100.00,,
5,,context-switches,1000,100.00,,
"""


def test_calls_are_named_most_frequent_first_and_the_rest_is_told() -> None:
    counted = Count(10, calls.parse(PRINTED))
    assert counted.named() == pytest.approx({"sendto": 1.0, "read": 0.8, "others": 0.2})
    assert list(counted.named()) == ["sendto", "read", "others"]
    assert counted.per_request(calls.SWITCHES) == 0.5


@pytest.mark.parametrize("said", ["<not supported>", "<not counted>"])
def test_an_event_that_was_not_counted_is_an_error_and_no_zero(said: str) -> None:
    with pytest.raises(ValueError, match=f"did not count syscalls:sys_enter_read: {said}"):
        calls.parse(PRINTED.replace("8,", f"{said},", 1))
