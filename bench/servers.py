"""The servers that are compared: one table, with how each is started and why that way.

Callers need `SPEYSIDE`, `PEERS` and `by_name`. Every peer gets the fastest configuration that someone would sensibly
run, with the workers and threads of the scenario; none is slowed down by a default that has nothing to do with the
comparison (a short keep-alive, a poll interval, a log line per request).

Words in braces: {python} of the benchmark's environment, {bin} its programs, {peers} the launchers, {port}, {workers},
{threads}, {slots} = workers × threads, {app} as module:name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """One server: how to start it, and why like this."""

    name: str
    command: tuple[str, ...]
    why: str
    distribution: str | None = None
    hint: str = ""


SPEYSIDE = Server(
    name="speyside",
    command=(
        "{speyside}", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "--threads", "{threads}", "{app}",
    ),
    why="defaults; only address, workers and threads are given",
)  # fmt: skip

PEERS = (
    Server(
        name="fastpysgi",
        distribution="fastpysgi",
        command=("{python}", "{peers}/run_fastpysgi.py", "{port}", "{workers}", "{app}"),
        why="C, libuv, in process; one thread per worker, it has no others; its own multi_run forks the workers, each "
        "with a listener of its own (SO_REUSEPORT); logs off. Date and Server stay on, as with all others",
    ),
    Server(
        name="bjoern",
        distribution="bjoern",
        command=("{python}", "{peers}/run_bjoern.py", "{port}", "{workers}", "{app}"),
        why="C, libev, in process; one thread per worker, it has no others; the launcher binds, imports, freezes the "
        "garbage collector and forks, as its documentation and Python's advise. It sends no Date",
        hint="bjoern is built against libev; on Debian: apt-get install libev-dev",
    ),
    Server(
        name="granian",
        distribution="granian",
        command=(
            "{bin}/granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--workers",
            "{workers}", "--blocking-threads", "{threads}", "--runtime-threads", "1", "--http", "1", "--no-ws",
            "--log-level", "warning", "{app}",
        ),
        why="Rust, in process; HTTP/1 only and no WebSocket, so that no protocol is guessed; one runtime thread; "
        "blocking threads are its Python threads",
    ),
    Server(
        name="gunicorn",
        distribution="gunicorn",
        command=(
            "{bin}/gunicorn", "--worker-class", "gthread", "--bind", "127.0.0.1:{port}", "--workers", "{workers}",
            "--threads", "{threads}", "--keep-alive", "75", "--log-level", "warning", "--worker-tmp-dir", "/dev/shm",
            "{app}",
        ),
        why="gthread, because sync has no keep-alive; keep-alive beyond the round; the heartbeat file in memory, as "
        "its documentation advises. Not gunicorn[fast]: the version of its C parser that it asks for is not on PyPI",
    ),
    Server(
        name="waitress",
        distribution="waitress",
        command=(
            "{bin}/waitress-serve", "--listen=127.0.0.1:{port}", "--threads={slots}", "--connection-limit=2000",
            "--asyncore-use-poll", "{app}",
        ),
        why="one process, it has no workers: as many threads as workers × threads; poll instead of select; a "
        "connection limit above the load's",
    ),
)  # fmt: skip


def by_name(name: str) -> Server:
    """The server of that name; KeyError names those that exist."""
    known = {server.name: server for server in (SPEYSIDE, *PEERS)}
    if name not in known:
        raise KeyError(f"no server {name!r}; there are {', '.join(known)}")
    return known[name]
