"""Ten configurations as people have them: hooks, answers and access lines are those that gunicorn has."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM

import pytest

from harness import PATIENCE, Client, Output, Server, running

from .theirs import Gunicorn, gunicorn

HERE = Path(__file__).parent
CONFIGURATIONS = sorted((HERE / "of_gunicorn").glob("*.py"))
LINE = re.compile(r"^\[[^]]+\] \[(\d+)\] \[(\w+)\] (.*)$")
# What gunicorn logs of itself, where hooks log, too.
ITS_OWN = re.compile(
    r"Starting gunicorn |Listening at: |Using worker: |Booting worker |Control socket |Handling signal: |Worker exiting"
    r"|Shutting down: |Hang up: |Worker \(pid:|Error handling request"
)
FIELDS = (
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Request-ID", "id-7"),
    ("Traceparent", "00-11-22-01"),
    ("Referer", 'http://elsewhere/"quoted"'),
    ("User-Agent", "the test/1.0"),
    ("Authorization", "Basic YW5uOnNlY3JldA=="),
)
TARGETS = ("/", "/database", "/seen?x=1&y=%22", "/no/such/page?q")


@dataclass
class Scenario:
    """What one configuration needs, and what is looked at."""

    app: str = "shop:app"
    workers: int = 2
    env: dict[str, str] = field(default_factory=dict)
    errors: bool = False  # the application is made to raise
    reload: str = ""  # what a hook writes when the reload is done, twice
    last: int = SIGTERM
    log: str = "stderr"
    directory: str = ""  # that has to be there
    without: str = ""  # what is not compared in access lines


SCENARIOS = {
    "django_gthread": Scenario(app=""),
    "prometheus_multiproc": Scenario(env={"PROMETHEUS_MULTIPROC_DIR": "metrics"}, directory="metrics"),
    "tracing": Scenario(),
    "logging_json": Scenario(log="stdout"),
    "lifecycle": Scenario(errors=True, reload="a worker has left", last=SIGINT),
    "gevent_pool": Scenario(workers=1),
    "unix_socket": Scenario(),
    "preload_reconnect": Scenario(),
    "access_format": Scenario(without=r"t=\S+ \d+ \d+ \d+ p=\S+"),
    "environment": Scenario(workers=3, env={"WEB_CONCURRENCY": "3", "TIMEOUT": "40"}),
}


@dataclass
class Observed:
    """What a server did with a configuration."""

    answers: list[tuple[object, ...]] = field(default_factory=list)
    master: list[str] = field(default_factory=list)  # what hooks wrote there, in order
    workers: list[list[str]] = field(default_factory=list)  # and in each worker
    access: list[str] = field(default_factory=list)
    files: dict[str, object] = field(default_factory=dict)


def prepare(directory: Path, scenario: Scenario) -> Path:
    """Put the applications where the server is started."""
    directory.mkdir()
    for name in ("shop.py", "site_of_django.py"):
        shutil.copy(HERE / name, directory)
    if scenario.directory:
        (directory / scenario.directory).mkdir()
        (directory / scenario.directory / "left_by_the_last_one.db").touch()
    return directory


def ask(connect: Callable[[], Client], scenario: Scenario) -> list[tuple[object, ...]]:
    """Send the requests, and return the answers."""
    answers: list[tuple[object, ...]] = []
    for target in TARGETS:
        with connect() as client:
            reply = client.get(target, *FIELDS)
        answers.append((target, reply.status, reply.text, reply.get("Content-Type"), reply.get("X-Worker")))
    if scenario.errors:
        with connect() as client:
            client.send(b"GET /error HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answers.append(("/error", client.rest().partition(b"\r\n")[0]))  # what follows is the server's own
    with connect() as client:
        reply = client.post("/echo", b"what was sent", *FIELDS)
        answers.append(("/echo", reply.status, reply.text, reply.get("Content-Length")))
    return answers


def hook_lines(text: str) -> Iterator[tuple[int, str]]:
    """Return process and text of each line that a hook or the application has logged."""
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            pid, told = int(found.group(1)), f"{found.group(2)} {found.group(3)}"
        elif line.startswith("{") and '"process"' in line:
            record = json.loads(line)
            if record["logger"] == "gunicorn.access":
                continue
            pid, told = record["process"], f"{record['logger']} {record['severity']} {record['message']}"
        else:
            continue
        if not ITS_OWN.search(told):
            yield pid, told


def access_lines(text: str, without: str) -> list[str]:
    """Return the lines for requests, without what is different each time."""
    lines = []
    for line in text.splitlines():
        if line.startswith("{"):
            record = json.loads(line)
            if record["logger"] == "gunicorn.access":
                lines.append(json.dumps(record["http"]) + record["message"])
        elif line and not LINE.match(line):
            lines.append(line)
    lines = [re.sub(r"^ - ", "- - ", line) for line in lines]  # gunicorn has nothing for the client of a Unix socket
    lines = [re.sub(r"\[\d\d/\w{3}/\d{4}:[^]]*\]", "[time]", line) for line in lines]
    return sorted(re.sub(without, "", line) if without else line for line in lines)


def observe(
    server: Server | Gunicorn, directory: Path, scenario: Scenario, is_master: Callable[[int], bool]
) -> Observed:
    """Have a server do everything, end it, and return what was seen."""
    log: Output = getattr(server, scenario.log)
    server.ready(scenario.workers)
    seen = Observed(answers=ask(server.connect, scenario))
    for name in ("pid", "s"):
        if (directory / name).exists():
            seen.files[name] = oct(stat.S_IMODE((directory / name).stat().st_mode))
    if scenario.reload:
        server.interrupt(SIGHUP)
        log.wait(scenario.reload, count=2, seconds=PATIENCE)
        server.ready(scenario.workers)
        seen.answers += ask(server.connect, scenario)
    if isinstance(server, Gunicorn):
        server.stop(scenario.last)
    else:
        server.interrupt(scenario.last)
        server.check_end()
    by_worker: dict[int, list[str]] = {}
    lines = list(hook_lines(log.text()))
    for pid, told in lines:
        for number in {one for one, _ in lines}:
            told = re.sub(r"\(\d{2,}\)", "(PID)", told.replace(str(number), "PID"))
        (seen.master if is_master(pid) else by_worker.setdefault(pid, [])).append(told)
    seen.workers += by_worker.values()
    seen.workers.sort()
    logged = directory / "access.log"
    seen.access = access_lines(logged.read_text() if logged.exists() else server.stdout.text(), scenario.without)
    seen.files |= {
        path.name: sorted(re.sub(r"age=\d", "age=N", line) for line in path.read_text().splitlines())
        for path in sorted(directory.glob("*"))
        if path.name == "spans"
    }
    seen.files["left"] = sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if "__pycache__" not in path.parts and path.suffix != ".ctl" and path.name != "gunicorn"
    )
    return seen


def workers(server: Server) -> set[int]:
    """Return the pids of all workers that there have been."""
    return {int(pid) for pid in re.findall(r"worker ready .*pid=(\d+)", server.stderr.text())}


def test_there_are_ten_configurations() -> None:
    assert [path.stem for path in CONFIGURATIONS] == sorted(SCENARIOS) and len(SCENARIOS) == 10


@pytest.mark.parametrize("name", SCENARIOS)
def test_configuration_does_what_it_does_under_gunicorn(name: str, short_path: Path) -> None:
    scenario, file = SCENARIOS[name], str(HERE / "of_gunicorn" / f"{name}.py")
    theirs, ours = prepare(short_path / "g", scenario), prepare(short_path / "s", scenario)
    env = {"PORT": "0", **scenario.env}
    apps = [scenario.app] if scenario.app else []
    with gunicorn(["-c", file, *apps], theirs, env) as other:
        line = [f"--config={file}", *apps]
        with running(*line, bind=(), workers=None, threads=None, env=env, cwd=ours, provoked=True) as server:
            mine = observe(server, ours, scenario, lambda pid: pid not in workers(server))
        other.await_listening(getattr(other, scenario.log))
        yours = observe(other, theirs, scenario, lambda pid: pid == other.process.pid)
    assert mine.answers == yours.answers
    assert mine.master == yours.master
    assert mine.workers == yours.workers
    assert mine.access == yours.access
    assert mine.files == yours.files
