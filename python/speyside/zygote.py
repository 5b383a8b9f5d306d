"""The zygote: loads the application once and forks the workers, as the front orders (PROTOCOL.md, section 9).

Most callers need run, which boot.py calls. The zygote serves no request itself, except for a script
with one worker and one thread (script.py). It ends when the front closes the control socket.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from speyside import _gateway, environs, leftovers, loader, report, stacks, streams, uwsgi, worker
from speyside.channel import Channel, Order
from speyside.failure import Failure
from speyside.files import FileWrapper
from speyside.loader import Application

if TYPE_CHECKING:
    from speyside.gunicorn.facades import Worker as Facade
    from speyside.gunicorn.master import Master
    from speyside.gunicorn.reader import Configuration


LARGE = 128 << 20
"""Bytes in RAM from which what the import has left behind is looked for everywhere, before it is frozen for good.

The collector has gone through the oldest objects while they became more; to look at all of them once more takes as
long as a tenth of the import, and a process that is small has not left much among them.
"""


class Load(NamedTuple):
    """What LoadApplication says."""

    app: str
    script: bool
    chdir: str
    paste_global: list[str]  # NAME=VALUE for a PasteDeploy file
    pythonpath: list[str]
    script_name: str
    workers: int  # at first
    most_workers: int  # that there may be later
    threads: int
    boot: str
    warmup: list[str]
    preload: str
    switch_interval: int  # in microseconds; 0: leave it, -1: adapt it
    occasion: str  # `start` of the server, `reload`, or `again` after the death of a zygote
    workers_before: int  # the number of workers until now; 0 for none
    gunicorn: dict[str, object] | None  # its settings, where it is the one to be like

    def application(self) -> Application:
        """Import it, or have PasteDeploy load it; raise Failure."""
        return loader.load(self.app, self.paste_global)


class Child(NamedTuple):
    """A worker as the zygote knows it."""

    worker: int
    pid: int


class Zygote:
    """Our side of the control socket, and the workers that were forked."""

    def __init__(self, channel: Channel, load: Load) -> None:
        self.channel = channel
        self.load = load
        self.errors = -1  # the descriptor of wsgi.errors; negative: stderr
        self.master: Master | None = None
        self.uwsgi: uwsgi.Support | None = None
        self._children: dict[int, Child] = {}  # by pidfd

    def wanted(self, host: str, port: int) -> tuple[str, int]:
        """Ask the front to listen for a script; return where it does."""
        self.channel.send("ListenWanted", host=host, port=port)
        order = self._next()
        if order.type == "ListenRefused":
            raise OSError(order.number("errno"), order.text("text"))
        return order.text("host"), order.number("port")

    def loaded(self, application: Application | None, alone: bool) -> None:
        """State that workers can be forked, and make what there is cheap to fork; no application: they load it."""
        gc.collect(2 if resident() > LARGE else 1)
        gc.freeze()
        self.channel.send(
            "ApplicationLoaded",
            name=self.load.app,
            python=sys.version.split()[0],
            executable=sys.executable,
            framework=loader.framework(application),
            alone=alone,
            deferred=application is None,
        )

    def fork_workers(self, application: Application | None, extra: Mapping[str, object], wake: int = -1) -> bool:
        """Fork and reap until StopScript; False when the front is gone. A readable wake asks it to drain."""
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        if wake >= 0:
            poll.register(wake, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor in self._children:
                    poll.unregister(descriptor)
                    self._reap(descriptor)
                elif descriptor == wake:
                    os.eventfd_read(wake)
                    self.channel.send("DrainWanted")
                else:
                    order = self.channel.receive()
                    if order is None or order.type == "StopScript":
                        self._reap_all(poll)
                        return order is not None
                    if order.type == "SpawnWorker":
                        self._spawn(order, application, extra, poll)
                    elif self.master is not None:
                        self._tell(order, self.master)

    def join(self, extra: Mapping[str, object]) -> worker.SingleWorker:
        """Be the worker ourselves: wait for the order to spawn it, and answer with our own pid."""
        order = self._next()
        while order.type != "SpawnWorker" or not order.descriptors:
            order = self._next()
        number = order.number("worker")
        if len(order.descriptors) > 1:
            stacks.install(order.descriptors[1])
        base = self._configure(order, 1, 1, extra)
        single = worker.SingleWorker(number, Channel(order.descriptors[0]), self.channel)
        single.warmup, single.base = self.load.warmup, base
        self.channel.send("WorkerSpawned", worker=number, pid=os.getpid())
        single.listen()
        return single

    def _next(self) -> Order:
        order = self.channel.receive()
        if order is None:
            worker.vanish(0)
        return order

    def _spawn(
        self, order: Order, application: Application | None, extra: Mapping[str, object], poll: select.poll
    ) -> None:
        number = order.number("worker")
        if len(order.descriptors) != 2:
            return
        facade: Facade | None = None
        try:
            if self.master is not None:
                facade = self.master.before_fork(order.number("age"))
            pid = os.fork()
        except OSError as error:
            order.close()
            self.channel.send("SpawnFailed", worker=number, errno=error.errno, text=error.strerror)
            return
        except Failure as failure:
            order.close()
            self.channel.send("SpawnFailed", worker=number, **failure.fact())
            return
        if pid == 0:
            self._be_worker(order, number, application, extra, facade)
        order.close()
        if self.master is not None and facade is not None:
            self.master.forked(facade, pid)
        watch = os.pidfd_open(pid)
        self._children[watch] = Child(number, pid)
        poll.register(watch, select.POLLIN)
        self.channel.send("WorkerSpawned", worker=number, pid=pid)

    def _tell(self, order: Order, master: Master) -> None:
        """Do what concerns the hooks of a configuration."""
        if order.type == "WorkersScaled":
            master.scaled(order.number("workers"))
        elif order.type == "PrepareExec":
            self.channel.send("ExecPrepared", failed=not master.before_exec())
        elif order.type == "ReopenLogs":
            master.reopen()
        elif order.type == "EndService":
            master.end_service()

    def _be_worker(
        self,
        order: Order,
        number: int,
        application: Application | None,
        extra: Mapping[str, object],
        facade: Facade | None,
    ) -> NoReturn:
        try:
            self.channel.close()
            for watch in self._children:
                os.close(watch)
            stacks.install(order.descriptors[1])
            base = self._configure(order, self.load.threads, self.load.most_workers, extra)
            member = self.master.member(facade) if self.master is not None and facade is not None else None
            start = worker.Start(number, self.load.threads, self.load.warmup, base, member, self.uwsgi)
            channel = Channel(order.descriptors[0])
            worker.work(start, channel, worker.prepare(start, channel, self.load.application, application))
        finally:
            os._exit(1)

    def _configure(self, order: Order, threads: int, workers: int, extra: Mapping[str, object]) -> dict[str, object]:
        errors = streams.stream(self.errors) if self.errors >= 0 else None
        bases = environs.build(order.objects("listeners"), threads, workers, self.load.script_name, extra, errors)
        _gateway.configure(bases, report.Report(order.number("worker")), FileWrapper, self.load.boot)
        interval = self.load.switch_interval
        _gateway.adapt_switch_interval(interval < 0 and threads > 1)
        if interval > 0:
            sys.setswitchinterval(interval / 1e6)
        return bases[0] if bases else {}

    def _reap_all(self, poll: select.poll) -> None:
        """Reap who has ended, before the zygote does: the front may have seen it first."""
        for descriptor, _ in poll.poll(0):
            if descriptor in self._children:
                self._reap(descriptor)

    def _reap(self, watch: int) -> None:
        child = self._children.pop(watch)
        os.close(watch)
        try:
            _, status, used = os.wait4(child.pid, 0)
            peak = used.ru_maxrss
        except ChildProcessError:
            status, peak = -1, 0  # somebody else has asked: nobody knows
        self.channel.send("WorkerReaped", worker=child.worker, pid=child.pid, status=status, peak=peak)
        if self.master is not None:
            self.master.reaped(child.pid)


def resident() -> int:
    """Return how many bytes this process has in RAM."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class LeftBehind(Exception):  # noqa: N818 - it is no error
    """The import has left what does not survive a fork: the workers have to load the application themselves."""


def load_once(load: Load) -> Application:
    """Load the application in this process, from which workers are forked; raise Failure, or LeftBehind with `auto`."""
    known = leftovers.before()
    application = load.application()
    left = leftovers.found(known)
    if left and load.preload == "auto":
        why = "the import left behind what does not survive a fork"
        report.record("INFO", "application loaded in each worker", why=why, left=", ".join(left), setting="preload")
        raise LeftBehind
    if left:
        why = "a forked worker has no threads but its own, and shares connections and event loops with the others"
        report.record("WARN", "left behind by the import", left=", ".join(left), why=why, setting="preload")
    return application


def attach(descriptors: Sequence[int]) -> None:
    """Attach the gateway to what came with LoadApplication: segment, spool, then bells and sockets of the ports."""
    segment, spool, *rest = descriptors
    ports = len(rest) // 2
    _gateway.attach(segment, spool, rest[:ports], rest[ports:])


def run(channel: Channel, order: Order, configuration: Configuration | None) -> int:
    """Load the application as ordered, and obey until the end; return the exit status, or raise Failure."""
    load = _load(order)
    worker.ignore_signals()
    zygote = Zygote(channel, load)
    descriptors = order.descriptors
    if order.flag("relayed"):
        *descriptors, records, zygote.errors = descriptors
        report.relay(records)
        if order.flag("capture"):
            streams.capture(zygote.errors)
    attach(descriptors)
    if load.script:
        # Before the script's directory is on sys.path: a grp.py of the user's is not for what we import.
        from speyside import script

        loader.prepare_path(load.pythonpath, load.chdir, load.app)
        return script.Script(zygote).run()
    master = zygote.master = _master(load, configuration)
    loader.prepare_path(load.pythonpath, load.chdir)
    support = zygote.uwsgi = uwsgi.begin(
        order.fields.get("uwsgi"), order.descriptors[1], load.most_workers, load.threads
    )
    if support is not None:
        support.prepare()
    if master is not None:
        master.set_up(load.workers, load.workers_before or None)
    application = load_once(load) if load.preload != "off" else None
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, worker.nothing)
    if master is not None:
        master.start(load.occasion, application)
    zygote.loaded(application, alone=False)
    zygote.fork_workers(application, support.environ() if support is not None else {})
    if master is not None:
        master.end()
    return 0


def _master(load: Load, configuration: Configuration | None) -> Master | None:
    """Return the hooks of a configuration, where gunicorn is the one to be like."""
    if load.gunicorn is None:
        return None
    from speyside.gunicorn import master

    return master.Master(load.gunicorn, configuration, load.app)


def _load(order: Order) -> Load:
    return Load(
        order.text("app"),
        order.flag("script"),
        order.text("chdir"),
        order.texts("paste_global"),
        order.texts("pythonpath"),
        order.text("script_name"),
        max(1, order.number("workers")),
        max(1, order.number("most_workers")),
        max(1, order.number("threads")),
        order.text("boot"),
        order.texts("warmup"),
        order.text("preload"),
        order.number("switch_interval"),
        order.text("occasion"),
        order.number("workers_before"),
        gunicorn if isinstance(gunicorn := order.fields.get("gunicorn"), dict) else None,
    )
