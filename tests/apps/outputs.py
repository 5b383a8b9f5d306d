"""Prints and logs in every way."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import Routes, query, text, wait_for_gate

application = Routes()
logging.basicConfig(level=logging.INFO, format="logged %(message)s")
print("printed while it was imported")


@application.add("/each")
def each(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write one line in each way, then wait for the gate."""
    name = query(environ)["name"]
    print(f"printed {name}")
    sys.stdout.write(f"written {name}\n")
    print("in two ", end="")
    print(f"parts {name}")
    print(f"printed to stderr {name}", file=sys.stderr)
    logging.getLogger("app").info("%s", name)
    print(f"errors {name} \u20ac", file=environ["wsgi.errors"])
    environ["wsgi.errors"].writelines([f"lines {name}\n"])
    environ["wsgi.errors"].flush()
    wait_for_gate(environ)
    return text(start_response, "written")


@application.add("/many")
def many(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write many lines of many lengths, each of which tells its length."""
    fields = query(environ)
    for number in range(int(fields["lines"])):
        line = f"{fields['name']}.{number}."
        filling = "x" * ((number * 997 + int(fields["name"]) * 131) % 3900)
        stream = sys.stderr if number % 2 else sys.stdout
        print(f"<{line}{len(filling)}.{filling}>", file=stream)
    return text(start_response, "written")


@application.add("/last-words")
def last_words(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Print, and die without a chance to write anything more."""
    for number in range(50):
        print(f"last word {number}")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
