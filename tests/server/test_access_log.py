"""The access log: a line for each request, once, however it ended; nothing is forged, and no request waits for it."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGQUIT, SIGUSR1
from typing import Any

import pytest
from frameworks import servers
from harness.client import request

from harness import PATIENCE, TESTS, Client, Gate, Server, end_of, program, running, until

EVIL = 'a" 200 1 \\" b\\\t\xe9\xff'


@contextmanager
def logging(app: str, directory: Path, form: str, *arguments: str, **how: Any) -> Iterator[tuple[Server, Path]]:
    """Run a server with an access log, and read that log at its end: all lines must be whole then."""
    log = directory / "access.log"
    with running(app, f"--access-logfile={log}", f"--access-logformat={form}", *arguments, **how) as server:
        yield server, log
    text = log.read_text()
    assert text == "" or text.endswith("\n")


def lines(log: Path, count: int) -> list[str]:
    """Wait for that many lines, which are all."""
    found = until(
        lambda: (read := log.read_text().splitlines()) and len(read) >= count and read, f"{count} lines", PATIENCE
    )
    assert isinstance(found, list) and len(found) == count, found
    return found


def records(log: Path, count: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(log, count)]


def test_there_is_none_unless_it_is_asked_for() -> None:
    with running("apps.workers") as server:
        server.get("/")
    assert "GET /" not in server.stdout.text() + server.stderr.text()


def test_standard_output_has_combined_lines() -> None:
    with running("apps.workers", "--access-logfile=-") as server:
        server.get("/?a=b", ("User-Agent", "test/1"), ("Referer", "http://there/"))
        line = server.printed(r"^127\.0\.0\.1 .*$")
    assert re.fullmatch(
        rf'127\.0\.0\.1 - - {SHAPES["t"]} "GET /\?a=b HTTP/1\.1" 200 6 "http://there/" "test/1"',
        line,
    ), line


def test_json_tells_what_the_front_knows(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "json") as (server, log):
        server.get("/reply?body=hello&status=201%20Made&unread", ("User-Agent", "ü\xff"))
        (record,) = records(log, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", record.pop("time"))
    assert re.fullmatch(r"[0-9a-f]{8}-1", record.pop("request_id"))
    assert 0 < record.pop("reply_after") <= record.pop("duration") < 60
    assert record == {
        "client": "127.0.0.1",
        "method": "GET",
        "host": "test.example",
        "path": "/reply",
        "query": "body=hello&status=201%20Made&unread",
        "protocol": "HTTP/1.1",
        "status": 201,
        "bytes": 5,
        "outcome": "served",
        "worker": 0,
        "generation": 1,
        "user_agent": "ü\xff",
    }


# What gunicorn prints, each atom in a field of its own.
ATOMS = (
    "h l u r m U q H s b B f a {X-A}i {none}i {X-B}o {content-type}o {none}o {REQUEST_METHOD}e "
    "{PATH_INFO}e {QUERY_STRING}e {RAW_URI}e "
    "{SERVER_PROTOCOL}e {REMOTE_ADDR}e {HTTP_X_A}e {CONTENT_TYPE}e {CONTENT_LENGTH}e {SCRIPT_NAME}e "
    "{wsgi.url_scheme}e {HTTP_HOST}e z"
).split()
SHAPES = {
    "t": r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]",
    "T": "0",
    "M": r"\d{1,3}",
    "D": r"\d{1,6}",
    "L": r"0\.\d{6}",
    "p": r"<\d+>",
}
FORMAT = (
    " ".join(f'"%({atom})s"' for atom in ATOMS)
    + "".join(f"|%({atom})s" for atom in SHAPES)
    + "|%(B)05d|%(m)-6s|%(m).2s|100%%"
)
ASKED = [
    ("GET", "/reply?body=one&body=two&field=X-B:b&field=Content-Type:text/plain", []),
    (
        "GET",
        "/reply?body=12345&field=Content-Length:5&field=X-B:1&field=X-B:2",
        [("Referer", "http://there/"), ("User-Agent", "a b")],
    ),
    ("HEAD", "/reply?body=one&list", []),
    ("GET", "/reply?status=204%20No%20Content", [("X-A", "first"), ("x-a", "last")]),
    ("HEAD", "/caf%C3%A9%20x%2F?q=%20+", [("Authorization", "Basic YWRhOnB3"), ("X-A", "caf\xe9")]),
    ("POST", "/reply?body=a", [("Content-Type", "text/x"), ("Content-Length", "3")]),
    ("GET", "/reply?status=404%20No&body=%22", [("User-Agent", 'say "hi"'), ("Referer", "")]),
    ("OPTIONS", "/reply?list", [("Authorization", "Basic ====")]),
]


def ask_all(port: int) -> None:
    for method, target, fields in ASKED:
        with Client(("127.0.0.1", port), PATIENCE) as client:
            client.send(request(method, target, [*fields, ("Connection", "close")]))
            if method == "POST":
                client.send(b"abc")
            client.reply(method)


def test_atoms_are_gunicorns_byte_for_byte(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "gunicorn.log", tmp_path / "access.log"
    port = servers.free_port()
    gunicorn = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{port}", "--worker-class=sync", "apps.corpus",
         f"--access-logfile={theirs}", f"--access-logformat={FORMAT}"],
        cwd=TESTS, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert gunicorn.stderr is not None
        while b"Booting worker" not in gunicorn.stderr.readline():
            assert gunicorn.poll() is None
        ask_all(port)
        lines(theirs, len(ASKED))
    finally:
        gunicorn.terminate()
        gunicorn.communicate(timeout=PATIENCE)
    with logging("apps.corpus", tmp_path, FORMAT) as (server, _):
        server.log(r" WARN  access log has hyphens atoms=z ")
        server.provoked = True
        ask_all(server.port)
        lines(ours, len(ASKED))
    shapes = [*SHAPES.values(), r"\d{5}", "(GET|HEAD|POST|OPTIONS) *", "..", "100%"]
    for one, other in zip(theirs.read_bytes().splitlines(), ours.read_bytes().splitlines(), strict=True):
        for line in (one, other):
            for value, shape in zip(line.decode().rsplit("|", len(shapes))[1:], shapes, strict=True):
                assert re.fullmatch(shape, value), (value, shape)
        assert other.rsplit(b"|", len(shapes))[0] == one.rsplit(b"|", len(shapes))[0]
        assert other.rsplit(b"|", 4)[1:] == one.rsplit(b"|", 4)[1:]


@pytest.mark.parametrize("form", ["combined", "json", "logfmt", '{"agent":"%(a)s","path":"%(U)s","user":"%(u)s"}'])
def test_client_can_forge_neither_a_line_nor_a_field(tmp_path: Path, form: str) -> None:
    with logging("apps.corpus", tmp_path, form) as (server, log):
        target = "/%0a127.0.0.1%20-%22%5c%0d%1b[2J?%0a\\x"
        server.get(target, ("User-Agent", EVIL), ("Referer", EVIL), ("Authorization", "Basic YQpiIGMiOg=="))
        (line,) = lines(log, 1)
        assert line.isprintable()
        if form == "combined":
            quoted = r'"(?:[^"\\]|\\.)*"'
            assert re.fullmatch(rf"127\.0\.0\.1 - \S+ \[[^]]+\] {quoted} 200 \d+ {quoted} {quoted}", line), line
        elif form == "logfmt":
            found = re.sub(r'"(?:[^"\\]|\\.)*"', "x", line).split(" ")
            assert [field.partition("=")[0] for field in found][-2:] == ["referer", "user_agent"], line
        else:
            record = json.loads(line)
            assert EVIL in (record.get("user_agent"), record.get("agent"))


def raw(server: Server, data: bytes) -> int:
    """Send bytes on a connection of their own, and return the status of what comes."""
    with server.connect() as client:
        client.send(data)
        return client.head().status


def test_what_the_front_refuses_has_its_line(tmp_path: Path) -> None:
    limits = (
        "--limit-request-line=100",
        "--limit-request-body=10",
        "--limit-request-fields=5",
        "--header-timeout=1",
        "--health=on",
    )
    asked: list[tuple[bytes, int, str | None]] = [
        (b"NONSENSE\r\n\r\n", 400, None),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "/"),
        (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n\r\n", 414, None),
        (b"GET /many HTTP/1.1\r\n" + b"A: b\r\n" * 9 + b"\r\n", 431, "/many"),
        (b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n", 413, "/large"),
        (b"GET /odd HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: odd\r\n\r\n", 501, "/odd"),
        (b"GET /ver HTTP/3.0\r\n\r\n", 505, None),
        (b"GET /late HTTP/1.1\r\nHost: a\r\n", 408, None),
        (b"GET /-/live HTTP/1.1\r\nHost: a\r\n\r\n", 200, "/-/live"),
        (b"POST /-/live HTTP/1.1\r\nHost: a\r\n\r\n", 405, "/-/live"),
    ]
    with logging("apps.corpus", tmp_path, "json", *limits) as (server, log):
        for data, status, _ in asked:
            assert raw(server, data) == status, data
        for (data, status, path), record in zip(asked, records(log, len(asked)), strict=True):
            assert (record["status"], record.get("path")) == (status, path), data
            assert record["outcome"] == ("health_check" if status == 200 else "refused")
            assert "worker" not in record and "request_id" not in record and record["bytes"] > 0


def test_one_that_asks_nothing_has_no_line(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "json", "--header-timeout=1") as (server, log):
        with server.connect() as client:
            assert client.gone()
        with server.connect() as client:
            client.get("/reply?body=x")
        server.get("/reply?body=y")
        assert [record["query"] for record in records(log, 2)] == ["body=x", "body=y"]


def test_requests_that_end_badly_have_their_line_once(tmp_path: Path, gate: Gate) -> None:
    with logging("apps.workers", tmp_path, "json", workers=1, threads=2, provoked=True) as (server, log):
        pid = server.workers()[0]
        with server.connect() as client:  # gone while the application works
            client.send(request("GET", f"/gated?name=gone&gate={gate.path}"))
            server.printed("started gone")
            client.reset()
        assert records(log, 1)[0]["status"] == 499
        with server.connect() as client, server.connect() as other:
            client.send(request("GET", f"/gated?name=dies&gate={gate.path}"))
            server.printed("started dies")
            other.send(b"GET /partial HTTP/1.1\r\nHost")
            until(lambda: raw(server, b"\n") == 400, "a refusal", PATIENCE)
            os.kill(pid, SIGKILL)
            assert client.head().status == 502
        gate.open()
        found = records(log, 4)
    assert [(one["status"], one["outcome"]) for one in found] == [
        (499, "client_left"),
        (400, "refused"),
        (502, "failed"),
        (499, "client_left"),
    ]
    assert [one.get("worker") for one in found] == [0, None, 0, None]
    assert [one.get("path") for one in found] == ["/gated", None, "/gated", None]


def test_reply_that_is_broken_off_has_its_line(tmp_path: Path, gate: Gate) -> None:
    with logging("apps.workers", tmp_path, "json", workers=1, threads=1, provoked=True) as (server, log):
        with server.connect() as client:
            client.send(request("GET", f"/exit-begun?gate={gate.path}"))
            head = client.head()
            assert head.status == 200
            gate.open()
            client.gone()
        (record,) = records(log, 1)
        assert (record["status"], record["outcome"]) == (200, "cut")
        assert record["bytes"] > 0


def test_request_that_times_out_has_its_line(tmp_path: Path, gate: Gate) -> None:
    with logging("apps.workers", tmp_path, "json", "--timeout=1", workers=1, threads=2, provoked=True) as (
        server,
        log,
    ):
        assert server.get(f"/gated?name=late&gate={gate.path}").status == 504
        (record,) = records(log, 1)
        gate.open()
        assert (record["status"], record["outcome"], record["worker"]) == (504, "timed_out", 0)
        assert record["duration"] >= 1


def test_stop_at_once_leaves_no_request_without_its_line(tmp_path: Path, gate: Gate) -> None:
    with logging("apps.workers", tmp_path, "json", workers=1, threads=2, provoked=True) as (server, log):
        with server.connect() as client:
            client.send(request("GET", f"/gated?name=cut&gate={gate.path}"))
            server.printed("started cut")
            server.interrupt(SIGQUIT)
            server.process.wait(PATIENCE)
        (record,) = records(log, 1)
    assert record["status"] == 503 and record["path"] == "/gated"


def test_only_statuses_that_are_wanted_have_a_line(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "json", "--access-log-only=5xx,404,413", "--limit-request-body=1k") as (
        server,
        log,
    ):
        for status in (200, 304, 400, 404, 500, 405, 503):
            assert server.get(f"/reply?status={status}%20S").status == status
        assert raw(server, b"\n") == 400
        assert raw(server, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n") == 413
        assert [record["status"] for record in records(log, 4)] == [404, 500, 503, 413]


def test_requests_that_were_not_served_count_as_5xx(tmp_path: Path, gate: Gate) -> None:
    with logging(
        "apps.workers", tmp_path, "json", "--access-log-only=5xx", "--timeout=1", workers=1, threads=2, provoked=True
    ) as (server, log):
        server.get("/")
        with server.connect() as client:  # gone while the application works: 499
            client.send(request("GET", f"/gated?name=gone&gate={gate.path}"))
            server.printed("started gone")
            client.reset()
        assert server.get(f"/gated?name=late&gate={gate.path}").status == 504
        gate.open()
        with server.connect() as client:  # its worker dies
            begun = Gate(tmp_path / "begun")
            client.send(request("GET", f"/exit-begun?gate={begun.path}"))
            assert client.head().status == 200
            begun.open()
            client.gone()
        found = records(log, 2)
        assert [(one["status"], one["outcome"]) for one in found] == [(504, "timed_out"), (200, "cut")]


def test_only_slow_requests_have_a_line(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "json", "--access-log-only=slow=90ms") as (server, log):
        for _ in range(10):
            server.get("/reply?body=x")
        server.get("/reply?body=a&body=b&body=c&pause")
        until(lambda: "pause" in log.read_text(), "the line of the slow one", PATIENCE)
        found = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(found) < 11 and all(record["duration"] >= 0.09 for record in found), found


def test_only_replies_of_a_size_have_a_line(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "%(q)s %(B)s", "--access-log-only", "big=1k,empty") as (server, log):
        for size in (1023, 1024, 0, 1):
            server.get(f"/reply?body={'x' * size}&{size}")
        assert [line.split()[1] for line in lines(log, 2)] == ["1024", "0"]


def test_loggers_of_a_configuration_have_every_request(tmp_path: Path) -> None:
    configuration = tmp_path / "conf.py"
    configuration.write_text("accesslog = '-'\nlogconfig_dict = {'version': 1}\n")
    with running("apps.corpus", f"--config={configuration}", "--access-log-only=5xx", provoked=True) as server:
        server.log(r" WARN  access log has every request why=.*own loggers write it. setting=access_log_only")


def test_bytes_are_those_of_the_body(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * 3_000_000)
    with logging("apps.files", tmp_path, "json") as (server, log):
        assert len(server.get(f"/file?path={big}").body) == 3_000_000
        records(log, 1)  # of the helper that has sent it, which may come late
        with server.connect() as client:
            client.send(request("HEAD", f"/file?path={big}"))
            client.reply("HEAD")
        os.truncate(big, 64_000_000)  # more than the kernel keeps of what a client does not read
        with server.connect() as client:  # leaves in the middle
            client.send(request("GET", f"/file?path={big}"))
            client.head()
        assert [(one["bytes"], one["outcome"]) for one in records(log, 3)[:2]] == [(3_000_000, "served"), (0, "served")]
        last = records(log, 3)[2]
        assert last["outcome"] == "client_left" and last["status"] == 200 and last["bytes"] < 64_000_000


def test_early_hints_and_streams_do_not_make_a_second_line(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "json") as (server, log):
        with server.connect() as client:
            client.send(request("GET", "/reply?hint=Link:</a>&hint=Link:</b>&body=a&body=b&pause"))
            assert [client.head().status, client.head().status] == [103, 103]
            assert client.reply().text == "ab"
            assert client.get("/reply?body=x").status == 200
        assert [(one["status"], one["bytes"]) for one in records(log, 2)] == [(200, 2), (200, 1)]


def test_rotation_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    each, clients = 400, 4
    with logging("apps.corpus", tmp_path, "%(q)s") as (server, log):

        def work(number: int) -> None:
            with server.connect() as client:
                for i in range(each):
                    assert client.get(f"/reply?{number}-{i}").status == 200

        threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        moved = []
        while any(thread.is_alive() for thread in threads):
            seen = len(moved)
            moved.append(log.rename(tmp_path / f"access.{seen}"))
            server.interrupt(SIGUSR1)
            server.log(r" INFO  access log reopened ", count=seen + 1)
        for thread in threads:
            thread.join()
        assert len(moved) >= 3
        files = [*moved, log]
        until(
            lambda: sum(len(file.read_text().splitlines()) for file in files) >= each * clients, "all lines", PATIENCE
        )
        found = "".join(file.read_text() for file in files).split()
    assert sorted(found) == sorted(f"{number}-{i}" for number in range(clients) for i in range(each))


def test_directory_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    place = tmp_path / "logs"
    place.mkdir()
    log = place / "access.log"
    with running("apps.corpus", f"--access-logfile={log}", provoked=True) as server:
        server.get("/reply?1")
        kept = os.open(log, os.O_RDONLY)
        until(lambda: os.fstat(kept).st_size, "a line", PATIENCE)
        log.unlink()
        place.rmdir()
        server.interrupt(SIGUSR1)
        server.log(
            r' ERROR access log not reopened error="open .*: no such file or directory" effect="lines go to the file '
        )
        server.get("/reply?2")
        until(lambda: os.pread(kept, 10_000, 0).count(b"\n") == 2, "a second line", PATIENCE)
        os.close(kept)


def test_full_disk_costs_lines_and_no_request(tmp_path: Path) -> None:
    with running("apps.corpus", "--access-logfile=/dev/full", provoked=True) as server:
        for number in range(20):
            assert server.get(f"/reply?{number}").status == 200
        server.log(r' ERROR access log lines lost lines=\d+ path=/dev/full why="no space left on device"')


def test_pipe_that_nobody_reads_costs_lines_and_no_request(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    long = "x" * 7000
    with running("apps.corpus", f"--access-logfile={pipe}", "--access-logformat=%(q)s", provoked=True) as server:
        with server.connect() as client:
            for number in range(400):  # more than pipe and buffers hold
                assert client.get(f"/reply?{number}-{long}").status == 200
        server.log(r' ERROR access log lines lost lines=\d+ path=\S+ why="they come faster than they are written"')
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        until(lambda: quiet(reader), "what waits is read", PATIENCE)
        server.get("/reply?again")
        until(lambda: b"again" in available(reader), "lines go on", PATIENCE)
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def available(descriptor: int) -> bytes:
    """Return what can be read now."""
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


def quiet(descriptor: int) -> bool:
    """Say whether nothing is left to be read."""
    return not available(descriptor)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--access-logfile=/nowhere/at/all"],
            r'setting accesslog is "/nowhere/at/all" .*no such file or directory \[SPY0001\]',
        ),
        (["--access-logfile=/"], r"is a directory"),
        (["--access-logformat=%(h)x"], r'setting access_log_format is "%\(h\)x" .*at byte 1.*must end with s'),
        (["--access-logformat=%h %l"], r"begins an atom such as"),
        (
            ["--access-log-only=5xx,slow"],
            r'setting access_log_only is "5xx,slow" \(from --access-log-only\): it must be 4xx, 5xx or another class',
        ),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], says: str) -> None:
    ended = end_of("apps.corpus", "--bind=127.0.0.1:0", *arguments)
    assert ended.code == 1 and re.search(says, ended.stderr), ended.stderr


def test_standard_output_may_be_a_socket_as_under_systemd() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        arguments = [program.find(), "apps.corpus", "--bind=127.0.0.1:0", "--workers=1", "--access-logfile=/dev/stdout"]
        process = subprocess.Popen(arguments, cwd=TESTS, stdout=theirs, stderr=subprocess.PIPE, start_new_session=True)
        try:
            assert process.stderr is not None
            said = b""
            while not (url := re.search(rb"http://127\.0\.0\.1:(\d+)", said)):
                said += process.stderr.readline()
            with Client(("127.0.0.1", int(url[1])), PATIENCE) as client:
                assert client.get("/reply?body=x").status == 200
            assert b'"GET /reply?body=x HTTP/1.1" 200 1 ' in ours.recv(1 << 16)
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def test_generation_is_that_which_served(tmp_path: Path) -> None:
    with logging("apps.corpus", tmp_path, "json") as (server, log):
        server.get("/reply?1")
        server.interrupt(SIGHUP)
        server.log("generation took over generation=2")
        server.get("/reply?2")
        assert [(record["query"], record["generation"]) for record in records(log, 2)] == [("1", 1), ("2", 2)]
