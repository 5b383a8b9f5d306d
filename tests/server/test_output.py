"""The banner, the log, and what the application prints."""

from __future__ import annotations

import os
import platform
import re
import signal
import sys
from collections.abc import Iterator

import pytest

from harness import PATIENCE, Client, Gate, Server, program, running

RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} (DEBUG|INFO |WARN |ERROR) [a-z].*")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.outputs", workers=2, threads=4, provoked=True) as made:
        yield made


def test_banner_names_address_workers_python_application_and_how_to_stop() -> None:
    with running("apps.outputs:application", workers=2, threads=3) as server:
        assert re.search(r"^  Speyside \S+ is serving apps\.outputs:application$", server.banner, re.MULTILINE)
        assert f"    http://127.0.0.1:{server.port}\n" in server.banner
        assert re.search(r"^  workers +2 × 3 threads$", server.banner, re.MULTILINE)
        python = re.search(r"^  Python +(\S+), (\S+)$", server.banner, re.MULTILINE)
        assert python and python[1] == platform.python_version()
        assert os.path.realpath(python[2]) == os.path.realpath(sys.executable)
        assert re.search(r"^  stop +Ctrl-C .*at once$", server.banner, re.MULTILINE)
        server.printed("^printed while it was imported$")
        assert server.stdout.text() == "printed while it was imported\n"


def test_every_line_of_the_log_has_time_level_and_event() -> None:
    with running("apps.replies", "--log-level", "debug", workers=2) as server:
        assert server.get("/").status == 200
    after = server.stderr.text().replace(server.banner, "")
    lines = [line for line in after.splitlines() if line]
    assert len(lines) > 3
    assert [line for line in lines if not RECORD.fullmatch(line)] == []


def test_log_level_silences_the_log_and_not_the_application() -> None:
    with running("apps.outputs", "--log-level", "error", workers=None) as server:
        assert server.get("/each?name=quiet").status == 200
        server.log(r"^printed to stderr quiet$")
    assert "INFO" not in server.stderr.text()


def test_what_is_printed_or_logged_appears_at_once(server: Server, gate: Gate) -> None:
    with server.connect() as client:
        client.send(f"GET /each?name=now&gate={gate.path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        for line in ("printed now", "written now", "in two parts now"):
            server.printed(rf"^{line}$")
        for line in ("printed to stderr now", "logged now", "errors now €", "lines now"):
            server.log(rf"^{line}$")
        assert client.silent(0.05), "the request was over: nothing is shown of 'at once'"
        gate.open()
        assert client.reply().text == "written"


def test_lines_of_all_threads_and_workers_stay_whole(server: Server) -> None:
    out, err = server.stdout.mark, server.stderr.mark
    clients = [server.connect() for _ in range(8)]
    for number, client in enumerate(clients):
        client.send(f"GET /many?name={number}&lines=200 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    for client in clients:
        assert client.reply().text == "written"
        client.close()
    server.stdout.wait(r"^<.*>$", out, 800)
    server.stderr.wait(r"^<.*>$", err, 800)
    seen = set()
    for line in (server.stdout.text(out) + server.stderr.text(err)).splitlines():
        parts = re.fullmatch(r"<(\d+)\.(\d+)\.(\d+)\.(x*)>", line)
        assert parts and len(parts[4]) == int(parts[3]), f"not whole: {line[:200]!r}"
        seen.add((int(parts[1]), int(parts[2])))
    assert len(seen) == 8 * 200


def test_worker_that_is_killed_loses_no_line(server: Server) -> None:
    out, err = server.stdout.mark, server.stderr.mark
    assert server.get("/last-words").status == 502
    server.printed(r"^last word 49$", out)
    assert re.findall(r"^last word (\d+)$", server.stdout.text(out), re.MULTILINE) == [str(n) for n in range(50)]
    record = server.log(r"^.* worker reaped .*$", err)
    assert "signal=SIGKILL" in record and "WARN" in record
    record = server.log(r"^.* request failed .*$", err)
    assert 'request="GET /last-words"' in record and "SPY0401" in record
    server.ready(2)


def test_programs_that_the_application_runs_print_to_the_same_stream() -> None:
    with running("apps.workers") as server:
        assert server.get("/shell").text == "ran"
        server.printed(r"^after the shell$")
        assert server.stdout.text() == "before the shell\nfrom the shell\nafter the shell\n"


def test_client_cannot_write_control_characters_into_the_log() -> None:
    with running("apps.faults", provoked=True) as server:
        mark = server.stderr.mark
        assert server.get("/odd%1b[31m%0apath").status == 500
        server.log(r"^ *\S*Expected: ", mark)
        record = server.log(r"^.* application raised .*$", mark)
        assert r"\x1b" in record and r"\n" in record and "SPY0301" in record
        assert b"\x1b" not in server.stderr.raw(mark)
        mark = server.stderr.mark
        with server.connect() as client:
            client.send(b"GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.reply().status == 400
        assert b"\x1b" not in server.stderr.raw(mark)


def test_output_to_one_file_keeps_the_order() -> None:
    with running("apps.outputs", threads=1) as server:
        out = server.stdout.mark
        for number in range(20):
            assert server.get(f"/each?name={number}").status == 200
        server.printed(r"^in two parts 19$", out)
        names = re.findall(r"^printed (\d+)$", server.stdout.text(out), re.MULTILINE)
        assert names == [str(number) for number in range(20)]


def speak_into_nothing(which: str) -> int:
    """Close the reading end of one of the server's streams, have everybody write to it, and return the exit code."""
    mark = program.new_mark()
    process = program.spawn(["apps.outputs", "--bind=127.0.0.1:0", "--workers=1"], {}, mark, program.TESTS)
    assert process.stdout is not None and process.stderr is not None
    seen = b""
    while b" worker ready " not in seen:
        piece = os.read(process.stderr.fileno(), 65536)
        assert piece, seen
        seen += piece
    port = re.search(rb"http://127\.0\.0\.1:(\d+)", seen)
    assert port
    getattr(process, which).close()
    try:
        for target, status in [("/each?name=lost", 200), ("/last-words", 502), ("/each?name=lost", 200)]:
            with Client(("127.0.0.1", int(port[1])), PATIENCE) as client:
                assert client.get(target).status == status
        process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE)
    finally:
        process.kill()
        process.communicate()


def test_server_goes_on_when_nobody_reads_its_stdout() -> None:
    assert speak_into_nothing("stdout") == 0


def test_server_goes_on_when_nobody_reads_its_stderr() -> None:
    assert speak_into_nothing("stderr") == 0
