"""Several gateways in one process, each with a front of its own: nothing of one reaches another."""

import gc
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from front import Front, N, Reply, base_environ, until
from speyside import _gateway
from speyside.files import FileWrapper


def named(name: bytes) -> Any:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [name + environ["PATH_INFO"].encode() + environ["speyside.request_id"].encode()]

    return application


def joined(front: Front, boot: str = "boot") -> _gateway.Gateway:
    """Return a gateway on the segment of a front that is attached to nothing else."""
    front.seal()
    gateway = _gateway.Gateway()
    gateway.attach(front.segment, front.spool, front.doorbells, front.sockets)
    gateway.configure([base_environ()], front.report, FileWrapper, boot)
    gateway.resume(0)
    return gateway


def test_two_gateways_serve_in_turn_and_at_once() -> None:
    fronts = [Front(), Front()]
    gateways = [joined(front, boot) for front, boot in zip(fronts, ("a", "b"), strict=True)]
    for round_ in range(3):
        threads = []
        for front, gateway, name in zip(fronts, gateways, (b"one", b"two"), strict=True):
            front.push(front.fill(target=b"/%d" % round_))
            threads.append(threading.Thread(target=gateway.serve, args=(named(name), 0, 0, 1)))
            threads[-1].start()
        for thread in threads:
            thread.join(10)
        for front, begin in zip(fronts, (b"one/%d" % round_ + b"a-", b"two/%d" % round_ + b"b-"), strict=True):
            reply = Reply()
            assert front.take(0, reply) and reply.body.startswith(begin)


def test_stop_is_of_one_gateway() -> None:
    fronts = [Front(), Front()]
    first, second = (joined(front) for front in fronts)
    threads = [threading.Thread(target=gateway.serve, args=(named(b""), 0, 0)) for gateway in (first, second)]
    for thread in threads:
        thread.start()
    until(lambda: all(front.memory[front.worker_at(0) + 64] == 1 for front in fronts))
    first.stop()
    threads[0].join(10)
    assert not threads[0].is_alive() and threads[1].is_alive()
    second.stop()
    threads[1].join(10)
    assert not threads[1].is_alive()


def test_serving_ends_when_no_request_came_in_time() -> None:
    gateway = joined(front := Front())
    took = []
    for _ in range(3):  # a busy machine may take the CPU for a while, but not each time
        began = time.monotonic()
        assert gateway.serve(named(b""), 0, 0, 0, 0.05) == 0
        took.append(time.monotonic() - began)
    assert 0.04 < min(took) < 0.9
    assert gateway.serve(named(b""), 0, 0, 0, 0) == 0
    front.push(front.fill(0), front.fill(1))
    assert gateway.serve(named(b""), 0, 0, 0, 0) == 2  # what is there already is served


def test_abandoned_reply_waits_for_nobody() -> None:
    front = Front()
    gateway = joined(front)
    ended: list[str] = []

    def endless(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 100_000
        finally:
            ended.append("closed")

    front.push(front.fill())
    thread = threading.Thread(target=gateway.serve, args=(endless, 0, 0))
    thread.start()
    until(lambda: front.get("Worker", front.worker_at(0), "Waiting") == 1)
    gateway.stop()
    gateway.abandon()
    thread.join(10)
    assert not thread.is_alive() and ended == ["closed"]
    assert front.state(0) == N.StateDone


def test_streamed_body_of_an_abandoned_request_has_no_more() -> None:
    front = Front()
    gateway = joined(front)
    raised: list[BaseException] = []

    def reading(environ: Any, start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except ConnectionResetError as error:
            raised.append(error)
        start_response("200 OK", [])
        return []

    front.push(front.fill(BodyKind=N.BodyStream, BodyLen=100))
    thread = threading.Thread(target=gateway.serve, args=(reading, 0, 0))
    thread.start()
    until(lambda: front.get("Slot", front.slot_at(0), "BodyWaiting") == 1)
    gateway.stop()
    gateway.abandon()
    thread.join(10)
    assert not thread.is_alive() and len(raised) == 1


def test_gateway_that_is_dropped_lets_its_segment_go() -> None:
    def mapped() -> int:
        with open("/proc/self/maps") as file:
            return sum("memfd:segment" in line for line in file)

    gc.collect()  # the segments of other tests go now, and not between the two counts
    front = Front()
    gateway = joined(front)
    before = mapped()
    kept: list[Any] = []

    def keeping(environ: Any, start_response: Any) -> list[bytes]:
        kept[:] = [environ, start_response, environ["wsgi.input"]]
        start_response("200 OK", [])
        return [b"kept"]

    front.push(front.fill())
    assert gateway.serve(keeping, 0, 0, 1) == 1
    del gateway
    gc.collect()
    assert mapped() == before - 1
    with pytest.raises(ValueError, match="over"):
        kept[2].read()
    with pytest.raises(RuntimeError):
        kept[1]("200 OK", [])


def test_child_of_a_fork_may_serve_what_its_parent_serves() -> None:
    front = Front()
    gateway = joined(front)
    gateway.stop()
    front.push(front.fill())
    pid = os.fork()
    if pid == 0:
        os._exit(gateway.serve(named(b"child"), 0, 1, 1))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    reply = Reply()
    assert front.take(0, reply) and reply.body.startswith(b"child")


def test_arguments_are_checked() -> None:
    with pytest.raises(TypeError):
        _gateway.Gateway(1)  # type: ignore[call-arg]
    with pytest.raises(RuntimeError, match="comes after attach"):
        _gateway.Gateway().serve(named(b""), 0, 0)
    with pytest.raises(ValueError):
        _gateway.Gateway().resume(0)
