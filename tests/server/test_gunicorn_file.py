"""A configuration of gunicorn's at a reload: it is executed again, and one that fails changes nothing."""

from __future__ import annotations

from pathlib import Path
from signal import SIGHUP, SIGTTIN

from harness import PATIENCE, Server, program, running, until

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"""
FIRST = """
import os
bind = "127.0.0.1:0"
workers = 1
limit_request_line = 200
"""
TARGET = "/" + "x" * 400


def write(directory: Path, settings: str) -> None:
    """Put the application and a configuration in place."""
    (directory / "served.py").write_text(APP)
    (directory / "gunicorn.conf.py").write_text(settings)


def reload(server: Server, outcome: str) -> str:
    """Reload, and wait for a line about it."""
    mark = server.stderr.mark
    server.interrupt(SIGHUP)
    return server.log(outcome, mark)


def test_reload_executes_the_configuration_again(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with running("served:app", bind=(), workers=None, threads=None, cwd=tmp_path) as server:
        assert server.get(TARGET).status == 414
        write(tmp_path, FIRST.replace("200", "4000").replace("workers = 1", "workers = 2\nthreads = 3"))
        reload(server, "generation took over")
        until(lambda: server.get(TARGET).status == 200, "the new limit", PATIENCE)
        server.ready(2)


def test_configuration_that_fails_at_a_reload_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with running("served:app", bind=(), workers=None, threads=None, cwd=tmp_path, provoked=True) as server:
        for broken, code in (
            ("1 / 0\n", "SPY0040"),
            ("workers = 'many'\n", "SPY0001"),
            ("certfile = 'x'\n", "SPY0050"),
        ):
            write(tmp_path, FIRST + broken)
            reload(server, f"reload failed.*{code}")
            assert server.get(TARGET).status == 414
        write(tmp_path, FIRST.replace("200", "4000"))
        reload(server, "generation took over")
        until(lambda: server.get(TARGET).status == 200, "the new limit", PATIENCE)


def test_reload_command_shows_what_the_configuration_raised(tmp_path: Path) -> None:
    write(tmp_path, FIRST)
    with running("served:app", bind=(), workers=None, threads=None, cwd=tmp_path, provoked=True) as server:
        write(tmp_path, FIRST + "workers = 1 / 0\n")
        ended = program.end_of("reload", "--pid", str(server.front))
        assert ended.code == 1 and "gunicorn.conf.py:6: ZeroDivisionError" in ended.stderr
        assert "    workers = 1 / 0" in ended.stderr


def test_what_executed_the_configuration_becomes_the_zygote(tmp_path: Path) -> None:
    write(tmp_path, FIRST + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n")
    with running("served:app", bind=(), workers=None, threads=None, cwd=tmp_path) as server:
        assert server.get("/").status == 200
        executed_by = int((tmp_path / "pid").read_text())
        assert executed_by == server.zygote()


def test_nothing_waits_for_a_configuration_that_takes_its_time(tmp_path: Path) -> None:
    endless = f"import pathlib, time\npathlib.Path({str(tmp_path / 'began')!r}).touch()\ntime.sleep(1000)\n"
    write(tmp_path, FIRST)
    with running("served:app", bind=(), workers=None, threads=None, cwd=tmp_path) as server:
        write(tmp_path, endless + FIRST)
        server.interrupt(SIGHUP)
        until((tmp_path / "began").exists, "the configuration at work", PATIENCE)
        server.interrupt(SIGHUP)
        assert server.get("/").text == "served"
        server.interrupt(SIGTTIN)
        server.ready(2)
    # which ended in time, and left no process


def test_reload_follows_a_link_to_another_release(tmp_path: Path) -> None:
    for release, limit in (("one", 200), ("two", 4000)):
        (tmp_path / release).mkdir()
        write(tmp_path / release, "from limits import *\nbind = '127.0.0.1:0'\nworkers = 1\n")
        (tmp_path / release / "limits.py").write_text(f"limit_request_line = {limit}\n")
    current = tmp_path / "current"
    current.symlink_to("one")
    with running("served:app", bind=(), workers=None, threads=None, cwd=current, env={"PWD": str(current)}) as server:
        assert server.get(TARGET).status == 414
        current.unlink()
        current.symlink_to("two")
        reload(server, "generation took over")
        until(lambda: server.get(TARGET).status == 200, "the limit of the other release", PATIENCE)
