"""The doors that frameworks have for servers: Django's runspeyside, `flask speyside`, pserve with egg:speyside#main."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.waiting import until

from harness import processes

PATIENCE = 30.0
Start = Callable[..., "Door"]

FILES = {
    "manage.py": """\
        import os
        import sys
        from django.core.management import execute_from_command_line

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
        execute_from_command_line(sys.argv)
    """,
    "site_settings.py": """\
        SECRET_KEY = "only for its own tests"
        DEBUG = True
        ALLOWED_HOSTS = ["*"]
        ROOT_URLCONF = "site_urls"
        INSTALLED_APPS = ["django.contrib.staticfiles", "speyside.django", "things"]
        STATIC_URL = "/static/"
        USE_TZ = True
    """,
    "site_urls.py": """\
        import os
        from django.http import HttpResponse
        from django.urls import path

        def hello(request):
            return HttpResponse(f"hello {os.getpid()} {request.META['SERVER_SOFTWARE']}")

        def boom(request):
            raise ValueError("from a view")

        urlpatterns = [path("", hello), path("boom/", boom)]
    """,
    "things/__init__.py": "",
    "things/static/things/river.css": "body { color: blue }",
    "flasky.py": """\
        import os
        from flask import Flask

        def create_app():
            app = Flask(__name__)

            @app.route("/")
            def hello():
                return f"flask {os.getpid()} {os.getppid()}"

            return app
    """,
    "development.ini": """\
        [app:main]
        use = call:pyramidal:main
        greeting = hello from pyramid

        [server:main]
        use = egg:speyside#main
        host = 127.0.0.1
        port = 0
        threads = 2
        timeout = 20
    """,
    "pyramidal.py": """\
        import os
        from pyramid.config import Configurator
        from pyramid.response import Response

        def main(global_config, **settings):
            config = Configurator(settings=settings)
            config.add_route("home", "/")
            text = settings["greeting"]
            config.add_view(lambda request: Response(f"{text} {os.getpid()}"), route_name="home")
            return config.make_wsgi_app()
    """,
}


class Door:
    """A program that serves. What it wrote is in `lines`."""

    def __init__(self, directory: Path, *command: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("FLASK_APP", None)
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
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
        """Return all that was written."""
        return "\n".join(self.lines)

    def found(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches."""
        try:
            return until(lambda: re.search(pattern, self.text, re.MULTILINE), pattern, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is\n{self.text}") from error

    def get(self, path: str = "/", port: str = "") -> str:
        """Return what is answered."""
        port = port or self.found(r"http://127\.0\.0\.1:([1-9]\d*)").group(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as reply:
            assert reply.headers["Server"] == "speyside"
            return str(reply.read().decode())

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal as a terminal does, to the whole group, and return the exit status."""
        os.killpg(self.process.pid, number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert not self._group(), self.text
        return status

    def _group(self) -> list[int]:
        return [int(one) for one in os.listdir("/proc") if one.isdigit() and self._is_ours(int(one))]

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getsid(pid) == self.process.pid and processes.running(pid)
        except ProcessLookupError:
            return False

    def kill(self) -> None:
        """End it in any case."""
        for pid in self._group():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program in a directory that has the files above."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    doors: list[Door] = []

    def begin(*command: str) -> Door:
        doors.append(Door(tmp_path, *command))
        return doors[-1]

    yield begin
    for door in doors:
        door.kill()


def free_port() -> str:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def test_django_serves_views_static_files_and_the_page_of_an_error(start: Start) -> None:
    port = free_port()
    door = start("manage.py", "runspeyside", "--noreload", port)
    door.found(rf"Starting .*development server at http://127\.0\.0\.1:{port}/")
    assert re.fullmatch(rf"hello {door.process.pid} speyside/\S+", door.get())
    assert door.get("/static/things/river.css") == "body { color: blue }"
    with pytest.raises(urllib.error.HTTPError, match="500") as raised:
        door.get("/boom/")
    assert "ValueError" in raised.value.read().decode()  # of DEBUG
    door.found(r'"GET /static/things/river\.css HTTP/1\.1" 200')
    door.found(r'"GET /boom/ HTTP/1\.1" 500')
    door.end()
    assert "will not be called" not in door.text


def test_django_reloads_what_has_changed(start: Start, tmp_path: Path) -> None:
    door = start("manage.py", "runspeyside", free_port())
    assert door.get().startswith("hello ")
    door.found("Watching for file changes")
    views = tmp_path / "site_urls.py"
    text = views.read_text().replace("hello {", "changed {")

    def changed() -> bool:
        try:
            answer = door.get()
        except OSError:
            return False  # between the two
        if answer.startswith("hello "):
            views.write_text(text)  # again: the reloader may have looked for the first time after the last one
        return answer.startswith("changed ")

    until(changed, f"the changed view; there is\n{door.text}", PATIENCE)
    door.end()


def test_django_says_that_a_port_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = start("manage.py", "runspeyside", "--noreload", str(taken.getsockname()[1]))
        door.found("Error: That port is already in use")
        assert door.process.wait(PATIENCE) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_flask_has_the_command(start: Start, workers: int) -> None:
    door = start(
        "-m", "flask", "--app", "flasky", "speyside", "--port", "0", "--workers", str(workers), "--threads", "2"
    )
    told = door.get()
    if workers == 1:
        assert told.startswith(f"flask {door.process.pid} ")
    else:
        assert str(door.process.pid) not in told.split()
        door.found(r"workers +2 × 2 threads")
    assert door.end() == 0, door.text


def test_flask_tells_what_is_wrong_in_a_line(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        door = start("-m", "flask", "--app", "flasky", "speyside", "--port", port)
        door.found(r"^Error: .*is taken: another program listens there \[SPY0003\]")
        assert door.process.wait(PATIENCE) == 1
    assert "Traceback" not in door.text


PSERVE = ("-c", "import sys; from pyramid.scripts.pserve import main; sys.exit(main())")


def test_pserve_runs_a_file_with_our_server(start: Start) -> None:
    door = start(*PSERVE, "development.ini")
    assert door.get() == f"hello from pyramid {door.process.pid}"
    door.found("with 2 threads of this process")
    assert door.end(signal.SIGTERM) == 0, door.text


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("workers = 2", r"run the same file with workers of its own: speyside .*development\.ini"),
        ("listen = 127.0.0.1:0", "host and port say where to listen, and so do listen and bind"),
        ("threads = many", "threads = many: it must be a number"),
        ("url_scheme = https", r"there is no setting url_scheme \[SPY0002\]"),
    ],
)
def test_pserve_says_what_a_file_cannot_have(start: Start, tmp_path: Path, keys: str, told: str) -> None:
    file = tmp_path / "development.ini"
    text = file.read_text()
    file.write_text(text.replace("threads = 2", keys) if keys.startswith("threads") else text + keys + "\n")
    door = start(*PSERVE, "development.ini")
    door.found(told)
    assert door.process.wait(PATIENCE) != 0


def test_pserve_listens_at_several_addresses(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "development.ini"
    text = (
        file.read_text().replace("host = 127.0.0.1\n", "").replace("port = 0\n", "listen = 127.0.0.1:0 127.0.0.1:0\n")
    )
    file.write_text(text)
    door = start(*PSERVE, "development.ini")
    found = door.found(r"at http://127\.0\.0\.1:(\d+), http://127\.0\.0\.1:(\d+) with")
    assert door.get(port=found.group(1)) == door.get(port=found.group(2)) == f"hello from pyramid {door.process.pid}"
