"""The server's own log: in a file, in JSON, with what the application prints; reopened while it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGUSR1
from typing import Any

from harness import PATIENCE, TESTS, Client, Server, end_of, running, until

RECORD = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} "


@contextmanager
def serving_json(app: str, *arguments: str) -> Iterator[tuple[Server, int]]:
    """Run a server whose log is JSON on stderr, where no banner is; return its port, too."""
    line = [app, "--bind=127.0.0.1:0", "--workers=1", "--threads=2", "--log-format=json", *arguments]
    server = Server(line, {}, TESTS, provoked=True)
    try:
        urls = json.loads(server.log(r'^\{.*"event":"serving".*\}$'))["urls"]
        yield server, int(urls.rpartition(":")[2])
        server.stop()
    finally:
        server.kill()


def get(port: int, target: str) -> int:
    with Client(("127.0.0.1", port), PATIENCE) as client:
        return client.get(target).status


def records(server: Server) -> list[dict[str, Any]]:
    """Read every line of stderr: each must be a record."""
    return [json.loads(line) for line in server.stderr.text().splitlines()]


def wait_for(log: Path, pattern: str) -> str:
    """Wait for a line of the log."""
    found = until(lambda: re.search(pattern, log.read_text(), re.MULTILINE), f"{pattern} in {log}", PATIENCE)
    assert isinstance(found, re.Match)
    return found.group()


def test_file_has_what_front_and_workers_tell_and_nothing_that_the_application_prints(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    with running("apps.outputs", f"--error-logfile={log}", workers=None, provoked=True) as server:
        wait_for(log, RECORD + r"INFO  serving application=apps\.outputs urls=http://127\.0\.0\.1:\d+ workers=")
        wait_for(log, RECORD + "INFO  worker ready worker=0 ")
        server.get("/each?name=brillig")
        wait_for(log, "^errors brillig €$")  # wsgi.errors, as with gunicorn
        assert server.get("/nowhere-to-be-found").status >= 400
        server.printed("brillig")
    text = log.read_text()
    assert re.search(RECORD + "INFO  drained ", text, re.MULTILINE)
    assert not re.search(RECORD, server.stderr.text(), re.MULTILINE)
    assert "brillig" not in re.sub(r"(?m)^(errors|lines) brillig.*$", "", text)


def test_traceback_of_a_request_is_in_the_file(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    with running("apps.corpus", f"--error-logfile={log}", workers=None, provoked=True) as server:
        assert server.get("/raise%0Aforged").status == 500
        wait_for(
            log, RECORD + r'ERROR application raised id=\S+ method=GET path="/raise\\nforged" worker=\d .* code=SPY0301'
        )
        wait_for(log, r"^    ValueError: /raise$")
    assert "Traceback" not in server.stderr.text()


def test_file_is_reopened(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    with running("apps.corpus", f"--error-logfile={log}", "--capture-output", workers=None, provoked=True) as server:
        wait_for(log, "worker ready")
        moved = log.rename(tmp_path / "error.1")
        server.interrupt(SIGUSR1)
        until(log.exists, "a new file", PATIENCE)
        wait_for(log, "INFO  error log reopened path=")
        assert server.get("/raise").status == 500
        wait_for(log, "ERROR application raised ")
    assert "application raised" not in moved.read_text()


def test_output_is_captured(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    with running("apps.workers", f"--error-logfile={log}", "--capture-output", workers=None) as server:
        server.get("/count?name=printed")
        wait_for(log, r"^served printed\.$")
        server.get("/shell")
        wait_for(log, "^before the shell$")
    assert "served" not in server.stdout.text() + server.stderr.text()


def test_json_has_a_record_for_everything() -> None:
    with serving_json("apps.corpus") as (server, port):
        assert get(port, '/raise%22%0A{"level":') == 500
        server.log(r'"event":"application raised"')
    found = {record["event"]: record for record in records(server)}
    raised = found["application raised"]
    assert raised["level"] == "error" and raised["path"] == '/raise"\n{"level":' and isinstance(raised["pid"], int)
    assert raised["text"].startswith("Traceback ") and "ValueError" in raised["text"]
    assert found["worker ready"]["worker"] == 0 and found["drain began"]["graceful_timeout"] == 30


def test_json_takes_what_the_application_prints() -> None:
    with serving_json("apps.outputs", "--capture-output") as (server, port):
        get(port, "/each?name=one")
        server.log(r'"text":"lines one"')
    printed = [record["text"] for record in records(server) if record["event"] == "application printed"]
    assert "errors one €" in printed and server.stdout.text() == ""


def test_application_that_does_not_load_is_told_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    (tmp_path / "broken.py").write_text("1 / 0\n")
    ended = end_of("broken:app", "--bind=127.0.0.1:0", f"--error-logfile={log}", cwd=tmp_path)
    assert ended.code == 3 and ended.stderr.startswith("speyside: error: "), ended.stderr
    assert re.search(RECORD + "ERROR application raised while it was loaded$", log.read_text(), re.MULTILINE)
    assert "    ZeroDivisionError: division by zero\n" in log.read_text()


def test_log_that_cannot_be_is_refused() -> None:
    ended = end_of("apps.corpus", "--error-logfile=/nowhere/at/all")
    assert ended.code == 1
    assert 'setting errorlog is "/nowhere/at/all" (from --error-logfile): open /nowhere/at/all: no such' in ended.stderr


def test_full_disk_stops_nothing() -> None:
    with running("apps.corpus", "--error-logfile=/dev/full", workers=None, provoked=True) as server:
        for _ in range(5):
            assert server.get("/raise").status == 500
        assert server.get("/reply?body=x").text == "x"
