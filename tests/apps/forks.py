"""Tells what a fork must not copy: each worker's random numbers, and the hooks that have run in it."""

from __future__ import annotations

import gc
import os
import random
import secrets
import time
import uuid
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import as_json, query

hooks: list[str] = []
own = random.Random(1)
first = [random.random(), secrets.token_hex(), uuid.uuid4()]  # each has been used before the fork

os.register_at_fork(
    before=lambda: hooks.append("before"),
    after_in_parent=hooks.clear,
    after_in_child=lambda: (hooks.append("in child"), own.seed()),  # type: ignore[arg-type]
)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Tell them, after a pause in which others get their requests."""
    time.sleep(float(query(environ).get("pause", 0)))
    return as_json(
        start_response,
        {
            "pid": os.getpid(),
            "random": random.random(),
            "own": own.random(),
            "secrets": secrets.token_hex(),
            "uuid4": str(uuid.uuid4()),
            "urandom": os.urandom(8).hex(),
            "hooks": hooks,
            "frozen": gc.get_freeze_count() > 0,
        },
    )
