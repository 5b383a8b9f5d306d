"""Is cold until it is warmed up, and shows when that was."""

import os
import threading
import time

WARMED: list[str] = []


def prepare() -> None:
    WARMED.append(f"prepare in {threading.current_thread() is threading.main_thread()}")


def fail() -> None:
    raise ValueError("nothing to warm up with")


def leave() -> None:
    raise SystemExit(7)


def application(environ, start_response):
    if environ.get("speyside.warmup"):
        WARMED.append(environ["PATH_INFO"] + "?" + environ["QUERY_STRING"])
        if environ["PATH_INFO"] == "/slow":
            time.sleep(60)
    status = "500 No" if environ["PATH_INFO"] == "/broken" else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {WARMED}".encode()]
