"""A uwsgi.ini in use: the module `uwsgi` in real workers, and files and headers of the ini file."""

from __future__ import annotations

import json
import os
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

import pytest

from harness import PATIENCE, Server, running, until

APP = """
import json, os, threading, time
import uwsgi
from uwsgidecorators import harakiri, lock, postfork, thread

FORKED = []
LOADED_BY = os.getpid()

@postfork
def first():
    FORKED.append(f"first {uwsgi.worker_id()} {os.getpid() != LOADED_BY}")

@postfork(2)
def second():
    FORKED.append("second")

@lock
def enter(directory, name):
    marker = os.path.join(directory, "inside")
    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    time.sleep(0.02)
    os.unlink(marker)

def ask(environ):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/meet":
        open(f"met-{uwsgi.worker_id()}", "w").close()
        while not all(os.path.exists(f"met-{worker}") for worker in (1, 2)):
            time.sleep(0.005)
        path = "/about"
    if path == "/about":
        return {"worker": uwsgi.worker_id(), "numproc": uwsgi.numproc, "master": uwsgi.masterpid(), "pid": os.getpid(),
                "forked": FORKED, "ready": uwsgi.ready(), "loaded_by": LOADED_BY,
                "options": {name: value.decode() for name, value in uwsgi.opt.items()},
                "environ": [environ["uwsgi.version"].decode(), environ["uwsgi.core"]]}
    if path == "/count":
        return [uwsgi.request_id(), uwsgi.total_requests(), [one["pid"] for one in uwsgi.workers()], uwsgi.mem()[0] > 0]
    if path == "/lock":
        enter(query, "")
        return True
    if path == "/hold":
        uwsgi.lock()
        print(f"held by {os.getpid()}", flush=True)
        return os.getpid()
    if path == "/locked":
        return uwsgi.is_locked()
    if path == "/reload":
        return uwsgi.reload()
    if path == "/logvar":
        before = uwsgi.get_logvar("name")
        uwsgi.set_logvar("name", query)
        return [before, uwsgi.get_logvar("name").decode()]
    if path == "/harakiri":
        harakiri(1)(lambda: [time.sleep(0.01) for _ in range(3000)])()
    if path == "/in-time":
        return harakiri(30)(lambda: "done")()
    if path == "/thread":
        done = threading.Event()
        thread(done.set)()
        return done.wait(10)
    if path == "/missing":
        try:
            getattr(uwsgi, query)
        except AttributeError as error:
            return [hasattr(uwsgi, query), str(error)]
    return path

def application(environ, start_response):
    body = json.dumps(ask(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Powered-By", "me")])
    return [body]
"""


@contextmanager
def serving(directory: Path, ini: str = "", app: str = APP, provoked: bool = False) -> Iterator[Server]:
    (directory / "shop.py").write_text(app)
    (directory / "shop.ini").write_text("[uwsgi]\nhttp-socket = 127.0.0.1:0\nmodule = shop\n" + textwrap.dedent(ini))
    with running("--ini", "shop.ini", bind=(), workers=None, threads=None, cwd=directory, provoked=provoked) as server:
        yield server


def about(server: Server) -> dict[str, object]:
    answer = server.json("/about")
    assert isinstance(answer, dict)
    return answer


def test_a_worker_knows_who_it_is(tmp_path: Path) -> None:
    with serving(tmp_path, "master = true\nharakiri = 20\nname = shop\nname = later\nvacuum\n") as server:
        told = about(server)
        assert told["worker"] == 1 and told["numproc"] == 1 and told["ready"] is True
        assert told["master"] == server.front
        assert told["environ"] == ["2.0.31", 0]
        options = {"http-socket": "127.0.0.1:0", "module": "shop", "master": "true", "harakiri": "20", "name": "later"}
        assert told["options"] == {**options, "vacuum": ""}


@pytest.mark.parametrize("lazy", ["true", "false"])
def test_postfork_runs_in_each_worker_before_its_first_request(tmp_path: Path, lazy: str) -> None:
    with serving(tmp_path, f"processes = 2\nlazy-apps = {lazy}\n") as server:
        server.ready(2)
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(server.get, "/meet") for _ in range(2)]
            seen = {one.result().json["worker"]: one.result().json for one in both}
        own = "True" if lazy == "false" else "False"
        assert seen[1]["forked"] == [f"first 1 {own}"]
        assert seen[2]["forked"] == [f"first 2 {own}", "second"]
        assert (seen[1]["loaded_by"] == seen[2]["loaded_by"]) == (lazy == "false")


def test_a_postfork_function_that_raises_is_told_of_and_the_others_run(tmp_path: Path) -> None:
    app = APP.replace("@postfork\ndef first", "@postfork\ndef bad():\n    1 / 0\n\n@postfork\ndef first")
    with serving(tmp_path, app=app, provoked=True) as server:
        assert about(server)["forked"] == ["first 1 True"]
        server.stderr.wait(r"ERROR post-fork hook raised .*hook=bad", seconds=PATIENCE)


def test_requests_are_counted_by_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path, "processes = 2\n") as server:
        pids = server.ready(2)
        for total in range(6):
            counted = server.json("/count")
            assert isinstance(counted, list)
            assert counted[0] <= total
            assert counted[1:] == [total, sorted(counted[2], key=counted[2].index), True]
            assert set(counted[2]) == set(pids.values())


def test_a_lock_holds_across_workers_and_threads(tmp_path: Path) -> None:
    with serving(tmp_path, "processes = 2\nthreads = 2\n") as server:
        server.ready(2)
        answers: list[int] = []
        asks = [
            threading.Thread(target=lambda: answers.append(server.get(f"/lock?{tmp_path}").status)) for _ in range(8)
        ]
        for ask in asks:
            ask.start()
        for ask in asks:
            ask.join(PATIENCE)
        assert answers == [200] * 8
        assert server.json("/locked") is False


def test_a_lock_of_a_worker_that_died_is_free(tmp_path: Path) -> None:
    with serving(tmp_path, "processes = 2\n", provoked=True) as server:
        server.ready(2)
        holder = server.json("/hold")
        assert isinstance(holder, int)
        assert server.json("/locked") is True
        os.kill(holder, SIGKILL)
        until(lambda: server.json("/locked") is False, "a free lock", PATIENCE)


def test_reload_loads_the_application_anew(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        before = about(server)["loaded_by"]
        assert server.json("/reload") is True
        until(lambda: about(server)["loaded_by"] != before, "a new generation", PATIENCE)


def test_log_variables_are_those_of_one_request(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.connect() as client:
        for name in ("a", "b"):
            assert json.loads(client.get(f"/logvar?{name}").body) == [None, name]


def test_a_request_ends_after_its_own_harakiri(tmp_path: Path) -> None:
    with serving(tmp_path, "processes = 2\n", provoked=True) as server:
        assert server.get("/harakiri").status == 504
        server.stderr.wait(r"ERROR request timed out .*GET /harakiri", seconds=PATIENCE)
        assert server.json("/in-time") == "done"
        assert server.json("/thread") is True


@pytest.mark.parametrize(
    ("name", "instead"), [("cache_get", "Redis"), ("spool", "task queue"), ("add_cron", "systemd timer")]
)
def test_what_is_not_there_says_what_to_use(tmp_path: Path, name: str, instead: str) -> None:
    with serving(tmp_path) as server:
        there, text = server.json(f"/missing?{name}")  # type: ignore[misc]
        assert there is False
        assert f"uwsgi.{name} is not there" in text and instead in text


def test_a_decorator_that_is_not_there_fails_the_start_with_its_name(tmp_path: Path) -> None:
    app = "import uwsgidecorators\n\n@uwsgidecorators.timer(5)\ndef tick(number):\n    pass\n"
    with pytest.raises(AssertionError, match="uwsgidecorators.timer is not there under Speyside: let a systemd timer"):
        with serving(tmp_path, app=app):
            pass


def test_files_and_headers_of_the_ini_file(tmp_path: Path) -> None:
    (tmp_path / "st" / "deep").mkdir(parents=True)
    (tmp_path / "st" / "a.txt").write_text("a file")
    (tmp_path / "st" / "deep" / "index.html").write_text("<p>index")
    (tmp_path / "st" / "b.php").write_text("secret")
    (tmp_path / "st" / "out").symlink_to("/etc/passwd")
    ini = """
        static-map = /static=st
        static-index = index.html
        static-skip-ext = .php
        add-header = X-Frame-Options: DENY
        del-header = X-Powered-By
    """
    with serving(tmp_path, textwrap.dedent(ini)) as server:
        reply = server.get("/static/a.txt")
        assert (reply.status, reply.text, reply.get("Content-Type")) == (200, "a file", "text/plain")
        assert reply.get("X-Frame-Options") == "DENY"
        unchanged = server.get("/static/a.txt", ("If-Modified-Since", str(reply.get("Last-Modified"))))
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert server.get("/static/deep/").text == "<p>index"
        assert server.get("/static/deep").text == "<p>index"
        for path in (
            "/static/none.txt",
            "/static/b.php",
            "/static/out",
            "/static/../shop.py",
            "/static/%2e%2e/shop.py",
            "/staticx",
        ):
            reply = server.get(path)
            assert reply.get("Content-Type") == "application/json", path
        assert reply.get("X-Powered-By") is None and reply.get("X-Frame-Options") == "DENY"


def test_a_reload_with_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, provoked=True) as server:
        before = about(server)["loaded_by"]
        (tmp_path / "shop.ini").write_text("[uwsgi]\nhttp-sock\n")
        server.json("/reload")
        server.stderr.wait(r"shop.ini:2: http-sock is no option of uWSGI", seconds=PATIENCE)
        assert about(server)["loaded_by"] == before
