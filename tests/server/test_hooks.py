"""The hooks of a gunicorn.conf.py: which process calls them, in which order, and what becomes of one that raises."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGUSR1, SIGUSR2

import pytest

from harness import PATIENCE, end_of, running, until

APP = """
import os, threading, time
IMPORTED_BY = os.getpid()
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/loops":
        while True:
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {IMPORTED_BY == os.getpid()}".encode()]
"""
CONF = """
import os, threading
bind = "127.0.0.1:0"
workers = 2
def note(*what):
    main = threading.current_thread() is threading.main_thread()
    with open("trace", "a") as file:
        file.write(" ".join(map(str, [os.getpid(), "main" if main else "other", *what])) + "\\n")
def on_starting(server): note("on_starting", server.num_workers)
def on_reload(server): note("on_reload")
def when_ready(server): note("when_ready")
def pre_fork(server, worker): note("pre_fork", worker.age, worker.pid)
def post_fork(server, worker): note("post_fork", worker.age)
def post_worker_init(worker):
    worker.notify()
    note("post_worker_init", worker.age)
def worker_int(worker): note("worker_int", worker.age)
def worker_abort(worker): note("worker_abort", worker.age)
def pre_exec(server): note("pre_exec", server.pid == os.getpid())
def child_exit(server, worker): note("child_exit", worker.age)
def worker_exit(server, worker): note("worker_exit", worker.age)
def nworkers_changed(server, new, old): note("nworkers_changed", new, old)
def on_exit(server): note("on_exit")
"""
SERVED = {"bind": (), "workers": None, "threads": None}


class Note:
    """One line of the trace."""

    def __init__(self, line: str) -> None:
        pid, self.thread, self.hook, *self.told = line.split()
        self.pid = int(pid)

    def __repr__(self) -> str:
        """Return what the trace has."""
        return " ".join([str(self.pid), self.thread, self.hook, *self.told])


def write(directory: Path, more: str = "", app: str = APP) -> None:
    """Put the application and a configuration in place."""
    (directory / "hooked.py").write_text(app)
    (directory / "gunicorn.conf.py").write_text(CONF + more)


def notes(directory: Path, *hooks: str) -> list[Note]:
    """Return what the hooks have noted, or those of these names."""
    file = directory / "trace"
    all_notes = [Note(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [note for note in all_notes if not hooks or note.hook in hooks]


def names(found: list[Note]) -> list[str]:
    """Return the hooks and what they were told, without processes."""
    return [" ".join([note.hook, *note.told]) for note in found]


def noted(directory: Path, hook: str, count: int = 1) -> list[Note]:
    """Wait until a hook has been called so often."""

    def there() -> list[Note]:
        found = notes(directory, hook)
        return found if len(found) >= count else []

    return until(there, f"{count} times {hook}", PATIENCE)


def hooked(directory: Path, *arguments: str, env: Mapping[str, str | None] | None = None, provoked: bool = False):  # type: ignore[no-untyped-def] # noqa: ANN201
    """Run the server there, on its configuration alone."""
    return running(
        "hooked:app", *arguments, bind=(), workers=None, threads=None, cwd=directory, env=env, provoked=provoked
    )


def test_hooks_are_called_from_start_to_end_by_the_right_processes(tmp_path: Path) -> None:
    write(tmp_path)
    with hooked(tmp_path) as server:
        server.ready(2)
        assert server.get("/").text.endswith(" True"), "each worker has imported the application"
        start = notes(tmp_path)
        master = start[0].pid
        assert names([note for note in start if note.pid == master]) == [
            "nworkers_changed 2 None",
            "on_starting 2",
            "when_ready",
            "pre_fork 1 [booting]",
            "pre_fork 2 [booting]",
        ]
        assert master == server.zygote()
        for age, pid in enumerate(sorted(server.workers().values()), 1):
            mine = [note for note in start if note.pid == pid]
            assert names(mine) == [f"post_fork {age}", f"post_worker_init {age}"]
        server.interrupt(SIGTTIN)
        server.ready(3)
        assert names(notes(tmp_path)[len(start) :]) == [
            "nworkers_changed 3 2", "pre_fork 3 [booting]", "post_fork 3", "post_worker_init 3",
        ]  # fmt: skip
    end = [note for note in notes(tmp_path, "worker_exit", "child_exit", "on_exit", "worker_int")]
    assert {note.pid for note in end if note.hook in ("child_exit", "on_exit")} == {master}
    assert len({note.pid for note in end if note.hook == "worker_exit"}) == 3
    assert sorted(names([n for n in end if n.hook == "child_exit"])) == ["child_exit 1", "child_exit 2", "child_exit 3"]
    assert end[-1].hook == "on_exit"
    assert len(notes(tmp_path, "worker_int")) == 3, "the harness ends the server with INT"


def test_with_preload_the_import_comes_first(tmp_path: Path) -> None:
    app = APP + "with open('trace', 'a') as file: file.write(f'{os.getpid()} main imported\\n')\n"
    write(tmp_path, "preload_app = True\n", app)
    with hooked(tmp_path) as server:
        server.ready(2)
        assert names(notes(tmp_path))[:4] == ["nworkers_changed 2 None", "imported", "on_starting 2", "when_ready"]
        server.interrupt(SIGTERM)
        server.check_end()
    assert not notes(tmp_path, "worker_int")


def test_import_that_leaves_threads_behind_has_the_hooks_called_all_the_same(tmp_path: Path) -> None:
    write(
        tmp_path, "", "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n" + APP
    )
    with hooked(tmp_path, "--preload=auto") as server:
        server.log("application loaded in each worker")
        server.ready(2)
        assert server.get("/").text.endswith(" True")
        told = names(notes(tmp_path))
        assert told.count("on_starting 2") == told.count("when_ready") == 1
        assert {"post_fork 1", "post_fork 2"} <= set(told)


def test_reload_and_a_dead_worker(tmp_path: Path) -> None:
    write(tmp_path)
    with hooked(tmp_path, provoked=True) as server:
        os.kill(server.ready(2)[0], SIGKILL)
        noted(tmp_path, "post_worker_init", 3)
        assert names(noted(tmp_path, "child_exit")) == ["child_exit 1"] or names(notes(tmp_path, "child_exit")) == [
            "child_exit 2"
        ]
        old = notes(tmp_path)[0].pid
        before = len(notes(tmp_path))
        server.interrupt(SIGHUP)
        server.log("generation took over")
        noted(tmp_path, "child_exit", 3)
        reloaded = notes(tmp_path)[before:]
        new = reloaded[0].pid
        assert names([note for note in reloaded if note.pid == new])[:4] == [
            "nworkers_changed 2 2", "on_reload", "pre_fork 4 [booting]", "pre_fork 5 [booting]",
        ]  # fmt: skip
        assert {note.pid for note in reloaded if note.hook == "child_exit"} == {old}
        assert not [note for note in reloaded if note.hook in ("on_exit", "on_starting", "when_ready")]
    assert [note.pid for note in notes(tmp_path, "on_exit")] == [new]


def test_zygote_that_dies_is_followed_by_one_with_the_hooks(tmp_path: Path) -> None:
    write(tmp_path)
    with hooked(tmp_path, provoked=True) as server:
        server.ready(2)
        os.kill(server.zygote(), SIGKILL)
        noted(tmp_path, "post_worker_init", 4)
        assert len(notes(tmp_path, "on_starting")) == len(notes(tmp_path, "when_ready")) == 1
        assert not notes(tmp_path, "on_reload")


@pytest.mark.parametrize("number", [SIGINT, SIGQUIT])
def test_end_by_int_or_quit_is_told_to_workers(tmp_path: Path, number: int) -> None:
    write(tmp_path)
    with hooked(tmp_path) as server:
        server.ready(2)
        server.interrupt_group(number)
        server.check_end()
    end = notes(tmp_path, "worker_int", "worker_exit", "child_exit", "on_exit")
    for pid in {note.pid for note in end if note.hook == "worker_int"}:
        assert [note.hook for note in end if note.pid == pid] == ["worker_int", "worker_exit"]
    assert [note.hook for note in end].count("worker_int") == 2 and [note.thread for note in end[:1]] == ["main"]
    assert [note.hook for note in end if note.pid == notes(tmp_path)[0].pid] == ["child_exit", "child_exit", "on_exit"]


@pytest.mark.parametrize("threads", [1, 2])
def test_timeout_calls_worker_abort_in_the_main_thread(tmp_path: Path, threads: int) -> None:
    write(tmp_path, f"workers, threads, timeout = 1, {threads}, 1\n")
    with hooked(tmp_path, provoked=True) as server:
        pid = server.ready(1)[0]
        assert server.get("/loops").status == 504
        assert [(note.pid, note.thread) for note in noted(tmp_path, "worker_abort")] == [(pid, "main")]
        assert noted(tmp_path, "worker_exit")[0].pid == pid
        assert names(noted(tmp_path, "child_exit")) == ["child_exit 1"]
        noted(tmp_path, "post_worker_init", 2)


def test_upgrade_calls_pre_exec_in_a_process_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    with hooked(tmp_path, env={"SPEYSIDE_PIDFILE": str(tmp_path / "pid")}) as server:
        server.ready(2)
        server.interrupt(SIGUSR2)
        server.log("upgraded pid=")
        server.process.wait(PATIENCE)
        called = notes(tmp_path, "pre_exec")
        others = {note.pid for note in notes(tmp_path) if note.hook != "pre_exec"}
        assert names(called) == ["pre_exec False"] and called[0].pid not in others
        assert len(notes(tmp_path, "on_starting")) == 2
        os.kill(int((tmp_path / "pid").read_text()), SIGTERM)
        until(lambda: not server.tree(), "the end of the new server", PATIENCE)


def test_pre_exec_that_raises_keeps_the_server(tmp_path: Path) -> None:
    write(tmp_path, "def pre_exec(server): raise OSError('not now')\n")
    with hooked(tmp_path, provoked=True) as server:
        server.interrupt(SIGUSR2)
        server.log("upgrade failed .*pre_exec.*SPY0018")
        assert "OSError: not now" in server.log("hook failed .*")
        assert server.get("/").status == 200


def test_application_that_a_hook_puts_in_the_others_place_is_served(tmp_path: Path) -> None:
    put = """
def post_worker_init(worker):
    inner = worker.wsgi
    def outer(environ, start_response):
        return [b"outer ", *inner(environ, start_response)]
    worker.{} = outer
"""
    for place in ("wsgi", "app.callable"):
        write(tmp_path, put.format(place))
        with hooked(tmp_path) as server:
            assert server.get("/").text.startswith("outer ")


def test_request_hooks_see_the_request_and_may_end_the_worker(tmp_path: Path) -> None:
    more = """
workers = 1
def pre_request(worker, req): note("pre_request", req.method, req.uri, worker.nr)
def post_request(worker, req, environ, resp):
    note("post_request", resp.status_code, resp.sent, environ["PATH_INFO"])
    if req.path == "/enough":
        worker.alive = False
"""
    write(tmp_path, more)
    with hooked(tmp_path, provoked=True) as server:
        first = server.get("/a?b=c").text.split()[0]
        assert names(noted(tmp_path, "post_request")) == [f"post_request 200 {len(first) + 5} /a"]
        assert names(notes(tmp_path, "pre_request")) == ["pre_request GET /a?b=c 0"]
        assert server.get("/enough").text.split()[0] == first
        assert noted(tmp_path, "worker_exit")[0].pid == int(first)
        assert server.get("/").text.split()[0] != first


@pytest.mark.parametrize("threads", [1, 2])
def test_thread_of_a_hook_may_end_the_worker(tmp_path: Path, threads: int) -> None:
    more = f"""
workers, threads = 1, {threads}
def end(worker):
    open("too-much").close()  # when the test opens it, too
    worker.alive = False
def post_fork(server, worker): threading.Thread(target=end, args=[worker], daemon=True).start()
"""
    os.mkfifo(tmp_path / "too-much")
    write(tmp_path, more)
    with hooked(tmp_path, provoked=True) as server:
        first = server.ready(1)[0]
        (tmp_path / "too-much").open("w").close()
        assert noted(tmp_path, "worker_exit")[0].pid == first
        noted(tmp_path, "post_worker_init", 2)
        assert server.get("/").text.split()[0] != str(first)


@pytest.mark.parametrize(
    ("hook", "arguments", "code", "exit_code"),
    [
        ("on_starting", "server", "SPY0041", 1),
        ("when_ready", "server", "SPY0041", 1),
        ("nworkers_changed", "server, new, old", "SPY0041", 1),
        ("pre_fork", "server, worker", "SPY0041", 1),
        ("post_fork", "server, worker", "SPY0042", 3),
        ("post_worker_init", "worker", "SPY0042", 3),
    ],
)
def test_hook_that_raises_ends_the_start(tmp_path: Path, hook: str, arguments: str, code: str, exit_code: int) -> None:
    line = CONF.count("\n") + 2
    write(tmp_path, f"def {hook}({arguments}):\n    open('/nowhere/at/all')\n")
    ended = end_of("hooked:app", cwd=tmp_path)
    said = f"gunicorn.conf.py:{line}: {hook}() raised FileNotFoundError: [Errno 2] No such file or directory: "
    assert f"{said}'/nowhere/at/all' [{code}]" in ended.stderr and ended.stderr.count("speyside: error:") == 1
    assert ended.code == exit_code, ended.stderr
    assert "speyside/" not in "".join(re.findall(r'File "(.*)", line', ended.stderr))
    if code == "SPY0042":  # as gunicorn: the worker says goodbye, and so does the server
        assert notes(tmp_path, "worker_exit") and names(notes(tmp_path))[-1] == "on_exit"


@pytest.mark.parametrize(
    "hook", ["on_reload(server)", "nworkers_changed(server, new, old)", "post_fork(server, worker)"]
)
def test_hook_that_raises_at_a_reload_leaves_the_server_as_it_is(tmp_path: Path, hook: str) -> None:
    write(tmp_path)
    with hooked(tmp_path, provoked=True) as server:
        server.ready(2)
        write(tmp_path, f"def {hook}: raise SystemExit(5)\n")
        server.interrupt(SIGHUP)
        server.log(r"reload failed .*called sys.exit\(5\).*SPY004")
        assert server.get("/").status == 200


def test_hooks_that_raise_while_the_server_serves_are_logged(tmp_path: Path) -> None:
    more = """
workers = 1
def child_exit(server, worker): raise ValueError("child")
def worker_exit(server, worker): raise ValueError("worker")
def on_exit(server): raise ValueError("end")
def post_request(worker, req): raise ValueError("request")
"""
    write(tmp_path, more)
    with hooked(tmp_path, provoked=True) as server:
        assert server.get("/").status == 200
        server.stop()
        told = re.findall(
            r"hook failed hook=(\w+) .*code=(SPY\d+) error=\"\S*gunicorn.conf.py:\d+: (\w+)\(\)", server.stderr.text()
        )
    assert told == [
        ("post_request", "SPY0042", "post_request"),
        ("worker_exit", "SPY0042", "worker_exit"),
        ("child_exit", "SPY0041", "child_exit"),
        ("on_exit", "SPY0041", "on_exit"),
    ]


def test_logging_configuration_is_the_applications_too(tmp_path: Path) -> None:
    more = """
import json, logging
class Json(logging.Formatter):
    def format(self, record):
        told = {"logger": record.name, "level": record.levelname, "message": record.getMessage()}
        if record.name == "gunicorn.access":
            told["status"] = record.args["s"]
        return json.dumps(told)
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": Json}},
    "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["out"]},
    "loggers": {
        "gunicorn.error": {"handlers": [], "propagate": True},
        "gunicorn.access": {"handlers": [], "propagate": True},
    },
}
accesslog = "-"
def post_fork(server, worker): server.log.warning("forked")
"""
    app = APP.replace("def app", "import logging\nlog = logging.getLogger('shop')\ndef app").replace(
        "    start_response", "    log.info('served')\n    start_response"
    )
    write(tmp_path, more, app)
    with hooked(tmp_path, provoked=True) as server:
        server.get("/a", ("X-Id", "7"))
        server.printed("GET /a HTTP/1.1")
        server.stop()
        told = [json.loads(line) for line in server.stdout.text().splitlines()]
    assert {"logger": "gunicorn.error", "level": "WARNING", "message": "forked"} in told
    assert {"logger": "shop", "level": "INFO", "message": "served"} in told
    access = [line for line in told if line["logger"] == "gunicorn.access"]
    assert len(access) == 1 and access[0]["status"] == "200", told
    assert re.fullmatch(r'127\.0\.0\.1 - - \[.*\] "GET /a HTTP/1\.1" 200 \d+ "-" "-"', access[0]["message"])


def test_files_of_loggers_are_opened_anew_at_usr1(tmp_path: Path) -> None:
    more = """
logconfig_dict = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "log"}},
    "root": {"level": "INFO", "handlers": ["file"]},
    "loggers": {"gunicorn.access": {"level": "INFO", "propagate": True}},
}
"""
    write(tmp_path, more)
    with hooked(tmp_path) as server:
        server.ready(2)
        server.get("/before")
        until(lambda: "/before" in (tmp_path / "log").read_text(), "its line, which comes after the reply", PATIENCE)
        (tmp_path / "log").rename(tmp_path / "log.1")
        server.interrupt(SIGUSR1)
        until(lambda: (tmp_path / "log").exists(), "the new file", PATIENCE)

        def all_anew() -> bool:
            old = (tmp_path / "log.1").read_text()
            for _ in range(4):
                server.get("/after")
            return (tmp_path / "log.1").read_text() == old

        until(all_anew, "every process has the new file", PATIENCE)
        assert "/after" in (tmp_path / "log").read_text() and "/before" in (tmp_path / "log.1").read_text()


def test_logging_configuration_that_cannot_be_is_one_error(tmp_path: Path) -> None:
    write(tmp_path, 'logconfig_dict = {"version": 1, "handlers": {"a": {"class": "no.Such"}}}\n')
    ended = end_of("hooked:app", cwd=tmp_path)
    assert ended.code == 1 and ended.stderr.count("speyside: error:") == 1, ended.stderr
    assert "logconfig_dict cannot be used: ValueError: " in ended.stderr and "[SPY0040]" in ended.stderr
