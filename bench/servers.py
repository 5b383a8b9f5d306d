"""The servers that are compared: one table, with how each is started and why that way.

Callers need `SPEYSIDE`, `PEERS`, `FLOORS` and `by_name`. Every peer gets the fastest configuration that someone would
sensibly run, with the workers and threads of the scenario; none is slowed down by a default that has nothing to do with
the comparison (a short keep-alive, a poll interval, a log line per request). Floors answer a constant and run no
Python: no server could be faster, so they are drawn as a line and never are the best peer.

Words in braces: {python} of the benchmark's environment, {bin} its programs, {peers} the launchers, {floors} the built
floors, {port}, {workers}, {threads}, {slots} = workers × threads, {app} as module:name, {module} and {name} of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Server:
    """One server: how to start it, and why like this. `needs` are programs that no Python package brings."""

    name: str
    command: tuple[str, ...]
    why: str
    distribution: str | None = None
    hint: str = ""
    keep_alive: bool = True
    floor: str | None = None
    needs: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)

    def variant(self, suffix: str, *options: str, **words: str) -> Server:
        """The same with more options, or with other workers and threads than the scenario's."""
        *rest, app = self.command
        return replace(self, name=f"{self.name}+{suffix}", command=(*rest, *options, app), words=words)


SPEYSIDE = Server(
    name="speyside",
    command=(
        "{speyside}", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "--threads", "{threads}", "{app}",
    ),
    why="defaults; only address, workers and threads are given",
)  # fmt: skip


def gunicorn(name: str, worker_class: str, why: str, *options: str, keep_alive: bool = True) -> Server:
    """What gunicorn's worker classes have in common."""
    return Server(
        name=name,
        distribution="gunicorn",
        command=(
            "{bin}/gunicorn", "--worker-class", worker_class, "--bind", "127.0.0.1:{port}", "--workers", "{workers}",
            *options, "--keep-alive", "75", "--log-level", "warning", "--worker-tmp-dir", "/dev/shm",
            "--no-control-socket", "{app}",
        ),
        keep_alive=keep_alive,
        why=why + "; keep-alive beyond the round; the heartbeat file in memory, as its documentation advises; no "
        "control "
        "socket, which would be a file in the home directory. Not gunicorn[fast]: the version of its C parser that "
        "it asks "
        "for is not on PyPI",
    )  # fmt: skip


UWSGI = (
    "{bin}/uwsgi", "--master", "--processes", "{workers}", "--threads", "{threads}", "--disable-logging",
    "--need-app", "--die-on-term", "--listen", "1024", "--buffer-size", "65535", "--chdir", ".", "--module", "{app}",
)  # fmt: skip
UWSGI_WHY = (
    "master, as its documentation advises for production; no line per request; the backlog of 100 raised and the "
    "buffer for "
    "heads too, so that none is refused"
)

PEERS = (
    Server(
        name="fastpysgi",
        distribution="fastpysgi",
        command=("{python}", "{peers}/run_fastpysgi.py", "{port}", "{workers}", "{app}"),
        why="C, libuv, in process; one thread per worker, it has no others; its own multi_run forks the workers, each "
        "with a listener of its own (SO_REUSEPORT); logs off. Date and Server stay on, as with all others",
    ),
    Server(
        name="fastwsgi",
        distribution="fastwsgi",
        command=("{python}", "{peers}/run_fastwsgi.py", "{port}", "{workers}", "{app}"),
        why="the project that fastpysgi grew out of; C, libuv, in process, one thread per worker; its own multi_run "
        "forks "
        "the workers; logs off; TCP_NODELAY on, as all others have it",
        hint="its module asks for pkg_resources: setuptools below 81",
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
            "{bin}/granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "--workers",
            "{workers}",
            "--blocking-threads",
            "{threads}",
            "--runtime-threads",
            "1",
            "--http",
            "1",
            "--no-ws",
            "--log-level",
            "warning",
            "{app}",
        ),
        why="Rust, in process; HTTP/1 only and no WebSocket, so that no protocol is guessed; one runtime thread; "
        "blocking threads are its Python threads",
    ),
    gunicorn(
        "gunicorn",
        "gthread",
        "the worker class with threads and keep-alive: what most people run today",
        "--threads",
        "{threads}",
    ),
    gunicorn(
        "gunicorn-sync", "sync", "gunicorn's default worker: one request at a time, no keep-alive", keep_alive=False
    ),
    replace(
        gunicorn("gunicorn-gevent", "gevent", "greenlets in place of threads, for many waiting requests"),
        hint="gunicorn's gevent worker needs gevent",
    ),
    Server(
        name="uwsgi",
        distribution="uWSGI",
        command=(*UWSGI[:1], "--http", "127.0.0.1:{port}", "--http-keepalive=75", "--http-auto-chunked", *UWSGI[1:]),
        why=UWSGI_WHY
        + "; its own HTTP router in front, which is how it keeps connections: http11-socket would give each of "
        "them a worker's thread until it closes",
    ),
    Server(
        name="uwsgi-socket",
        distribution="uWSGI",
        command=(*UWSGI[:1], "--http11-socket", "127.0.0.1:{port}", *UWSGI[1:]),
        why=UWSGI_WHY
        + "; the worker speaks HTTP itself and keeps the connection, so this takes part only where there are "
        "no more connections than threads",
    ),
    Server(
        name="uwsgi-nginx",
        distribution="uWSGI",
        needs=("nginx",),
        hint="on Debian: apt-get install nginx-light",
        command=("{python}", "{peers}/run_uwsgi_nginx.py", "{port}", "{workers}", "{threads}", "{app}"),
        why=UWSGI_WHY + "; behind nginx with one worker process and the uwsgi protocol on a Unix socket, as its "
        "documentation has it; nginx's access log is off",
    ),
    Server(
        name="waitress",
        distribution="waitress",
        command=(
            "{bin}/waitress-serve",
            "--listen=127.0.0.1:{port}",
            "--threads={slots}",
            "--connection-limit=20000",
            "--asyncore-use-poll",
            "{app}",
        ),
        why="one process, it has no workers: as many threads as workers × threads; poll instead of select; a "
        "connection limit above the load's",
    ),
    Server(
        name="cheroot",
        distribution="cheroot",
        command=("{python}", "{peers}/run_cheroot.py", "{port}", "{slots}", "{app}"),
        why="pure Python, one process: as many threads as workers × threads; keep-alive and backlog beyond the load's",
    ),
    Server(
        name="twisted",
        distribution="Twisted",
        command=("{python}", "{peers}/run_twisted.py", "{port}", "{slots}", "{app}"),
        why="one process with a pool of workers × threads threads; the epoll reactor; no access log",
    ),
    Server(
        name="mod_wsgi",
        distribution="mod_wsgi",
        needs=("apache2",),
        hint="it is built against Apache; on Debian: apt-get install apache2 apache2-dev",
        command=("{python}", "{peers}/run_mod_wsgi.py", "{port}", "{workers}", "{threads}", "{app}"),
        why="mod_wsgi-express in daemon mode, its default and what its documentation advises; as many client "
        "connections as "
        "the load has; keep-alive without a limit of requests; no access log",
    ),
    Server(
        name="wsgiref",
        command=("{python}", "{peers}/run_wsgiref.py", "{port}", "{app}"),
        keep_alive=False,
        why="the standard library's reference: one request at a time, no keep-alive. Only its backlog is raised and "
        "its line "
        "per request left out",
    ),
)

FLOORS = (
    Server(
        name="epoll",
        floor="epoll",
        command=("{floors}/epoll", "{port}"),
        why="a loop in C that answers a constant as soon as it has seen the end of a head: read, write and epoll_wait",
        hint="built with cc",
    ),
    Server(
        name="fasthttp",
        floor="fasthttp",
        command=("{floors}/fasthttp", "{port}"),
        why="Go's fastest HTTP server, a constant answer",
        hint="built with Go from bench/floors/go.mod",
    ),
    Server(
        name="net-http",
        floor="net-http",
        command=("{floors}/net-http", "{port}"),
        why="Go's standard HTTP server, a constant answer",
        hint="built with Go from bench/floors/go.mod",
    ),
)


def by_name(name: str) -> Server:
    """The server of that name; KeyError names those that exist."""
    known = {server.name: server for server in (SPEYSIDE, *PEERS, *FLOORS)}
    if name not in known:
        raise KeyError(f"no server {name!r}; there are {', '.join(known)}")
    return known[name]


def is_ours(name: str) -> bool:
    """Speyside or a variant of it."""
    return name.partition("+")[0] == SPEYSIDE.name


def is_peer(name: str) -> bool:
    """Whether it may be the best peer."""
    return not is_ours(name) and name not in {floor.name for floor in FLOORS}
