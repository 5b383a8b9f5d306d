"""The messages that syslog gets of a configuration, under the real gunicorn and under Speyside."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from harness import PATIENCE, running

from .theirs import gunicorn

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""
NAMED = "syslog_prefix = 'shop'\nsyslog_facility = 'LOCAL3'\n"
NOT_NAMED = "proc_name = 'web:shop'\n"


def listen(directory: Path, kind: str) -> tuple[socket.socket, str]:
    """Listen as a syslog server does; return the socket and its address in a configuration."""
    if kind == "udp":
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
        address = f"udp://127.0.0.1:{listener.getsockname()[1]}"
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(directory / "log"))
        address = f"unix://{directory}/log{kind.removeprefix('unix')}"
    listener.settimeout(PATIENCE)
    return listener, address


def access(listener: socket.socket) -> bytes:
    """Return the next message about a request, as it was sent but for pid and time."""
    while True:
        message = listener.recv(65536)
        if b".access: " in message:
            return re.sub(rb"\[[^]]*\]", b"[]", message)


@pytest.mark.parametrize("kind", ["udp", "unix", "unix#dgram"])
@pytest.mark.parametrize("names", [NAMED, NOT_NAMED], ids=["named", "not-named"])
def test_syslog_gets_what_gunicorn_sends(tmp_path: Path, kind: str, names: str) -> None:
    (tmp_path / "served.py").write_text(APP)
    listener, address = listen(tmp_path, kind)
    text = f"bind = '127.0.0.1:0'\nworkers = 1\nsyslog = True\nsyslog_addr = {address!r}\n{names}"
    (tmp_path / "gunicorn.conf.py").write_text(text)
    fields = (("User-Agent", 'a "b"'),)
    with listener:
        with gunicorn(["served:app"], tmp_path, {}) as theirs:
            theirs.await_listening(theirs.stderr)
            with theirs.connect() as client:
                client.get("/a?b=c", *fields)
            expected = access(listener)
        with running("served:app", bind=(), workers=None, threads=None, cwd=tmp_path) as server:
            server.get("/a?b=c", *fields)
            assert access(listener) == expected
