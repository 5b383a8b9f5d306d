"""Takes its time in the ways that applications do, and notes what reaches it."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

from speyside import RequestTimeout


def note(environ, text):
    print(text, environ["speyside.request_id"])


def spin(environ):
    try:
        while True:
            pass
    except RequestTimeout:
        note(environ, "interrupted")
        raise


def swallow(environ):
    while True:
        try:
            while True:
                pass
        except Exception:
            note(environ, "swallowed")
        except RequestTimeout:
            note(environ, "refused to end")


def gated(environ):
    while not Path(environ["QUERY_STRING"].removeprefix("gate=")).exists():
        time.sleep(0.01)


class Blocks:
    def __init__(self, environ, pauses):
        self.environ, self.pauses = environ, pauses

    def __iter__(self):
        for number, pause in enumerate(self.pauses):
            end = time.monotonic() + pause
            while time.monotonic() < end:
                time.sleep(0.01)
            yield b"%d" % number

    def close(self):
        note(self.environ, "closed")


def application(environ, start_response):
    note(environ, "began")
    if environ["PATH_INFO"] == "/spin":
        spin(environ)
    if environ["PATH_INFO"] == "/swallow":
        swallow(environ)
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(60)
    if environ["PATH_INFO"] == "/gil":
        ctypes.PyDLL(None).sleep(60)
    if environ["PATH_INFO"].endswith("/gated"):
        note(environ, "waiting")
        gated(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/blocks":
        return Blocks(environ, [0.3, 0.3, 0.3])
    if environ["PATH_INFO"] == "/stalled":
        return Blocks(environ, [0, 60])
    if environ["PATH_INFO"] == "/large":
        return (b"x" * 65536 for _ in range(int(environ["QUERY_STRING"])))
    return [f"{os.getpid()} {environ['speyside.request_id']}".encode()]
