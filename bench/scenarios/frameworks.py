"""How much of it is left to see under the frameworks that people use."""

from __future__ import annotations

from dataclasses import replace

from harness.answers import Expected, Request
from harness.load import Wrk
from harness.metrics import CPU
from scenarios import hello
from scenarios.base import Scenario, Target

FLASK_BODY = b"<p>Hello, World!</p>"
PAGE = b"<!doctype html><title>Benchmark</title>" + b"".join(b"<p>%d</p>" % n for n in range(10))
ROWS = b"<!doctype html><title>Items</title>" + b"".join(b"<p>item %d: %d</p>" % (n, n * 100) for n in range(1, 21))
FILE = bytes(range(256)) * 1024
BOUNDARY = "benchmark-boundary"
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="title"\r\n\r\nreport\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="report.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode() + FILE + f"\r\n--{BOUNDARY}--\r\n".encode()  # fmt: skip
PEERS = ("fastpysgi", "fastwsgi", "bjoern", "granian", "gunicorn", "gunicorn-sync", "uwsgi", "uwsgi-nginx", "waitress")


def html(body: bytes) -> Expected:
    """A page of this content."""
    return Expected(body, headers={"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))})


FLASK = Scenario(
    name="flask",
    what="CPU per request of the whole server tree, Flask's hello world, two workers",
    why="most requests are dominated by the framework; two processes share the machine with the load",
    app="flask_app:app",
    expected=html(FLASK_BODY),
    load=Wrk(connections=64),
    workers=2,
    threads=1,
    pinned=False,
    target=Target(CPU, 1.00),
    peers=(*PEERS, "cheroot", "mod_wsgi"),
    short=("fastpysgi", "bjoern", "granian", "gunicorn"),
)

DJANGO = replace(
    FLASK,
    name="django",
    what="CPU per request of the whole server tree, Django with the middleware of startproject, a template, two "
    "workers",
    why="the heaviest of the common frameworks: what a server costs should hardly show",
    app="django_app:app",
    expected=html(PAGE),
    peers=(*PEERS, "mod_wsgi"),
)

DJANGO_BARE = replace(
    DJANGO,
    name="django-bare",
    what="CPU per request of the whole server tree, Django without middleware, the same page, two workers",
    why="what Django's own handler and templates take, so that the middleware's part is known",
    app="django_bare_app:app",
    peers=PEERS,
    short=(),
)

PYRAMID = replace(
    FLASK,
    name="pyramid",
    what="CPU per request of the whole server tree, Pyramid's hello world, two workers",
    why="a third framework, with a request object made of WebOb",
    app="pyramid_app:app",
    expected=Expected(FLASK_BODY, headers={"Content-Type": "text/html; charset=UTF-8"}),
    peers=PEERS,
    short=(),
)

POSTGRES = replace(
    DJANGO,
    name="django-postgres",
    what="CPU per request of the whole server tree, Django that reads 20 rows from PostgreSQL, 2 workers with 4 "
    "threads",
    why="what people's requests do: wait for a database and render. PostgreSQL runs beside, its CPU is not counted",
    app="django_postgres_app:app",
    expected=html(ROWS),
    load=Wrk(connections=16),
    threads=4,
    peers=("granian", "gunicorn", "uwsgi", "uwsgi-nginx", "waitress", "mod_wsgi"),
    short=(),
    service="postgres",
)

MULTIPART = replace(
    FLASK,
    name="multipart",
    what="CPU per request of the whole server tree, an upload of 256 KiB in a form that Flask parses, two workers",
    why="the framework reads wsgi.input in pieces of its own size, most of them small",
    app="multipart_app:app",
    expected=Expected(b"report 262144", headers={"Content-Type": "text/html; charset=utf-8"}),
    load=Wrk(
        connections=16,
        request=Request(
            method="POST", headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, body=FORM
        ),
    ),
    peers=(*hello.IN_PROCESS, "granian", "gunicorn", "uwsgi", "uwsgi-nginx", "waitress"),
    short=(),
)

SCENARIOS = (FLASK, DJANGO, DJANGO_BARE, PYRAMID, POSTGRES, MULTIPART)
