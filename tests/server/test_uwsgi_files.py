"""Files for uWSGI in the shapes that people have: each starts, serves, and means what it meant."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import PATIENCE, Server, running, until

APP = """
import os, sys
import uwsgi

def app(environ, start_response):
    lazy = uwsgi.opt.get("lazy-apps", b"-").decode()
    told = [environ["SCRIPT_NAME"], lazy, uwsgi.numproc, uwsgi.cores, os.path.basename(os.getcwd())]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(str(one) for one in told).encode()]

application = app
"""


WHOLE = """
def whole(environ, start_response):
    start_response("200 OK", [])
    return [f"{environ['SCRIPT_NAME']!r} {environ['PATH_INFO']}".encode()]
"""

HERE = "[uwsgi]\nmodule = app\nhttp-socket = 127.0.0.1:0\n"


class Shape(NamedTuple):
    """A file, what it needs around it, and what is seen of it."""

    ini: str
    answer: str
    target: str = "/"
    listed: tuple[str, ...] = ()
    files: Mapping[str, str] = {}
    env: Mapping[str, str] = {}


SHAPES = {
    "django behind a proxy": Shape(
        """
        [uwsgi]
        project = shop
        base = %d
        chdir = %(base)%(project)
        module = %(project).wsgi:application
        master = true
        processes = 2
        threads = 2
        http-socket = %(base)%(project).sock
        chmod-socket = 666
        vacuum = true
        harakiri = 60
        max-requests = 5000
        buffer-size = 32768
        single-interpreter = true
        enable-threads = true
        die-on-term = true
        """,
        " - 2 2 shop",
        files={"shop/shop/__init__.py": "", "shop/shop/wsgi.py": APP},
    ),
    "container": Shape(
        """
        [uwsgi]
        strict = true
        master = true
        need-app = true
        http-socket = 127.0.0.1:$(PORT)
        wsgi-file = app.py
        callable = app
        processes = %(%k + 1)
        cheaper = 1
        cheaper-initial = 1
        cheaper-step = 1
        cheaper-algo = busyness
        lazy-apps = true
        disable-logging = true
        log-4xx = true
        log-5xx = true
        auto-procname = true
        procname-prefix = shop-
        reload-on-rss = 512
        worker-reload-mercy = 20
        max-worker-lifetime = 3600
        ignore-sigpipe = true
        ignore-write-errors = true
        disable-write-exception = true
        py-call-osafterfork = true
        stats = shop.stats
        stats-http = true
        memory-report = true
        """,
        f" true {len(os.sched_getaffinity(0)) + 1} 1 {{directory}}",
        listed=(
            "cheaper-step",
            "cheaper-algo",
            "memory-report",
        ),
        files={"app.py": APP},
        env={"PORT": "0"},
    ),
    "one base for several": Shape(
        """
        [uwsgi]
        ini = base.ini
        ini = :staging
        wsgi-file = app.py
        [staging]
        never = read
        """,
        " - 3 1 {directory}",
        files={
            "app.py": APP,
            "base.ini": "[uwsgi]\nhttp-socket = 127.0.0.1:0\nmaster = 1\nworkers = 2\n[staging]\nworkers = 3\n",
        },
    ),
    "conditions of the environment": Shape(
        """
        [uwsgi]
        http = 127.0.0.1:0
        module = app
        if-env = SHOP_PROCESSES
        processes = %(_)
        endif =
        if-not-env = SHOP_PROCESSES
        processes = 1
        endif =
        for = post-buffering buffer-size
        %(_) = 8192
        endfor =
        if-file = app.py
        callable = app
        endif =
        """,
        " - 2 1 {directory}",
        files={"app.py": APP},
        env={"SHOP_PROCESSES": "2"},
    ),
    "mounted below a path": Shape(
        """
        [uwsgi]
        http-socket = 127.0.0.1:0
        mount = /shop=app:app
        manage-script-name = true
        thunder-lock = true
        no-orphans = true
        listen = 128
        offload-threads = 2
        post-buffering = 8192
        log-format = %(addr) - [%(ltime)] "%(method) %(uri) %(proto)" %(status) %(rsize) %(msecs)
        """,
        "/shop - 1 1 {directory}",
        target="/shop/basket",
        files={"app.py": APP},
    ),
    "mounted, and the application sees the whole path": Shape(
        """
        [uwsgi]
        http-socket = 127.0.0.1:0
        mount = /shop=app:whole
        die-on-term = true
        exit-on-reload = true
        """,
        "'' /shop/basket",
        target="/shop/basket",
        listed=("exit-on-reload",),
        files={"app.py": WHOLE},
    ),
    "with background work": Shape(
        """
        [uwsgi]
        http-socket = 127.0.0.1:0
        socket = 127.0.0.1:3031
        wsgi-file = app.py
        pythonpath = lib
        touch-reload = app.py
        spooler = spool
        mule = worker.py
        cron = 5 -1 -1 -1 -1 clean.sh
        attach-daemon = memcached
        master-fifo = shop.fifo
        cache2 = name=shop,items=100
        harakiri-verbose = true
        limit-post = 1048576
        """,
        " - 1 1 {directory}",
        listed=("spooler", "mule", "cron", "attach-daemon", "master-fifo", "cache2", "socket"),
        files={"app.py": APP},
    ),
    "an environment of its own": Shape(
        """
        [uwsgi]
        plugins = python3,http
        http-socket = :0
        home = venv
        chdir = site
        pp = ../lib
        module = app
        callable = app
        gevent = 100
        uncommon = kept for the application
        """,
        " - 1 16 site",
        listed=("gevent",),
        files={"site/app.py": "from shop_app import app\n", "lib/shop_app.py": APP},
    ),
}


def lay_out(shape: Shape, directory: Path) -> None:
    for name, text in {"uwsgi.ini": shape.ini, **shape.files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.strip() for line in text.splitlines()) if name == "uwsgi.ini" else text)
    if "home = venv" in shape.ini:
        bin_directory = directory / "venv" / "bin"
        bin_directory.mkdir(parents=True)
        (bin_directory / "python").symlink_to(sys.executable)
        (directory / "venv" / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")


def listed(server: Server) -> set[str]:
    return set(re.findall(r"option without effect option=(\S+)", server.stderr.text()))


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_as_people_have_it_starts_unchanged(name: str, short_path: Path) -> None:
    shape = SHAPES[name]
    lay_out(shape, short_path)
    arguments = ("--ini", "uwsgi.ini")
    warned = bool(shape.listed)
    with running(
        *arguments, bind=(), workers=None, threads=None, cwd=short_path, env=dict(shape.env), provoked=warned
    ) as server:
        answer = server.get(shape.target)
        assert (answer.status, answer.text) == (200, shape.answer.format(directory=short_path.name))
        assert listed(server) == set(shape.listed)


def test_processes_are_called_as_the_file_says(short_path: Path) -> None:
    ini = HERE + "processes = 2\nauto-procname = true\nprocname-prefix = shop-\n"
    lay_out(Shape(ini, "", files={"app.py": APP}), short_path)
    with running("--ini", "uwsgi.ini", bind=(), workers=None, threads=None, cwd=short_path) as server:
        workers = server.ready(2)
        called = {pid: Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0") for pid in server.tree()}
        assert called[server.zygote()] == "shop-speyside zygote"
        assert {called[pid] for pid in workers.values()} == {"shop-speyside worker 1", "shop-speyside worker 2"}
        assert Path(f"/proc/{server.front}/comm").read_text() == "shop-master\n"


def test_the_log_says_what_term_does_where_the_file_leaves_it_to_uwsgi(short_path: Path) -> None:
    for option, said in (("", True), ("die-on-term = true\n", False)):
        ini = HERE + option
        lay_out(Shape(ini, "", files={"app.py": APP}), short_path)
        with running("--ini", "uwsgi.ini", bind=(), workers=None, threads=None, cwd=short_path) as server:
            server.log("worker ready")
            assert ("TERM ends the server file=uwsgi.ini" in server.stderr.text()) is said


def test_loggers_of_the_file_are_written(short_path: Path) -> None:
    ini = HERE + "logger = file:shop.log\nreq-logger = file:requests.log\nlog-format = 100%% %(status)\n"
    lay_out(Shape(ini, "", files={"app.py": APP}), short_path)
    with running("--ini", "uwsgi.ini", bind=(), workers=None, threads=None, cwd=short_path) as server:
        assert server.get("/").status == 200
        until(lambda: (short_path / "requests.log").read_text() == "100% 200\n", "the line of the request", PATIENCE)
        until(lambda: "worker ready" in (short_path / "shop.log").read_text(), "the log", PATIENCE)
