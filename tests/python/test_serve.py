"""speyside.serve, and what ends a server inside a Python process: Ctrl-C, SIGTERM, the end of the process, kill -9."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.waiting import until

import speyside
from harness.processes import children, running
from program import SCRIPTS
from speyside.front import FrontRefused, program

PATIENCE = 20.0
APPLICATION = """
import os, signal, sys, threading, speyside
calls = []
def app(environ, start_response):
    calls.append(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {len(calls)} {environ['wsgi.multithread']} {environ['wsgi.multiprocess']}".encode()]
"""


def is_front(pid: int) -> bool:
    return b"--caller" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


class Process:
    """A Python that runs some code; what it wrote is in `lines`."""

    def __init__(self, code: str, *, directory: Path | None = None, arguments: tuple[str, ...] = ("-c",)) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments, *([code] if code else [])],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def port(self) -> int:
        found = until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)|port (\d+)", self.text), "an address", PATIENCE)
        return int(found.group(1) or found.group(2))

    def get(self, path: str = "/") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}{path}", timeout=PATIENCE) as reply:
            return str(reply.read().decode())

    def front(self) -> int:
        return until(lambda: [pid for pid in children(self.process.pid) if is_front(pid)], "a front", PATIENCE)[0]

    def end(self) -> int:
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def wait_for(self, line: str) -> None:
        try:
            until(lambda: line in self.lines, line, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is\n{self.text}") from error

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)


@pytest.fixture
def start() -> Iterator[Any]:
    all_of_them: list[Process] = []

    def begin(code: str, **options: Any) -> Process:
        all_of_them.append(Process(code, **options))
        return all_of_them[-1]

    yield begin
    for one in all_of_them:
        one.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_callable_is_served_by_this_process_until_a_signal(start: Any, number: int) -> None:
    process = start(APPLICATION + "speyside.serve(app, bind='127.0.0.1:0')\nprint('after', calls)")
    assert process.get("/a") == f"{process.process.pid} 1 True False"
    front = process.front()
    process.process.send_signal(number)
    assert process.end() == 0, process.text
    assert process.lines[-1] == "after ['/a']"
    assert re.fullmatch(
        r"Speyside \S+ is serving __main__:app at \S+ with 4 threads of this process; .*", process.lines[0]
    )
    assert not running(front)


def test_interrupt_from_a_terminal_reaches_the_front_too_and_changes_nothing(start: Any) -> None:
    process = start(APPLICATION + "speyside.serve(app, bind='127.0.0.1:0')\nprint('after')")
    process.get()
    front = process.front()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(front, number)
    assert process.get() == f"{process.process.pid} 2 True False"
    process.process.send_signal(signal.SIGINT)
    assert process.end() == 0 and process.lines[-1] == "after"


def test_killed_process_takes_its_front_along(start: Any) -> None:
    # A child of the process keeps its descriptors open: the front must not wait for their end.
    forking = (
        "def forking(environ, start_response):\n"
        "    if os.fork() == 0:\n"
        "        os.write(1, b'child %d\\n' % os.getpid())\n"
        "        signal.pause()\n"
        "    return app(environ, start_response)\n"
    )
    process = start(APPLICATION + forking + "speyside.serve(forking, bind='127.0.0.1:0', threads=1)")
    process.get()
    front = process.front()
    orphan = int(until(lambda: re.search(r"child (\d+)", process.text), "a child", PATIENCE).group(1))
    try:
        process.process.kill()
        process.process.wait()
        until(lambda: not running(front), "the end of the front", PATIENCE)
        assert running(orphan)
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_request_of_a_killed_process_is_answered_with_502(start: Any) -> None:
    suicide = "def app(environ, start_response):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    process = start(APPLICATION + suicide + "speyside.serve(app, bind='127.0.0.1:0')")
    with socket.create_connection(("127.0.0.1", process.port()), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.makefile("rb").readline() == b"HTTP/1.1 502 Bad Gateway\r\n"
    assert process.end() == -signal.SIGKILL
    assert "the worker died while the application ran this request" in process.text


def test_killed_front_is_told_and_ends_serve(start: Any) -> None:
    process = start(APPLICATION + "speyside.serve(app, bind='127.0.0.1:0')")
    process.get()
    os.kill(process.front(), signal.SIGKILL)
    assert process.end() == 1
    assert re.search(
        r"speyside\.front\.FrontLost: the front of this server \(pid \d+\) has ended: signal SIGKILL", process.text
    )


def test_last_answer_arrives_though_the_process_ends_at_once(start: Any) -> None:
    code = (
        "from speyside.simple_server import make_server\n"
        "def big(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x' * 3_000_000]\n"
        "server = make_server('127.0.0.1', 0, big)\nprint('port', server.server_port, flush=True)\n"
        "server.handle_request()"
    )
    for _ in range(5):
        process = start(code)
        assert len(process.get()) == 3_000_000
        assert process.end() == 0, process.text


def test_script_of_wsgiref_runs_with_python_alone(start: Any, tmp_path: Path) -> None:
    source = (SCRIPTS / "plain.py").read_text()
    assert "from wsgiref.simple_server import" in source
    (tmp_path / "plain.py").write_text(source.replace("from wsgiref.simple_server", "from speyside.simple_server"))
    process = start("", directory=tmp_path, arguments=("-u", "plain.py"))
    port = int(until(lambda: re.search(r"listening on (\d+)", process.text), "an address", PATIENCE).group(1))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as reply:
        assert reply.read() == b"plain 1"
    process.process.send_signal(signal.SIGINT)
    process.end()
    assert "calls 1" in process.lines or "KeyboardInterrupt" in process.text


def test_name_is_served_by_workers_of_their_own(start: Any, tmp_path: Path) -> None:
    (tmp_path / "named.py").write_text(APPLICATION)
    served = "import speyside; speyside.serve('named:app', bind='127.0.0.1:0', workers=2, threads=1); print('after')"
    process = start(served, directory=tmp_path)
    assert process.get().endswith("False True")
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 0, process.text
    assert process.lines[-1] == "after"


def test_signal_while_the_server_is_started_ends_it(start: Any, tmp_path: Path) -> None:
    (tmp_path / "named.py").write_text(APPLICATION)
    process = start(
        """
import os, signal, subprocess, speyside
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print("server", self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
subprocess.Popen = Popen
speyside.serve("named:app", bind="127.0.0.1:0", workers=1)
""",
        directory=tmp_path,
    )
    server = int(until(lambda: re.search(r"server (\d+)", process.text), "a server", PATIENCE).group(1))
    try:
        assert process.end() in (0, 128 + signal.SIGTERM), process.text
        assert not running(server), "it was left behind"
    finally:
        if running(server):
            os.kill(server, signal.SIGTERM)


def test_line_has_addresses_that_can_be_used(start: Any, tmp_path: Path) -> None:
    bind = f"['[::1]:0', 'unix:{tmp_path}/s']"
    process = start(APPLICATION + f"speyside.serve(app, bind={bind})")
    until(lambda: "Ctrl-C ends it" in process.text, "the line", PATIENCE)
    assert re.search(rf" at http://\[::1\]:\d+, unix:{tmp_path}/s with 4 threads", process.text), process.text


def test_name_that_cannot_be_served_is_the_exit_status(start: Any, tmp_path: Path) -> None:
    process = start("import speyside; speyside.serve('nowhere:app', bind='127.0.0.1:0')", directory=tmp_path)
    assert process.end() == 3
    assert "SPY01" in process.text


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        return []

    with pytest.raises(ValueError, match="speyside --workers 3 test_serve:"):
        speyside.serve(app, workers=3)
    with pytest.raises(ValueError, match="max_requests, preload: not for a callable"):
        speyside.serve(app, preload="on", max_requests=3)
    with pytest.raises(ValueError, match="workers_max: not for a callable"):
        speyside.serve(app, workers_max=3)
    with pytest.raises(FrontRefused, match=r'setting keepalive is "soon" .*SPY0001'):
        speyside.serve(app, bind="127.0.0.1:0", keepalive="soon")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=r"is taken: another program listens there \[SPY0003\]") as caught:
            speyside.serve(app, bind=f"127.0.0.1:{port}")
        assert caught.value.errno == 98
    with pytest.raises(FileNotFoundError, match="SPY0004"):
        speyside.serve(app, bind=f"unix:{tmp_path}/no/such/directory")
    assert not children(os.getpid())


def test_timeout_is_kept_in_this_process(start: Any) -> None:
    slow = (
        "import time\n"
        "def slow(environ, start_response):\n"
        "    try:\n        while True: time.sleep(0.01)\n"
        "    except speyside.RequestTimeout:\n        print('timed out\\n', end='', flush=True)\n        raise\n"
    )
    process = start(APPLICATION + slow + "speyside.serve(slow, bind='127.0.0.1:0', timeout=1)\nprint('after')")
    with pytest.raises(urllib.error.HTTPError, match="504"):
        process.get()
    process.wait_for("timed out")
    process.process.send_signal(signal.SIGINT)
    assert process.end() == 0 and process.lines[-1] == "after"


@pytest.mark.parametrize("socket_of", ["nobody", "a process that is not its parent"])
def test_front_serves_nobody_but_its_parent(socket_of: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        number = 99 if socket_of == "nobody" else theirs.fileno()
        command = [program(), "--caller", str(number), "wsgi_app=x", "bind=127.0.0.1:0", "control_socket=off"]
        between = ["sh", "-c", '"$@"; exit $?', "sh", *command]  # the shell is its parent then
        done = subprocess.run(between, pass_fds=[theirs.fileno()], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert re.fullmatch(r"speyside: error: .* \[SPY0085\]\nspeyside: hint: .*\n", done.stderr), done.stderr


def test_first_servers_of_a_process_may_start_in_several_threads_at_once(start: Any) -> None:
    code = (
        "import threading\nfrom speyside import testing\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
        "begun = threading.Barrier(4)\n"
        "def start():\n    begun.wait()\n    with testing.serve(app): print('started\\n', end='', flush=True)\n"
        "threads = [threading.Thread(target=start) for _ in range(4)]\n"
        "for one in threads: one.start()\nfor one in threads: one.join()"
    )
    process = start(code)
    assert process.end() == 0
    assert process.lines == ["started"] * 4, process.text


def test_process_without_standard_streams_serves(tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(
        "import urllib.request\nfrom speyside import testing\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'served']\n"
        "with testing.serve(app) as server:\n"
        "    open('answer', 'wb').write(urllib.request.urlopen(server.url, timeout=10).read())\n"
    )
    closing = 'exec "$@" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", closing, "sh", sys.executable, "daemon.py"], cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0
    assert (tmp_path / "answer").read_bytes() == b"served"
