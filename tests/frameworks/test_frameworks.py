"""Any framework on any server: one application, one file of requests, three servers, equal answers.

README.md says how to add a request or a rule. Each server is started once for each framework and replayed once; the
tests share what it answered.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from .compare import differences
from .content import blob
from .replay import Replay, replay
from .requestfile import Request, load
from .servers import GUNICORN, SPEYSIDE, TESTS, WSGIREF, Server, ServerDidNotStart, running

REFERENCES = (WSGIREF, GUNICORN)
SERVERS = (*REFERENCES, SPEYSIDE)
FRAMEWORKS = ("django", "flask", "pyramid")
REQUESTS = Path(__file__).parent / "requests"
VALIDATED = replace(SPEYSIDE, wrap="apps.validated:around('{}')")
# What the validator finds in the frameworks themselves: they send Content-Type with 204.
WITHOUT_CONTENT = ("a note is deleted", "no content")
FRAMEWORKS_OWN = {(framework, name) for framework in ("django", "flask") for name in WITHOUT_CONTENT}
DOWNLOAD_SIZE = 300_000
DOWNLOAD_TIME = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT

Replayed = Callable[[str, Server], Replay]


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the one file that the applications serve as a download."""
    path = tmp_path_factory.mktemp("download") / "river.bin"
    path.write_bytes(blob(DOWNLOAD_SIZE))
    os.utime(path, (DOWNLOAD_TIME, DOWNLOAD_TIME))
    return path.parent


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """For a framework, a fresh database that nobody has written to but its own seed module."""
    directory = tmp_path_factory.mktemp("seeds")

    def seed(framework: str) -> Path:
        path = directory / f"{framework}.sqlite3"
        if not path.exists():
            command = [sys.executable, "-m", f"frameworks.{framework}_app.seed"]
            environment = {**os.environ, "FRAMEWORKS_DATABASE": str(path)}
            subprocess.run(command, cwd=TESTS, env=environment, check=True, timeout=60)
        return path

    return seed


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory, download: Path, seeds: Callable[[str], Path]) -> Replayed:
    """What a server answers to a framework's requests, each server with its own copy of the seeded database."""
    kept: dict[tuple[str, Server], Replay] = {}

    def replayed(framework: str, server: Server) -> Replay:
        key = framework, server
        if key not in kept:
            directory = tmp_path_factory.mktemp(f"{framework}-{server.name}")
            database = shutil.copy(seeds(framework), directory / "database.sqlite3")
            environment = {"FRAMEWORKS_DATABASE": str(database), "FRAMEWORKS_DOWNLOAD": str(download)}
            application = server.wrap.format(f"frameworks.{framework}_app.wsgi")
            with running(server, application, environment, directory / "server.log") as port:
                kept[key] = replay(server.name, port, requests_of(framework))
        return kept[key]

    return replayed


def requests_of(framework: str) -> tuple[Request, ...]:
    return load(REQUESTS / f"{framework}.txt")


def check_equal(framework: str, servers: tuple[Server, ...], replayed: Replayed) -> None:
    requests = requests_of(framework)
    try:
        found = differences(requests, [replayed(framework, server) for server in servers])
    except ServerDidNotStart as error:
        pytest.fail(str(error), pytrace=False)
    if found:
        pytest.fail(f"{len(found)} differences in {len(requests)} requests\n\n" + "\n\n".join(found), pytrace=False)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_wsgiref_and_gunicorn_answer_alike(framework: str, replayed: Replayed) -> None:
    check_equal(framework, REFERENCES, replayed)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_answer_equals_wsgiref_and_gunicorn(framework: str, replayed: Replayed) -> None:
    check_equal(framework, SERVERS, replayed)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("server", [server for server in SERVERS if server.keeps], ids=lambda server: server.name)
def test_most_answers_come_on_a_kept_connection(framework: str, server: Server, replayed: Replayed) -> None:
    record = replayed(framework, server)
    assert record.reused > len(record.exchanges) // 2, f"{record.reused} of {len(record.exchanges)}"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_validator_of_wsgiref_finds_nothing(framework: str, replayed: Replayed) -> None:
    """A finding is an exception that leaves the application, so the answer is not the expected one."""
    requests = requests_of(framework)
    found = differences(requests, [replayed(framework, VALIDATED)])
    own = [request.title() for request in requests if (framework, request.name) in FRAMEWORKS_OWN]
    assert sorted(text.splitlines()[0] for text in found) == sorted(own), "\n\n".join(found)


def test_every_request_file_has_its_framework() -> None:
    assert sorted(path.stem for path in REQUESTS.glob("*.txt")) == sorted(FRAMEWORKS)
