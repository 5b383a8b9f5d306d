"""serve() and the process around it: attaching, stopping, signals, forks, and nothing that leaks."""

import fcntl
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from front import Front, N, Reply, base_environ, until
from speyside import _gateway


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


HEADER_FAULTS = [
    ("Magic", 1), ("Version", 2), ("Size", 4096), ("SlotCount", 0), ("SlotCount", 2**32 - 1), ("PortCount", 0),
    ("PortCount", 2), ("PortCount", 3), ("WorkerCount", 0), ("WorkerCount", 2**32 - 1), ("ThreadCount", 0),
    ("ThreadCount", 1000), ("WindowSize", 0), ("WindowSize", 63), ("WindowSize", 2**31), ("WorkerBlocks", 2**31),
    ("FrontBlocks", 2**32 - 1), ("LargeCount", 2**32 - 1), ("WindowAt", 0), ("WindowAt", 4097), ("PortsAt", 2**63),
    ("WorkersAt", 2**64 - 4096), ("WorkerStride", 0), ("WorkerStride", 2**63), ("WorkerStride", 81), ("SlotsAt", 2**40),
    ("BlockTableAt", 2**62), ("HomesAt", 2**33), ("LargeAt", 2**50), ("BlocksAt", 2**60), ("BlocksAt", 64),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), HEADER_FAULTS)
def test_a_segment_that_cannot_be_is_refused(name: str, value: int) -> None:
    front = Front()
    front.put("Header", 0, name, value)
    with pytest.raises(ValueError):
        front.attach()


def test_attach_refuses_what_is_no_sealed_segment(front: Front, tmp_path: Path) -> None:
    other = Front()
    with pytest.raises(ValueError, match="sealed"):
        _gateway.attach(other.segment, other.spool, other.doorbells, other.sockets)
    fcntl.fcntl(other.segment, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    with pytest.raises(ValueError, match="sealed"):
        _gateway.attach(other.segment, other.spool, other.doorbells, other.sockets)
    with (tmp_path / "plain").open("w+b") as plain, pytest.raises(ValueError, match="sealed"):
        _gateway.attach(plain.fileno(), other.spool, other.doorbells, other.sockets)
    with pytest.raises(OSError) as caught:
        _gateway.attach(999_999, other.spool, other.doorbells, other.sockets)
    assert caught.value.errno == 9
    for ports in (3, [], [-1], ["x"], other.doorbells * 2):
        with pytest.raises((TypeError, ValueError)):
            _gateway.attach(other.segment, other.spool, ports, other.sockets)  # type: ignore[arg-type]
    assert front.ask(hello).body == b"hello"  # the one that was attached is still there


def test_arguments_are_checked(front: Front) -> None:
    for environs, report in [(3, print), ([3], print), ([{}, None], print), ([{}], 3)]:
        with pytest.raises(TypeError):
            _gateway.configure(environs, report)  # type: ignore[arg-type]
    for worker, thread, limit in [(2, 0, 1), (-1, 0, 1), (0, 4, 1), (0, -1, 1), (0, 0, -1)]:
        with pytest.raises(ValueError):
            _gateway.serve(hello, worker, thread, limit)
    for number in (-1, 2, 2**63):
        with pytest.raises((ValueError, OverflowError)):
            _gateway.after_fork(number)
    with pytest.raises(TypeError):
        _gateway.serve()  # type: ignore[call-arg]


def test_serving_comes_after_attaching() -> None:
    code = "from speyside import _gateway as g\ntry: g.serve(print, 0, 0)\nexcept RuntimeError as e: print(e)\ng.stop()"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "serve() comes after attach() and configure()", done.stderr


def test_a_sleeping_thread_is_rung(front: Front) -> None:
    with front.serving(hello) as serving:
        for _ in range(20):
            until(lambda: front.get("Worker", front.worker_at(0), "Busy") == 0)
            time.sleep(0.001)
            front.push(front.fill())
            until(lambda: front.ring(0, 0) or front.state(0) == N.StateDone)
            until(lambda: front.take(0, Reply()))
    assert serving.served == 20
    assert front.get("Worker", front.worker_at(0), "Pid") == os.getpid()


def test_stop_ends_every_serve_and_lasts_until_after_fork(front: Front) -> None:
    took = []
    for _ in range(3):  # a busy machine may take the CPU for a while, but not each time
        _gateway.after_fork(0)
        with front.serving(hello, 0) as first, front.serving(hello, 3) as second:
            started = time.monotonic()
            until(lambda: sum(front.memory[front.worker_at(0) + 64 : front.worker_at(0) + 80]) == 2)
        took.append(time.monotonic() - started)
        assert first.served == second.served == 0
    assert min(took) < 0.9  # they were woken, and did not wait out their second
    front.push(front.fill())
    assert _gateway.serve(hello, 0, 0) == 0 and front.state(0) == N.StateFilled
    _gateway.after_fork(0)
    assert _gateway.serve(hello, 0, 0, 1) == 1


def test_what_was_started_is_finished_before_serve_returns(front: Front) -> None:
    entered = threading.Event()

    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        entered.set()
        yield b"first"
        time.sleep(0.05)
        yield b"last"

    front.push(front.fill(0), front.fill(1))
    with front.serving(application) as serving:
        assert entered.wait(10)
        _gateway.stop()
    assert serving.served == 1
    reply = Reply()
    assert front.take(0, reply) and reply.body == b"firstlast" and front.state(1) == N.StateFilled


def test_one_serve_per_thread_number_and_one_worker_per_process(front: Front) -> None:
    with front.serving(hello, 1):
        until(lambda: front.memory[front.worker_at(0) + 68] == 1)
        for worker, thread in [(0, 1), (1, 0)]:
            with pytest.raises(RuntimeError):
                _gateway.serve(hello, worker, thread, 1)
        with pytest.raises(RuntimeError):
            _gateway.attach(front.segment, front.spool, front.doorbells, front.sockets)
        with pytest.raises(RuntimeError):
            _gateway.after_fork(0)


def interrupt(seconds: float) -> None:
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(seconds, lambda: signal.pthread_kill(main, signal.SIGUSR1)).start()


class Interrupted(Exception):
    pass


@pytest.fixture
def handler() -> Iterator[list[int]]:
    seen: list[int] = []

    def handle(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 1:
            _gateway.stop()
        else:
            raise Interrupted

    before = signal.signal(signal.SIGUSR1, handle)
    yield seen
    signal.signal(signal.SIGUSR1, before)


def test_signal_handlers_run_while_the_main_thread_sleeps(front: Front, handler: list[int]) -> None:
    took = []
    for _ in range(3):  # a busy machine may take the CPU for a while, but not each time
        _gateway.after_fork(0)
        handler.clear()
        interrupt(0.05)
        started = time.monotonic()
        assert _gateway.serve(hello, 0, 0) == 0
        took.append(time.monotonic() - started)
        assert handler == [signal.SIGUSR1]
    assert min(took) < 0.9  # it was woken, and did not wait out its second


def test_an_exception_of_a_handler_comes_out_of_serve(front: Front, handler: list[int]) -> None:
    handler.append(0)
    interrupt(0.05)
    with pytest.raises(Interrupted):
        _gateway.serve(hello, 0, 0)
    assert front.ask(hello).body == b"hello"


@pytest.mark.parametrize("shape", ["list", "iterable"])
def test_an_exception_of_a_handler_while_waiting_for_room_cuts_the_reply(
    front: Front, handler: list[int], shape: str
) -> None:
    closed: list[int] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x" * 1_000_000

        def close(self) -> None:
            closed.append(1)

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"x" * 1_000_000] if shape == "list" else Body()

    handler.append(0)
    interrupt(0.05)
    front.push(front.fill())
    with pytest.raises(Interrupted):
        _gateway.serve(application, 0, 0)
    assert front.state(0) == N.StateDone and front.rung(0) and not front.reports
    assert front.get("Slot", front.slot_at(0), "ReplyFlags") & N.ReplyCut
    assert closed == ([1] if shape == "iterable" else [])
    reply = Reply()
    assert front.take(0, reply) and front.blocks_in_use() == 0
    assert front.ask(hello).body == b"hello"


def test_an_exception_of_a_handler_in_write_is_the_applications(front: Front, handler: list[int]) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"x" * 1_000_000)
        return []

    handler.append(0)
    interrupt(0.05)
    front.push(front.fill())
    assert _gateway.serve(application, 0, 0, 1) == 1
    assert front.reports[0][0] == "SPY0301" and isinstance(front.reports[0][4], Interrupted)
    assert front.take(0, Reply())


def in_child(work: Any) -> int:
    """Runs work in a fork; returns its status."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work() or 0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_serves_what_the_parent_attached(front: Front) -> None:
    _gateway.stop()

    def work() -> int:
        assert _gateway.serve(hello, 1, 2, 1) == 1
        return 7

    front.push(front.fill())
    assert in_child(work) == 7
    reply = Reply()
    assert front.take(0, reply) and reply.body == b"hello"
    pid = front.get("Worker", front.worker_at(1), "Pid")
    assert pid not in (0, os.getpid())


@pytest.mark.parametrize("how", ["return", "yield", "write", "exit"])
def test_a_child_of_the_application_does_not_answer_in_its_place(front: Front, how: str) -> None:
    parent = os.getpid()
    statuses: list[int] = []

    def application(environ: Any, start_response: Any) -> Any:
        if how in ("write", "exit"):
            write = start_response("200 OK", [])
        if how != "yield" and (pid := os.fork()):
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        elif how == "write":
            with pytest.raises(RuntimeError):
                write(b"child")
        elif how == "exit":
            sys.exit(5)
        if how == "return":
            start_response("200 OK", []) if os.getpid() == parent else None
        if how == "yield":
            return streaming(start_response)
        return [b"child" if os.getpid() != parent else b"parent"]

    def streaming(start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        if pid := os.fork():
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        yield b"child" if os.getpid() != parent else b"parent"

    front.push(front.fill())
    try:
        assert _gateway.serve(application, 0, 0, 1) == 1
    except RuntimeError as error:
        os._exit(3 if os.getpid() != parent and "os._exit" in str(error) else 98)
    except SystemExit as error:
        os._exit(int(error.code or 0))
    except BaseException:
        os._exit(97)
    if os.getpid() != parent:
        os._exit(96)
    reply = Reply()
    assert front.take(0, reply) and reply.body == b"parent" and reply.produced == 1
    assert statuses == [5 if how == "exit" else 3] and not front.reports
    assert front.ask(hello).body == b"hello"


SHAPES = ["hello", "stream", "write", "raise", "refuse", "input", "keep", "browser", "corrupt", "long", "exc_info"]


def shaped(environ: Any, start_response: Any, kept: list[Any] = []) -> Any:  # noqa: B006
    shape = environ["PATH_INFO"][1:]
    if shape == "raise":
        raise ValueError("told")
    if shape == "refuse":
        start_response("200 OK", [("X-A", "b\n")])
    if shape == "input":
        environ["wsgi.input"].readline()
        environ["wsgi.input"].read()
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-L", "\u00e9")])
    if shape == "keep":
        kept[:] = [environ, start_response, write, environ["wsgi.input"]]
    if shape == "write":
        write(b"written")
    if shape == "exc_info":
        start_response("500 X", [], (ValueError, ValueError(), None))
    if shape == "stream":
        return iter([b"a", b"b"])
    return [b"x" * (40000 if shape == "long" else 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_requests_leave_nothing_behind(shape: str) -> None:
    front = Front().attach()
    requests = 1000 if shape in ("long", "stream") else 10_000
    request: dict[str, Any] = {"target": b"/" + shape.encode()}
    if shape == "input":
        request |= {"method": b"POST", "body": b"a\nb" * 100, "fields": [(b"Content-Type", b"t")]}
    if shape == "browser":
        request["fields"] = [(b"X-%d" % n, b"v%d" % n) for n in range(40)] + [(b"Cookie", b"a")] * 2
        request["flags"] = N.FlagRepeated
    if shape == "corrupt":
        request["MethodLen"] = 60000

    def serve(count: int) -> None:
        for _ in range(count):
            front.push(front.fill(0, **request))
            _gateway.serve(shaped, 0, 0, 1)
            front.take(0, Reply())
            front.rung(0)
            front.reports.clear()

    serve(300)
    watched = [hello, shaped, front.memory, b"", "200 OK", *base_environ(), None, _gateway.serve]
    gc.collect()
    counts = [sys.getrefcount(thing) for thing in watched]
    blocks = sys.getallocatedblocks()
    tracemalloc.start()
    serve(50)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    serve(requests // 10)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    serve(requests)
    gc.collect()
    assert grown < 20_000
    assert abs(sys.getallocatedblocks() - blocks) < requests // 20
    for thing, count in zip(watched, counts, strict=True):
        if count < 1 << 29:  # not immortal
            assert abs(sys.getrefcount(thing) - count) < requests // 20, thing
