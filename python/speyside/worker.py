"""A worker: a process that claims requests and runs the application, until it is told to drain.

Most callers need work, which a forked process calls and never returns from. With one thread the application runs on the
main thread, because signal handlers, event loops and SQLite's objects depend on it, and a helper thread listens for
orders (SingleWorker). With more, the main thread obeys orders and runs signal handlers, and serves nothing
(ThreadedWorker). Claiming and HTTP are the gateway's.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from speyside import _gateway, report, stacks, streams
from speyside.channel import Channel, Order
from speyside.failure import Failure, trimmed
from speyside.loader import Application

if TYPE_CHECKING:
    from speyside.gunicorn.member import Member
    from speyside.uwsgi import Support

ORPHAN_GRACE = 10.0  # seconds that a request may go on when the front is gone and nobody waits for it
HEAP_KEPT = 1 << 20  # bytes: half of what of its heap a worker keeps for the next request


class Worker:
    """What both kinds of worker have: a number, a way to stop, and the facts they state."""

    def __init__(self, number: int, channel: Channel) -> None:
        _gateway.after_fork(number)
        keep_heap()
        self.number = number
        self.channel = channel
        self.warmup: Sequence[str] = ()
        self.base: Mapping[str, object] = {}
        self.member: Member | None = None
        self.requests = 0
        self.draining = False

    def begin(self, start: Start) -> None:
        """Take over what a worker begins with."""
        self.warmup, self.base, self.member = start.warmup, start.base, start.member
        if self.member is not None:
            self.member.retire = self.drain
        self.drain_on_terminate()

    def interrupt(self, order: Order) -> None:
        """Raise RequestTimeout in the thread of a request, and say where it stood."""
        if self.member is not None:
            self.member.abort()
        slot, filling = order.number("slot"), order.number("filling")
        stack = stacks.interrupt(slot, filling)
        self.channel.send("RequestInterrupted", worker=self.number, slot=slot, filling=filling, stack=stack)

    def obey_drain(self, order: Order) -> None:
        """Drain, because the front wants it."""
        if self.member is not None and order.flag("interrupted"):
            self.member.interrupt()
        self.drain()
        if self.member is not None and order.flag("quick"):
            self.member.exit(self.requests)
            vanish(0)

    def drain(self) -> None:
        """Claim nothing more; what was started is finished. May be called in a signal handler."""
        self.draining = True
        _gateway.stop()

    def drain_on_terminate(self) -> None:
        """Drain at SIGTERM, unless the application has a handler of its own. For the main thread."""
        if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, nothing):
            signal.signal(signal.SIGTERM, self._terminated)

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        self.drain()

    def warm_up(self, application: Application) -> None:
        """Do what was ordered before the first claim; a worker that fails says so and ends."""
        if not self.warmup:
            return
        from speyside import warmup  # who wants none need not wait for it

        try:
            warmup.run(self.warmup, application, self.base)
        except Failure as failure:
            if self.member is not None:
                self.member.exit(0)
            self.channel.send("WarmupFailed", worker=self.number, **failure.fact())
            vanish(1)

    def ready(self) -> None:
        """State that the threads claim."""
        self.channel.send("WorkerReady", worker=self.number, pid=os.getpid())

    def drained(self) -> None:
        """State that nothing is claimed and nothing runs any more."""
        self.channel.send("WorkerDrained", worker=self.number, requests=self.requests)
        if self.member is not None:
            self.member.exit(self.requests)


class SingleWorker(Worker):
    """A worker with one thread: whoever calls serve claims."""

    def __init__(self, number: int, channel: Channel, zygote: Channel | None = None) -> None:
        """The zygote's own channel is watched too, when the zygote itself is the worker."""
        super().__init__(number, channel)
        self._zygote = zygote
        self._told_ready = False
        self._paused = False

    def listen(self) -> None:
        """Start the helper thread that obeys orders."""
        threading.Thread(target=self._obey, name="speyside-orders", daemon=True).start()

    def serve(self, application: Application, limit: int = 0) -> int:
        """Claim and serve in this thread, until told to stop or, with a limit, so many requests."""
        if not self._told_ready:
            self._told_ready = True
            self.warm_up(application)
            self.ready()
        if self._paused:
            self._paused = False
            _gateway.after_fork(self.number)  # undoes stop(), also that of an order to drain: look at it afterwards
        if self.draining:
            return 0
        served = _gateway.serve(application, self.number, 0, limit)
        self.requests += served
        return served

    def pause(self) -> None:
        """Make serve return; it may be called again."""
        self._paused = True
        _gateway.stop()

    def _obey(self) -> None:
        poll = select.poll()
        channels = {channel.fileno(): channel for channel in (self.channel, self._zygote) if channel is not None}
        for descriptor in channels:
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                order = channels[descriptor].receive()
                if order is None:
                    self.drain()
                    time.sleep(ORPHAN_GRACE)
                    vanish(0)
                elif order.type == "DrainWorker":
                    self.obey_drain(order)
                elif order.type == "InterruptRequest":
                    self.interrupt(order)


class ThreadedWorker(Worker):
    """A worker whose requests run on threads of their own, while the main thread obeys orders."""

    def __init__(self, number: int, channel: Channel, threads: int, application: Application) -> None:
        super().__init__(number, channel)
        self._threads = threads
        self._application = application
        self._running = 0
        self._failed = False
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._about_to_claim = threading.Barrier(threads + 1)

    def run(self) -> int:
        """Serve until drained; return the exit status."""
        self.warm_up(self._application)
        for number in range(self._threads):
            self._running += 1
            # Not daemons: a thread that the application starts inherits it, and would be cut off at the end.
            threading.Thread(target=self._serve, args=(number,), name=f"worker-thread-{number}").start()
        self._about_to_claim.wait()
        signalled = wake_on_signals()  # before anybody is told that all is there
        self.ready()
        self._obey(signalled)
        return 1 if self._failed else 0

    def _serve(self, number: int) -> None:
        self._about_to_claim.wait()
        served = 0
        try:
            served = _gateway.serve(self._application, self.number, number)
        except BaseException as error:  # the thread must be counted whatever happens
            self._failed = True
            tell_failed(error, self.number)
            self.drain()
        finally:
            with self._lock:
                self.requests += served
                self._running -= 1
            os.eventfd_write(self._wake, 1)

    def _obey(self, signalled: int) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self.channel.fileno(), select.POLLIN)
        poll.register(signalled, select.POLLIN)
        deadline = float("inf")
        while self._running:
            left = deadline - time.monotonic()
            if left <= 0:
                vanish(0)
            for descriptor, _ in poll.poll(None if deadline == float("inf") else left * 1000):
                if descriptor == self._wake:
                    os.eventfd_read(self._wake)
                    continue
                if descriptor == signalled:
                    os.read(signalled, 4096)  # what woke us; Python has run the handlers by now
                    continue
                order = self.channel.receive()
                if order is None:
                    poll.unregister(descriptor)
                    deadline = time.monotonic() + ORPHAN_GRACE
                    self.drain()
                elif order.type == "DrainWorker":
                    self.obey_drain(order)
                elif order.type == "InterruptRequest":
                    self.interrupt(order)


class Start(NamedTuple):
    """What a worker begins with."""

    number: int
    threads: int
    warmup: Sequence[str]  # targets
    base: Mapping[str, object]  # a base environ
    member: Member | None = None  # the hooks of a configuration
    support: Support | None = None  # the modules of uWSGI


def prepare(
    start: Start, channel: Channel, load: Callable[[], Application], application: Application | None
) -> Application:
    """Return what to serve; None has to be loaded here, and a worker that cannot says so and ends."""
    try:
        if start.member is not None:
            return start.member.prepare(load)
        if start.support is not None:
            start.support.be_worker(start.number, lambda: channel.send("ReloadWanted", worker=start.number))
            return start.support.work(application if application is not None else load())
        return application if application is not None else load()
    except Failure as failure:
        if start.member is not None:
            start.member.exit(0)
        channel.send("LoadFailed", worker=start.number, **failure.fact())  # the last word: the front may kill it now
        vanish(1)


def work(start: Start, channel: Channel, application: Application) -> NoReturn:
    """Be a worker until drained, then end the process."""
    status = 1
    try:
        status = _work(start, channel, application)
    except BaseException as error:  # the process ends here, and never in the stack of the zygote or of a script
        tell_failed(error, start.number)
        _gateway.stop()
        if start.member is not None:
            start.member.exit(0)
    leave(status)


def _work(start: Start, channel: Channel, application: Application) -> int:
    if start.threads > 1:
        threaded = ThreadedWorker(start.number, channel, start.threads, application)
        threaded.begin(start)
        status = threaded.run()
        threaded.drained()
        return status
    single = SingleWorker(start.number, channel)
    single.begin(start)
    single.listen()
    single.serve(application)
    single.drained()
    return 0


def keep_heap() -> None:
    """Have the C library keep what a request has freed, up to 2 MiB, instead of giving it back after each one.

    glibc learns that from what is freed: blocks of this size belong to the heap from now on, and twice as much stays at
    its end. By default it gives back what is above 128 KiB, so that a request which parses a form takes every page from
    the kernel anew. Other C libraries learn nothing, nor does glibc where MALLOC_TRIM_THRESHOLD_ or its kin are set.
    """
    bytes(HEAP_KEPT)


def wake_on_signals() -> int:
    """Return a descriptor that is readable when a signal has come, so that poll returns and Python runs the handler.

    A signal that another thread received, or that came just before poll, would wait for the next order.
    One that the application has set itself is left as it is: then its handlers run as they do without us.
    """
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    theirs = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    if theirs >= 0:
        signal.set_wakeup_fd(theirs)
    return readable


def tell_failed(error: BaseException, number: int) -> None:
    """Log an exception that is not a request's."""
    report.record("ERROR", "worker failed", trimmed(error), worker=number, pid=os.getpid(), error=type(error).__name__)


def leave(status: int) -> NoReturn:
    """End the process as Python would: wait for the application's threads, run atexit, write what is left."""
    ends: list[Callable[[], object]] = [
        getattr(threading, "_shutdown"),  # noqa: B009 - there is no public way to end a forked process
        getattr(atexit, "_run_exitfuncs"),  # noqa: B009
    ]
    for end in ends:
        try:
            end()
        except BaseException as error:  # what fails at the end must not keep the process alive
            report.record("ERROR", "exit handler failed", trimmed(error), pid=os.getpid())
    vanish(status)


def vanish(status: int) -> NoReturn:
    """End the process at once; only what was printed is kept."""
    streams.finish()
    os._exit(status)


def nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing: the front decides. Programs that the application starts do not inherit it."""


def ignore_signals() -> None:
    """Leave INT, QUIT and HUP, which a terminal sends to the whole foreground group, to the front."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, nothing)
