"""A front that this process starts for itself and serves in its own threads (PROTOCOL.md, section 9, "callers").

Most callers need Front: serve, pause and close. The process is never forked: the front is another program, which is
given the listening sockets and ends with this process, and this process joins its segment as the only worker. There
may be several fronts in a process. It reads no settings and knows no wsgiref: that is simple_server.py's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from speyside import _faults, environs, report, stacks
from speyside._gateway import Gateway
from speyside.channel import Channel, Order
from speyside.files import FileWrapper
from speyside.loader import Application

PATIENCE = 6.0  # seconds that a front may take to end in order; its graceful_timeout is shorter
LAST_PATIENCE = 1.0  # the same when the process ends
NOT_THE_FRONTS = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
WORKER = 0  # our number
LOOKING = threading.Lock()  # sysconfig, which is asked, cannot be used by two threads at first


class FrontLost(RuntimeError):
    """The front has ended though nobody has told it to: the requests that it had are lost, the process is not."""


class FrontRefused(RuntimeError):
    """The front could not begin; the message says why, and what to do."""


class Front:
    """One front and this process's part in it. Its methods may be called in any thread."""

    def __init__(self, arguments: Sequence[str], sockets: Iterable[int] = (), threads: int = 1, name: str = "") -> None:
        """Start the program with these arguments and descriptors, and join it; raise what it refuses."""
        self.threads = threads
        self.listeners: list[dict[str, object]] = []
        self._pid = os.getpid()
        self._gateway = Gateway()
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._servers: set[int] = set()  # the threads in serve
        self._threads: set[int] = set()  # those that it has started
        self._drained = self._lost = self._told_ready = False
        self._closing = self._ending = False
        self._requests = 0
        self._kept: list[int] = []
        self._boot = self._script_name = ""
        self._process, self._control = _start(arguments, sockets)
        try:
            self._channel = self._join(name)
        except BaseException:
            self._abort()
            raise
        self._orders = threading.Thread(target=self._obey, name="speyside-orders", daemon=True)
        self._orders.start()

    @property
    def pid(self) -> int:
        """Return the front's process."""
        return self._process.pid

    @property
    def lost(self) -> bool:
        """Say whether the front has ended by itself."""
        return self._lost and not self._closing

    def serving_here(self) -> bool:
        """Say whether the calling thread is one of those that serve: it cannot wait for their end."""
        return threading.get_ident() in self._servers | self._threads

    def serve(self, application: Application, extra: Mapping[str, object], limit: int = 0, seconds: float = -1) -> int:
        """Serve until pause, for so many requests, or until none came for the rest of the seconds; return how many.

        With a limit or seconds, and with one thread, the calling thread serves; else it waits for those that do.
        Raises FrontLost when the front has ended.
        """
        me = threading.get_ident()
        with self._lock:
            if self._servers:
                raise RuntimeError("this server is serving in another thread already")
            self._check()
            self._configure(extra)
            self._servers.add(me)
        served = 0
        try:
            with _interrupts(self.pause) as interrupted:
                if self.threads == 1 or limit or seconds >= 0:
                    served = self._gateway.serve(application, WORKER, 0, limit, seconds)
                else:
                    served = self._serve_in_threads(application)
            if interrupted:
                raise KeyboardInterrupt
        finally:
            with self._lock:
                self._requests += served
                self._servers.discard(me)
                self._idle.notify_all()
                late = self._closing
            if late:
                self.close()
        if not late:
            self._check()
        return served

    def resume(self) -> None:
        """Undo pause: the next serve serves. Between the two, pause counts."""
        with self._lock:
            if not self._servers and not self._drained and not self._lost:
                self._gateway.resume(WORKER)

    def pause(self) -> None:
        """Make serve return when what it has begun is done. It may be called in a signal handler."""
        self._gateway.stop()

    def close(self, patience: float = PATIENCE) -> None:
        """End the front: it refuses what waits, and sends what was answered. In another process it does nothing."""
        if os.getpid() != self._pid or self._process.returncode is not None:
            return
        with self._lock:
            if self._ending:
                return
            self._closing = True
            self.pause()
            if self.serving_here():
                return  # the request at hand has asked for it; serve goes on here when it is done
            self._ending = True
            self._idle.wait_for(lambda: not self._servers, patience)
        deadline = time.monotonic() + patience
        try:
            if not self._servers and not self._lost:
                self._refuse_rest(deadline)
        finally:  # also when a handler of a signal raises
            self._end(deadline)

    def _refuse_rest(self, deadline: float) -> None:
        self._configure({})
        self._control.send("DrainWanted")
        while (left := deadline - time.monotonic()) > 0:
            with self._lock:
                if self._drained or self._lost:
                    break
                self._gateway.resume(WORKER)
            self._gateway.serve(_refuse, WORKER, 0, 0, left)
        self._channel.send("WorkerDrained", worker=WORKER, requests=self._requests)

    def _end(self, deadline: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if not self._servers:
                self._process.wait(max(0.0, deadline - time.monotonic()))
        self._control.hang_up()
        self._channel.hang_up()
        try:
            self._process.wait(LAST_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if threading.current_thread() is not self._orders:
            self._orders.join(LAST_PATIENCE)
        self._control.close()
        self._channel.close()
        if not self._servers:  # else a request that does not end still has them
            self._gateway = Gateway()
            self._close_kept()

    def _close_kept(self) -> None:
        while self._kept:
            os.close(self._kept.pop())

    def _abort(self) -> None:
        """Undo a start that has come to nothing."""
        self._control.hang_up()
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._close_kept()

    def _check(self) -> None:
        if self.lost:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_PATIENCE)
            status = self._process.poll()
            raise FrontLost(
                f"the front of this server (pid {self.pid}) has ended: {_told(status)} [{_faults.FRONT_LOST}]"
            )

    def _join(self, name: str) -> Channel:
        order = self._expect("LoadApplication")
        self._kept = list(order.descriptors)
        segment, spool, *rest = order.descriptors
        self._gateway.attach(segment, spool, rest[: len(rest) // 2], rest[len(rest) // 2 :])
        self._boot, self._script_name = order.text("boot"), order.text("script_name")
        self._control.send(
            "ApplicationLoaded",
            name=name,
            python=sys.version.split()[0],
            executable=sys.executable,
            framework="",
            alone=True,
            deferred=False,
        )
        order = self._expect("SpawnWorker")
        channel = Channel(order.descriptors.pop(0))
        order.close()  # the pipe for stacks: faulthandler is this program's own
        self.listeners = order.objects("listeners")
        self._gateway.resume(WORKER)
        self._control.send("WorkerSpawned", worker=WORKER, pid=os.getpid())
        return channel

    def _expect(self, wanted: str) -> Order:
        order = self._control.receive()
        if order is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_PATIENCE)
            raise FrontRefused(f"the front could not begin: {_told(self._process.poll())} [{_faults.FRONT_LOST}]")
        if order.type == "CallerRefused":
            _raise_refused(order)
        if order.type != wanted:
            raise FrontRefused(f"the program is of another version: it said {order.type} instead of {wanted}")
        return order

    def _configure(self, extra: Mapping[str, object]) -> None:
        bases = environs.build(self.listeners, self.threads, 1, self._script_name, extra)
        self._gateway.configure(bases, report.Report(WORKER), FileWrapper, self._boot)
        if not self._told_ready:
            self._told_ready = True
            self._channel.send("WorkerReady", worker=WORKER, pid=os.getpid())

    def _serve_in_threads(self, application: Application) -> int:
        counts: list[int] = []
        failures: list[BaseException] = []

        def serve(number: int) -> None:
            self._threads.add(threading.get_ident())
            try:
                counts.append(self._gateway.serve(application, WORKER, number))
            except BaseException as error:  # it is raised where serve was called
                failures.append(error)
                self.pause()
            finally:
                self._threads.discard(threading.get_ident())

        # Daemons or not as the calling thread is: a program that ends while they serve ends as it would without us.
        threads = [
            threading.Thread(target=serve, args=(number,), name=f"speyside-thread-{number}")
            for number in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self.pause()
            for thread in threads:
                thread.join()
            raise
        if failures:
            raise failures[0]
        return sum(counts)

    def _obey(self) -> None:
        poll = select.poll()
        channels = {channel.fileno(): channel for channel in (self._control, self._channel)}
        for descriptor in channels:
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                order = channels[descriptor].receive()
                if order is None:
                    self._hear_end()
                    return
                if order.type == "DrainWorker":
                    with self._lock:
                        self._drained = True
                        self.pause()
                elif order.type == "InterruptRequest":
                    slot, filling = order.number("slot"), order.number("filling")
                    stack = stacks.interrupt(slot, filling, self._gateway)
                    self._channel.send("RequestInterrupted", worker=WORKER, slot=slot, filling=filling, stack=stack)
                order.close()

    def _hear_end(self) -> None:
        with self._lock:
            self._lost = True
            self.pause()
            self._gateway.abandon()


def program() -> str:
    """Return the path of the speyside program that belongs to this Python; raise FrontRefused when there is none."""
    from speyside.__main__ import places

    with LOOKING:
        found = places()
    for path in found:
        if os.access(path, os.X_OK):
            return path
    raise FrontRefused(
        f"the speyside program was not found beside {sys.executable} or on PATH; "
        f"install it with {sys.executable} -m pip install speyside"
    )


def _start(arguments: Sequence[str], sockets: Iterable[int]) -> tuple[subprocess.Popen[bytes], Channel]:
    path = program()
    environment = {name: value for name, value in os.environ.items() if name not in NOT_THE_FRONTS}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, above_streams(theirs.fileno()) as control:
        try:
            process = subprocess.Popen(
                [path, "--caller", str(control), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Where Python found it closed, the descriptor may be anything by now.
                stderr=None if sys.__stderr__ is not None else subprocess.DEVNULL,
                env=environment,
                pass_fds=[control, *sockets],
            )
        except BaseException:
            ours.close()
            raise
    return process, Channel(ours.detach())


@contextlib.contextmanager
def above_streams(descriptor: int) -> Iterator[int]:
    """Yield a copy of a descriptor that is none of stdin, stdout and stderr, which a program is given as they are."""
    copied = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        yield copied
    finally:
        os.close(copied)


def _refuse(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Answer what waits when a server is closed."""
    start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
    return [b"The server is closed.\n"]


def _raise_refused(order: Order) -> None:
    text = order.text("text") + (f" [{order.text('code')}]" if order.text("code") else "")
    if order.number("errno"):
        raise OSError(order.number("errno"), text)
    raise FrontRefused(text + (f"\n{order.text('hint')}" if order.text("hint") else ""))


def _told(status: int | None) -> str:
    if status is None:
        return "it does not answer"
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"status {status}; what it has written to stderr says why"


@contextlib.contextmanager
def _interrupts(pause: Callable[[], None]) -> Iterator[list[int]]:
    """Have Ctrl-C end serving after the request at hand, and a second one interrupt that; yield those that came.

    Where it raises KeyboardInterrupt as ever, that is: in the main thread, and with Python's own handler. An exception
    in the middle of a request is the application's, which may swallow it.
    """
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        pause()
        if len(came) > 1:
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield came
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def spelled(application: object) -> str:
    """Return a name for an application: `module:name`, as far as it is known."""
    named = application if hasattr(application, "__qualname__") else type(application)
    name = str(getattr(named, "__qualname__", "application")).replace("<", "").replace(">", "")
    return f"{getattr(named, '__module__', None) or 'main'}:{name}"
