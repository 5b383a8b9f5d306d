"""How much CPU and time the server itself takes per request: an application that does nothing, asked in several
ways."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.answers import Expected, Request
from harness.load import Wrk
from harness.metrics import CPU, P50
from scenarios.base import Scenario, Target

IN_PROCESS = ("fastpysgi", "fastwsgi", "bjoern")
THREADED = ("granian", "gunicorn", "uwsgi", "uwsgi-nginx", "waitress", "cheroot", "mod_wsgi")
KEEPERS = (*IN_PROCESS, *THREADED, "gunicorn-gevent", "twisted")
FLOORS = ("epoll", "fasthttp", "net-http")
FASTEST = ("fastpysgi", "bjoern", "granian")

SCENARIO = Scenario(
    name="hello",
    what="CPU per request of the whole server tree, constant answer",
    why="the application does nothing, so what is measured is the server",
    app="hello_app:app",
    expected=Expected(b"Hello World !", headers={"Content-Type": "text/plain", "Content-Length": "13"}),
    load=Wrk(connections=64),
    workers=1,
    threads=1,
    pinned=True,
    target=Target(CPU, 0.90),
    peers=(*KEEPERS, "gunicorn-sync", "wsgiref", *FLOORS),
    short=(*FASTEST, "gunicorn", "uwsgi", "waitress", "epoll"),
)

ONE = replace(
    SCENARIO,
    name="hello-1",
    what="p50 of one keep-alive connection that sends when it has its answer, constant answer",
    why="nothing waits for anything else: the way of one request through the server, wake-ups included",
    load=Wrk(connections=1),
    pinned=False,
    target=Target(P50, 1.05),
    peers=(*KEEPERS, "uwsgi-socket", *FLOORS),
    short=FASTEST,
)

ONE_CPU = replace(
    ONE,
    name="hello-1-pinned",
    what="the same with the whole server on one CPU",
    why="the worst case for a server of two processes: neither can do anything while the other runs",
    pinned=True,
    short=(),
)

THREADS = replace(
    SCENARIO,
    name="hello-2x4",
    what="CPU per request of the whole server tree, constant answer, 2 workers with 4 threads",
    why="the shape in which most people run a threaded server; threads of one interpreter hinder each other",
    workers=2,
    threads=4,
    pinned=False,
    target=Target(CPU, 1.00),
    peers=(*THREADED, "gunicorn-gevent", "twisted"),
    short=(),
)

NEW = replace(
    SCENARIO,
    name="new-connection",
    what="CPU per request of the whole server tree, a connection for each request",
    why="clients without keep-alive, health checks and proxies of the old school; what is measured is accept and "
    "close too",
    load=Wrk(connections=64, request=Request(headers={"Connection": "close"})),
    target=Target(CPU, 1.00),
    # uWSGI's router closes without saying so in a header field, which wrk takes for an error; its worker says it.
    peers=(*(name for name in KEEPERS if name != "uwsgi"), "uwsgi-socket", "gunicorn-sync", "wsgiref", *FLOORS),
    short=(),
)

PIPELINED = replace(
    SCENARIO,
    name="pipelined",
    what="CPU per request of the whole server tree, constant answer, 16 requests sent at once on each connection",
    why="few clients do it; it shows what is left of a request when reading and writing are shared. Peers that lose "
    "requests which came together fail",
    load=Wrk(connections=64, pipeline=16),
    target=Target(CPU, 1.00),
    peers=(*IN_PROCESS, "granian", "waitress", *FLOORS),
    short=(),
)

JSON_BODY = json.dumps({"items": [{"id": n, "name": f"item {n}", "price": n * 100} for n in range(20)]}).encode()

JSON = replace(
    SCENARIO,
    name="json",
    what="CPU per request of the whole server tree, a JSON document of 1 KiB made for each request",
    why="an endpoint without a framework: a little work of the application's own beside the server's",
    app="json_app:app",
    expected=Expected(JSON_BODY, headers={"Content-Type": "application/json", "Content-Length": str(len(JSON_BODY))}),
    target=Target(CPU, 1.00),
    peers=KEEPERS,
    short=(),
)

IN = {f"X-In-{n}": f"a value of some thirty bytes {n:3d}" for n in range(40)}
OUT = {f"X-Out-{n}": f"a value of some thirty bytes {n:3d}" for n in range(20)}

HEADERS = replace(
    SCENARIO,
    name="headers",
    what="CPU per request of the whole server tree, 40 header fields in and 20 out",
    why="browsers, proxies and frameworks send many; each becomes a Python object",
    app="headers_app:app",
    expected=Expected(b"40", headers={"Content-Type": "text/plain", "Content-Length": "2", **OUT}),
    load=Wrk(connections=64, request=Request(headers=IN)),
    target=Target(CPU, 1.00),
    peers=KEEPERS,
    short=(),
)

SCENARIOS = (SCENARIO, ONE, ONE_CPU, THREADS, NEW, PIPELINED, JSON, HEADERS)
