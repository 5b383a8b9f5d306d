"""A thread that has claimed a request lets go first who waits for the GIL, and starts the request after."""

import _thread
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from front import Front, N, Reply, until
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


def test_signal_before_the_start_is_told_where_the_switch_interval_follows_what_runs(front: Front) -> None:
    """Beside a request that computes, who begins asks Python for the interval: not while an exception is set."""

    class Raised(Exception):
        pass

    begun, let_go = threading.Event(), threading.Event()

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter((b"served",))

        close = functools.partial(_thread.interrupt_main, signal.SIGUSR1)  # Python has no occasion to handle it here

    def computing(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        while not let_go.is_set():
            pass
        start_response("200 OK", [])
        return [b"computed"]

    def application(environ: Any, start_response: Any) -> Any:
        front.push(front.fill(2))
        until(lambda: front.ring(0, 1) or begun.is_set())
        front.push(front.fill(1, target=b"/second"))
        end = time.monotonic() + 0.03  # the other one is seen to compute at the next start, and not before
        while time.monotonic() < end:
            pass
        start_response("200 OK", [])
        return Body()

    def handle(number: int, frame: object) -> None:
        raise Raised

    interval = sys.getswitchinterval()
    before = signal.signal(signal.SIGUSR1, handle)
    _gateway.adapt_switch_interval(True)
    try:
        with front.serving(computing, 1, 1):
            try:
                front.push(front.fill(0, target=b"/first"))
                assert _gateway.serve(application, 0, 0, 2) == 2
            finally:
                let_go.set()
    finally:
        _gateway.adapt_switch_interval(False)
        signal.signal(signal.SIGUSR1, before)
        sys.setswitchinterval(interval)
    replies = [Reply(), Reply()]
    assert all(front.take(slot, reply) for slot, reply in enumerate(replies))
    assert [reply.failed for reply in replies] == [False, True]
    ((_, detail, _, path, exception),) = front.reports
    assert (detail, path, type(exception)) == ("raised by the call of the application", "/second", Raised)


def test_child_that_a_signal_handler_forks_before_the_start_leaves_the_request_to_its_parent(front: Front) -> None:
    parent = os.getpid()
    statuses: list[int] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter((b"served",))

        close = functools.partial(_thread.interrupt_main, signal.SIGUSR1)  # Python has no occasion to handle it here

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body() if environ["PATH_INFO"] == "/first" else [b"child" if os.getpid() != parent else b"parent"]

    def handle(number: int, frame: object) -> None:
        if pid := os.fork():
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        front.push(front.fill(0, target=b"/first"), front.fill(1, target=b"/second"))
        assert _gateway.serve(application, 0, 0, 2) == 2
    except RuntimeError as error:
        os._exit(3 if os.getpid() != parent and "os._exit" in str(error) and front.state(1) == N.StateClaimed else 98)
    except BaseException:
        os._exit(97)
    finally:
        if os.getpid() == parent:
            signal.signal(signal.SIGUSR1, before)
    if os.getpid() != parent:
        os._exit(96)
    replies = [Reply(), Reply()]
    assert all(front.take(slot, reply) for slot, reply in enumerate(replies))
    assert (statuses, replies[1].body) == ([3], b"parent") and not front.reports


def test_child_that_a_signal_handler_forks_while_nothing_is_to_do_claims_nothing(front: Front) -> None:
    parent = os.getpid()
    statuses: list[int] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"child" if os.getpid() != parent else b"parent"]

    def handle(number: int, frame: object) -> None:
        if pid := os.fork():
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            front.push(front.fill())

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        assert _gateway.serve(application, 0, 0, 1, 2) == 1
    except RuntimeError as error:
        os._exit(3 if os.getpid() != parent and "os._exit" in str(error) else 98)
    except BaseException:
        os._exit(97)
    finally:
        if os.getpid() == parent:
            signal.signal(signal.SIGALRM, before)
    if os.getpid() != parent:
        os._exit(96)
    reply = Reply()
    assert front.take(0, reply) and reply.body == b"parent"
    assert statuses == [3] and not front.reports
