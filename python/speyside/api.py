"""speyside.serve: serve an application from Python, until Ctrl-C or SIGTERM.

A callable is served by this process, on threads, so it is what it is here; a name is served by the whole server, in
workers of its own, as `speyside NAME` does. The settings are those of the command line, with underscores.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from speyside import __version__
from speyside.front import LAST_PATIENCE, Front, FrontRefused, program, spelled
from speyside.loader import Application

THREADS = 4
# What is about workers that come and go, or about where Python and the application are: this process is both.
OF_WORKERS = frozenset(
    "chdir daemon group max_requests max_requests_jitter max_worker_lifetime max_worker_lifetime_jitter"
    " max_worker_memory max_worker_memory_hard pidfile preload proc_name python pythonpath reload_overlap user warmup"
    " warmup_timeout workers_calm workers_max workers_memory workers_min".split()
)
Value = str | int | float | bool | Sequence[str] | None


def serve(
    app: Application | str,
    *,
    bind: str | Sequence[str] = "127.0.0.1:8000",
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    **settings: Value,
) -> None:
    """Serve app at one or more addresses, until Ctrl-C or SIGTERM; what is being answered then is finished.

    A callable runs in this process, on so many threads (4). It cannot have more than one worker, since a process is
    never forked: name the application instead, as "module:callable", and it is served by a server of its own with
    workers of its own (SystemExit says when that fails). Other settings are those of docs/settings.md.

    Raises OSError when an address cannot be had, speyside.front.FrontRefused when a setting cannot be, ValueError for
    settings that have no meaning here, and speyside.front.FrontLost when the front is killed.
    """
    if isinstance(app, str):
        _serve_named(app, bind=bind, workers=workers, threads=threads, **settings)
        return
    name = spelled(app)
    if _served_by_script(app, bind):
        return
    if workers not in (None, 1):
        raise ValueError(
            f"a callable is served by this process, which cannot be {workers} workers: "
            f"serve it by its name, speyside.serve({name!r}, workers={workers}), or from the shell: "
            f"speyside --workers {workers} {name}"
        )
    if misplaced := OF_WORKERS.intersection(settings):
        text = ", ".join(sorted(misplaced))
        raise ValueError(f"{text}: not for a callable, which this process serves; serve it by its name, {name!r}")
    count = THREADS if threads is None else threads
    usual: dict[str, Value] = {"loglevel": "warning", "control_socket": "off", "loops": 1}
    given = arguments({**usual, **settings, "bind": bind, "threads": count, "workers": 1, "wsgi_app": name})
    front = Front(given, (), count, name)
    try:
        if not quiet:
            _tell(front, name, bind)
        with _terminated(front.pause), contextlib.suppress(KeyboardInterrupt):
            front.serve(app, {})
    finally:
        front.close()


def _served_by_script(app: Application, bind: str | Sequence[str]) -> bool:
    """Serve as the script does that is run as `speyside FILE.py`: there is a front already; False elsewhere."""
    stage = sys.modules.get("speyside.simple_server")
    if stage is None or stage.__name__ != "speyside.script_server":
        return False
    address = bind if isinstance(bind, str) else bind[0]
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"{address}: a script that speyside runs listens at HOST:PORT; else use --bind")
    stage.make_server(host.strip("[]"), int(port), app).serve_forever()
    return True


def arguments(settings: dict[str, Value]) -> list[str]:
    """Return settings as arguments of a front, NAME=VALUE."""
    return [f"{name}={value}" for name, values in _texts(settings).items() for value in values]


def _texts(settings: dict[str, Value]) -> dict[str, list[str]]:
    """Return settings as an operator would write them."""
    found: dict[str, list[str]] = {}
    for name, value in settings.items():
        if isinstance(value, bool):
            found[name] = ["on" if value else "off"]
        elif isinstance(value, str | int | float):
            found[name] = [str(value)]
        elif value is not None:
            found[name] = list(value)
    return found


def _tell(front: Front, name: str, bind: str | Sequence[str]) -> None:
    wanted = ",".join([bind] if isinstance(bind, str) else bind).split(",")
    if len(wanted) != len(front.listeners):
        wanted = [""] * len(front.listeners)
    addresses = ", ".join(_shown(*pair) for pair in zip(wanted, front.listeners, strict=True))
    threads = "1 thread" if front.threads == 1 else f"{front.threads} threads"
    line = f"Speyside {__version__} is serving {name} at {addresses} with {threads} of this process; Ctrl-C ends it\n"
    if sys.stderr is not None:
        sys.stderr.write(line)


def _shown(wanted: str, listener: Mapping[str, object]) -> str:
    """Return where a listener is: a Unix socket as it was said, since for the environ it has a name that it has not."""
    if wanted.strip().startswith("unix:"):
        return wanted.strip()
    host = f"[{listener['name']}]" if ":" in str(listener["name"]) else listener["name"]
    return f"{listener['scheme']}://{host}:{listener['port']}"


@contextlib.contextmanager
def _terminated(pause: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM end serving, where it would end the process."""

    def handle(number: int, frame: FrameType | None) -> None:
        pause()

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _serve_named(app: str, **settings: Value) -> None:
    """Run the program, and give it the signals that this process gets."""
    texts = _texts({"python": sys.executable, **settings})
    # Not flags, which have other names now and then.
    given = {"SPEYSIDE_" + name.upper(): ",".join(values) for name, values in texts.items()}
    command, environment = [program(), "serve", "--", app], {**os.environ, **given}
    with _passed_on() as pass_to:  # before there is a server: a signal that ended this process would leave it behind
        process = subprocess.Popen(command, env=environment, process_group=0)
        try:
            pass_to(process)
            status = process.wait()
        finally:
            if process.poll() is None:  # an exception of somebody's handler
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LAST_PATIENCE)
    if status != 0:
        raise SystemExit(status if status > 0 else 128 - status)


@contextlib.contextmanager
def _passed_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass on what ends or reloads a server; it is in a process group of its own, so nothing reaches it twice.

    Yields the function to call with the server when there is one: it gets what came before.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if processes:
            processes[0].send_signal(number)
        else:
            early.append(number)

    def pass_to(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            process.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield pass_to
        return

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield pass_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["FrontRefused", "arguments", "serve"]
