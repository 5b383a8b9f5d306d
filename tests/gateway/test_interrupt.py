"""interrupt(): RequestTimeout reaches the request it is meant for, and no other."""

import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from front import Front, N, until
from speyside import RequestTimeout, _gateway, stacks


def filling(front: Front, slot: int) -> int:
    return front.get("Slot", front.slot_at(slot), "State") >> 32


def awake(front: Front, found: object) -> bool:
    """Ring the thread while what it has to do has not been found."""
    return bool(found) or bool(front.ring(0, 0)) and False


def busy(environ: Any, start_response: Any) -> list[bytes]:
    while True:
        pass


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_interrupted_application_gives_the_slot_back_unreported(front: Front, quick_switches: None) -> None:
    with front.serving(busy):
        front.push(front.fill(0))
        until(lambda: _gateway.running(0, filling(front, 0)))
        front.set_state(0, N.StateAbandoned)
        told = stacks.interrupt(0, filling(front, 0))
        until(lambda: front.state(0) == N.StateDone)
    assert "in busy" in told
    assert not front.reports


def test_close_runs_after_an_interrupt_of_the_iteration(front: Front, quick_switches: None) -> None:
    class Endless:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b""

        def close(self) -> None:
            for _ in range(1000):  # long enough for an interrupt that is late
                self.closed += 1

    body = Endless()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    with front.serving(application):
        front.push(front.fill(0))
        until(lambda: _gateway.running(0, filling(front, 0)))
        assert _gateway.interrupt(0, filling(front, 0), RequestTimeout)
        until(lambda: front.state(0) == N.StateDone)
    assert body.closed == 1000 and not front.reports


def test_another_filling_another_slot_and_a_second_time_are_refused(front: Front, quick_switches: None) -> None:
    caught: list[int] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        while not caught:
            try:
                while True:
                    pass
            except RequestTimeout:
                caught.append(1)
        while len(caught) < 2:
            pass
        start_response("200 OK", [])
        return []

    with front.serving(application):
        front.push(front.fill(0))
        until(lambda: _gateway.running(0, filling(front, 0)))
        now = filling(front, 0)
        assert not _gateway.interrupt(0, now + 1, RequestTimeout)
        assert not _gateway.interrupt(1, now, RequestTimeout)
        with pytest.raises(TypeError):
            _gateway.interrupt(0, now, 7)  # type: ignore[arg-type]
        assert _gateway.interrupt(0, now, RequestTimeout)
        until(lambda: caught)
        assert not _gateway.interrupt(0, now, RequestTimeout)
        caught.append(2)
        until(lambda: front.state(0) == N.StateDone)
        assert not _gateway.interrupt(0, now, RequestTimeout) and _gateway.running(0, now) == 0
    assert not front.reports


def test_interrupt_never_lands_in_another_request(front: Front, quick_switches: None) -> None:
    """Five thousand timeouts at any instant, of threads that run Python code: none is late, and nothing crashes."""
    wrong: list[object] = []
    interrupted = 0

    def application(environ: Any, start_response: Any) -> list[bytes]:
        try:
            end = time.perf_counter() + float(environ["QUERY_STRING"])
            while time.perf_counter() < end:
                pass
        except RequestTimeout:
            if environ["PATH_INFO"] != "/interrupt":
                wrong.append(environ["PATH_INFO"])
            raise
        start_response("200 OK", [])
        return [b"answer"]

    shuffle = random.Random(20_260)
    with front.serving(application):
        for _ in range(5000):
            spell = shuffle.choice([0.0002, 0.0004, 0.001])
            front.push(front.fill(0, target=b"/interrupt?%f" % spell))
            now = filling(front, 0)
            until(lambda now=now: awake(front, _gateway.running(0, now)) or front.state(0) == N.StateDone)  # type: ignore[misc]
            interrupted += stacks.interrupt(0, now) != ""
            front.push(front.fill(1, target=b"/other?0.00002"))
            until(lambda: awake(front, front.state(0) == front.state(1) == N.StateDone))
    assert not wrong and not front.reports
    assert interrupted > 200, interrupted


def test_identifier_is_in_the_environ_and_in_reports(front: Front) -> None:
    assert front.environ(RequestID=0x1F)["speyside.request_id"] == "boot-1f"
    assert front.environ(RequestID=2**64 - 1)["speyside.request_id"] == "boot-" + "f" * 16
    front.ask(lambda environ, start_response: 1 / 0, RequestID=9)
    assert front.identifiers == ["boot-9"]
