"""A thread that has claimed a request lets go first who waits for the GIL, and starts the request after."""

import _thread
import functools
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from front import Front, N, Reply
from speyside import _gateway

WAITS = 30
MANY = [(b"X-Field-%d" % number, b"value" * 10) for number in range(90)]  # so that building the environ takes a while


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_request_that_waits_for_the_gil_has_not_been_started(front: Front, quick_switches: None) -> None:
    """What is started is lost with its worker; what waits for another thread, which may end the worker, must not be."""
    called: set[int] = set()
    waits: dict[int, int] = {}
    asked, over = 0, threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        called.add(asked)
        start_response("204 No Content", [])
        return []

    def want_the_gil() -> None:
        while not over.is_set():
            state, request = front.state(0), asked
            if state in (N.StateClaimed, N.StateStarted) and request not in called:
                waits[request] = state

    thread = threading.Thread(target=want_the_gil)
    thread.start()
    try:
        while len(waits) < WAITS:
            asked += 1
            front.push(front.fill(0, fields=MANY))
            assert _gateway.serve(application, 0, 0, 1) == 1
            front.set_state(0, N.StateFree)
    finally:
        over.set()
        thread.join()
    started = sum(state == N.StateStarted for state in waits.values())
    assert started < WAITS // 4, f"{started} of {len(waits)} requests waited for the GIL after their start"


def test_signal_before_the_start_ends_that_request_only(front: Front) -> None:
    class Raised(Exception):
        pass

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter((b"served",))

        close = functools.partial(_thread.interrupt_main, signal.SIGUSR1)  # Python has no occasion to handle it here

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body() if environ["PATH_INFO"] == "/first" else [b"served"]

    def handle(number: int, frame: object) -> None:
        raise Raised

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        for slot, target in enumerate((b"/first", b"/second", b"/third")):
            front.push(front.fill(slot, target=target))
        assert _gateway.serve(application, 0, 0, 3) == 3
    finally:
        signal.signal(signal.SIGUSR1, before)
    replies = [Reply(), Reply(), Reply()]
    assert all(front.take(slot, reply) for slot, reply in enumerate(replies))
    assert [reply.failed for reply in replies] == [False, True, False]
    ((code, detail, _, path, exception),) = front.reports
    assert (detail, path) == ("raised by the call of the application", "/second")
    assert isinstance(exception, Raised), code
