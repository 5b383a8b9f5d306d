"""adapt_switch_interval(): threads change sooner while a request computes beside others, and only then."""

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from front import Front, N, Reply, until
from speyside import _gateway

EAGER = 0.0005


class Slow:
    """An application whose /slow takes until it is let go, computing or waiting; the rest say the interval they saw."""

    def __init__(self, computes: bool) -> None:
        self.computes = computes
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.seen: list[float] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            self.begun.set()
            if not self.computes:
                self.let_go.wait(10)
            while not self.let_go.is_set():
                pass
        else:
            self.seen.append(sys.getswitchinterval())
        start_response("200 OK", [])
        return [b""]


@pytest.fixture(params=[0.005, 0.003])
def normal(request: pytest.FixtureRequest) -> Iterator[float]:
    """Python's own interval, or one that the application has set."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(request.param)
    _gateway.adapt_switch_interval(True)
    yield sys.getswitchinterval()
    _gateway.adapt_switch_interval(False)
    sys.setswitchinterval(before)


def ask(front: Front, application: Slow, slot: int = 1) -> float:
    """The interval that a request sees which begins now."""
    count = len(application.seen)
    front.push(front.fill(slot))
    until(lambda: front.ring(0, 0) or front.ring(0, 1) or len(application.seen) > count)
    until(lambda: front.state(slot) == N.StateDone)
    front.take(slot, Reply())
    front.set_state(slot, N.StateFree)
    return application.seen[-1]


def begin_slow(front: Front, application: Slow) -> None:
    front.push(front.fill(0, target=b"/slow"))
    until(lambda: front.ring(0, 0) or front.ring(0, 1) or application.begun.is_set())


def let_go(front: Front, application: Slow) -> None:
    application.let_go.set()
    until(lambda: front.state(0) == N.StateDone)
    front.take(0, Reply())


def asked_for(front: Front, application: Slow, seconds: float) -> set[float]:
    """What requests see, one after another for some time."""
    end = time.monotonic() + seconds
    seen: set[float] = set()
    while time.monotonic() < end:
        seen.add(ask(front, application))
    return seen


def test_interval_is_short_beside_a_request_that_computes_and_comes_back(front: Front, normal: float) -> None:
    application = Slow(computes=True)
    with front.serving(application, 0), front.serving(application, 1):
        assert ask(front, application) == normal
        begin_slow(front, application)
        until(lambda: ask(front, application) == EAGER)
        let_go(front, application)
        until(lambda: ask(front, application) == normal)
        assert sys.getswitchinterval() == normal


def test_interval_comes_back_when_no_request_follows(front: Front, normal: float) -> None:
    application = Slow(computes=True)
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        until(lambda: ask(front, application) == EAGER)
        let_go(front, application)
        until(lambda: sys.getswitchinterval() == normal)


def test_interval_stays_beside_a_request_that_waits(front: Front, normal: float) -> None:
    application = Slow(computes=False)
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        until(lambda: asked_for(front, application, 0.15) == {normal})  # what the thread did before is out of sight
        assert asked_for(front, application, 0.3) == {normal}
        let_go(front, application)


def test_what_the_application_sets_meanwhile_stays(front: Front, normal: float) -> None:
    application = Slow(computes=True)
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        until(lambda: ask(front, application) == EAGER)
        sys.setswitchinterval(0.002)
        let_go(front, application)
        end = time.monotonic() + 0.3
        until(lambda: ask(front, application) and time.monotonic() > end)
        assert sys.getswitchinterval() == 0.002


def test_an_interval_that_is_shorter_already_stays(front: Front, normal: float) -> None:
    application = Slow(computes=True)
    sys.setswitchinterval(0.00025)
    shorter = sys.getswitchinterval()
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        assert asked_for(front, application, 0.1) == {shorter}
        let_go(front, application)


def test_without_it_the_interval_is_left_alone(front: Front, normal: float) -> None:
    _gateway.adapt_switch_interval(False)
    application = Slow(computes=True)
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        assert asked_for(front, application, 0.1) == {normal}
        let_go(front, application)


def test_switching_it_off_puts_the_interval_back(front: Front, normal: float) -> None:
    application = Slow(computes=True)
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        until(lambda: ask(front, application) == EAGER)
        _gateway.adapt_switch_interval(False)
        assert sys.getswitchinterval() == normal
        let_go(front, application)


def test_an_interval_that_cannot_be_set_is_told_once_and_costs_no_request(
    front: Front, normal: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda fault: told.append(fault.exc_type))

    def refuse(seconds: float) -> None:
        raise PermissionError(seconds)

    application = Slow(computes=True)
    with front.serving(application, 0), front.serving(application, 1):
        begin_slow(front, application)
        monkeypatch.setattr(sys, "setswitchinterval", refuse)
        until(lambda: ask(front, application) and told)
        asked_for(front, application, 0.1)
        let_go(front, application)
    monkeypatch.undo()
    assert told == [PermissionError]
    assert set(application.seen) == {normal}
