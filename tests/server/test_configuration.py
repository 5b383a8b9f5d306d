"""speyside.toml at a reload: what may change does, what may not is named, and a broken file changes nothing."""

from __future__ import annotations

from pathlib import Path
from signal import SIGHUP

from harness.client import request

from harness import PATIENCE, Server, running, until

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["SCRIPT_NAME"].encode() + b" " + environ["wsgi.input"].read()]
"""
FIRST = """
bind = "127.0.0.1:0"
limit_request_line = 200
[app]
wsgi_app = "released:app"
workers = 1
threads = 1
"""
TARGET = "/" + "x" * 400


def write(directory: Path, settings: str) -> None:
    """Put the application and a configuration in place."""
    (directory / "released.py").write_text(APP)
    (directory / "speyside.toml").write_text(settings)


def reload(server: Server, outcome: str) -> None:
    """Reload, and wait for a line about it."""
    mark = server.stderr.mark
    server.interrupt(SIGHUP)
    server.log(outcome, mark)


def test_reload_reads_the_configuration_again(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with running("released:app", bind=(), workers=None, threads=None, cwd=tmp_path) as server:
        assert server.get(TARGET).status == 414
        with server.connect() as waiting:  # on a connection from before
            assert waiting.get("/").status == 200
            write(
                tmp_path, FIRST.replace("= 200", "= 4000").replace("workers = 1", "workers = 2\nlimit_request_body = 3")
            )
            reload(server, "generation took over")
            until(lambda: server.get(TARGET).status == 200, "the new limit", PATIENCE)
            assert waiting.get(TARGET).status == 200
        server.ready(2)
        assert server.post("/", b"four").status == 413


def test_what_cannot_change_while_the_server_runs_is_named_and_stays(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with running("released:app", bind=(), workers=None, threads=None, cwd=tmp_path, provoked=True) as server:
        write(tmp_path, FIRST.replace("127.0.0.1:0", "127.0.0.1:1").replace("= 200", "= 4000"))
        mark = server.stderr.mark
        reload(server, "generation took over")
        told = server.log("setting not changed: that takes a restart.*", mark)
        assert "setting=bind" in told and "from=speyside.toml:2" in told
        until(lambda: server.get(TARGET).status == 200, "the new limit", PATIENCE)


def test_broken_configuration_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with running("released:app", bind=(), workers=None, threads=None, cwd=tmp_path, provoked=True) as server:
        for broken in ("bind = [", FIRST.replace("threads = 1", "threads = 0"), FIRST + "unknown = 1\n"):
            write(tmp_path, broken.replace("= 200", "= 4000"))
            reload(server, "reload failed.*SPY00")
            assert server.get(TARGET).status == 414
        write(tmp_path, FIRST.replace("= 200", "= 4000"))
        reload(server, "generation took over")
        until(lambda: server.get(TARGET).status == 200, "the new limit", PATIENCE)


def test_slow_client_is_held_to_the_new_timeouts(tmp_path: Path) -> None:
    write(tmp_path, "header_timeout = 0\n" + FIRST)
    with running("released:app", bind=(), workers=None, threads=None, cwd=tmp_path) as server, server.connect() as slow:
        slow.send(request("GET", "/")[:-2])
        until(lambda: server.get("/").status == 200, "that its bytes were read", PATIENCE)
        write(tmp_path, "header_timeout = 0.05\n" + FIRST)
        reload(server, "generation took over")

        def timed_out() -> bool:
            with server.connect() as late:
                late.send(request("GET", "/")[:-2])
                return not late.silent(0.5) and late.reply().status == 408

        until(timed_out, "the new timeout", PATIENCE)
