"""`use = egg:speyside#main` in the [server:main] of a PasteDeploy file, so that `pserve development.ini` is Speyside.

Only PasteDeploy calls what is here. Keys are host and port, or listen (several addresses), or bind as on the command
line; threads; and every setting that speyside.serve() takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from speyside.api import serve
from speyside.loader import Application

HOST, PORT = "127.0.0.1", "8000"


def server_factory(global_conf: Mapping[str, str], **local: str) -> Callable[[Application], None]:
    """Return what serves an application (paste.server_factory)."""
    return lambda app: server_runner(app, global_conf, **local)


def server_runner(app: Application, global_conf: Mapping[str, str] | None, **local: str) -> None:
    """Serve the application until Ctrl-C or SIGTERM (paste.server_runner)."""
    given: dict[str, Any] = dict(local)
    bind = addresses(given)
    threads = _number(given, "threads", 4)
    if _number(given, "workers", 1) != 1:
        file = (global_conf or {}).get("__file__", "FILE.ini")
        raise ValueError(
            f"workers = {local['workers']}: the application is in this process, which is one worker; "
            f"run the same file with workers of its own: speyside {file}"
        )
    serve(app, bind=bind, threads=threads, **given)


def addresses(given: dict[str, Any]) -> list[str]:
    """Take from the keys what says where to listen."""
    host, port = given.pop("host", None), given.pop("port", None)
    listen, bind = given.pop("listen", ""), given.pop("bind", "")
    wanted = [one.replace("*:", "0.0.0.0:") for one in f"{listen} {bind}".replace(",", " ").split()]
    if wanted and (host or port):
        raise ValueError("host and port say where to listen, and so do listen and bind: leave one of them out")
    if not wanted:
        host = host or HOST
        wanted = [f"[{host}]:{port or PORT}" if ":" in host else f"{host}:{port or PORT}"]
    return wanted


def _number(given: dict[str, Any], name: str, default: int) -> int:
    text = str(given.pop(name, default))
    if not text.isdigit():
        raise ValueError(f"{name} = {text}: it must be a number")
    return int(text)
