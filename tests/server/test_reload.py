"""Reload: a new generation beside the old one, and what becomes of the requests meanwhile."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest

from harness import PATIENCE, Client, Server, running, until
from harness.processes import descriptors
from harness.processes import running as is_running

APP = """
import os, time
{prologue}
time.sleep({seconds})
GENERATION = os.environ["SPEYSIDE_GENERATION"]

def app(environ, start_response):
    if environ["PATH_INFO"] == "/exit":
        os._exit(7)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{{GENERATION}} {release}".encode()]
"""


def write(directory: Path, release: str = "a", seconds: float = 0, prologue: str = "") -> None:
    """Put a release of the application in place, as a deployment does: at once."""
    fresh = directory / "fresh"
    fresh.write_text(APP.format(release=release, seconds=seconds, prologue=prologue))
    fresh.replace(directory / "released.py")


@contextmanager
def serving(directory: Path, *arguments: str, provoked: bool = False) -> Iterator[Server]:
    write(directory)
    with running("released:app", *arguments, workers=2, threads=2, cwd=directory, provoked=provoked) as server:
        yield server


def reload(server: Server, answer: str) -> None:
    server.interrupt(SIGHUP)
    until(lambda: server.get("/").text == answer, f"the answer {answer}", PATIENCE)


class Clients:
    """Clients that ask again and again, half of them on kept-alive connections; every answer is kept."""

    def __init__(self, server: Server, count: int) -> None:
        self.answers: list[str] = []
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(server, bool(n % 2))) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, server: Server, keep: bool) -> None:
        client: Client | None = None
        try:
            while not self._over.is_set():
                client = client or server.connect()
                reply = client.get("/")
                if reply.status != 200 or reply.closes:
                    self.wrong.append(str(reply))
                self.answers.append(reply.text)
                if not keep:
                    client.close()
                    client = None
        except Exception as error:
            self.wrong.append(repr(error))
        finally:
            if client is not None:
                client.close()

    def finish(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not self.wrong, self.wrong[:3]

    def generations(self) -> set[int]:
        return {int(answer.split()[0]) for answer in self.answers}


def test_reloads_under_load_lose_nothing_and_close_no_connection(tmp_path: Path) -> None:
    reloads = int(os.environ.get("SPEYSIDE_RELOADS", "5"))
    seconds = 2 if reloads > 5 else 0.2
    with serving(tmp_path) as server:
        write(tmp_path, seconds=seconds)
        clients = Clients(server, 24)
        for generation in range(2, reloads + 2):
            server.interrupt(SIGHUP)
            server.log(rf"generation took over generation={generation} ")
        until(lambda: reloads + 1 in clients.generations(), "an answer of the last generation", PATIENCE)
        clients.finish()
        assert clients.generations() == set(range(1, reloads + 2))


def test_new_code_is_served_after_a_reload_and_the_old_processes_go(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        before = server.tree()
        assert server.get("/").text == "1 a"
        write(tmp_path, "b")
        reload(server, "2 b")
        until(lambda: not set(before) - {server.front} & set(server.tree()), "the end of the old processes", PATIENCE)


def test_reloads_leave_no_descriptor_behind(tmp_path: Path) -> None:
    """The generation before stands by for a while, so there are those of two."""
    with serving(tmp_path) as server:
        reload(server, "2 a")
        until(lambda: len(server.tree()) == 1 + 2 * 3, "two generations, of a zygote and two workers", PATIENCE)
        before = descriptors(server.front)
        for number in range(3, 20):
            reload(server, f"{number} a")
        until(lambda: descriptors(server.front) <= before + 1, f"{before} descriptors again", PATIENCE)


@pytest.mark.parametrize(
    ("prologue", "told"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("syntax error here", "SyntaxError"),
        ("os._exit(3)", "died"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
    ],
)
def test_application_that_is_broken_at_a_reload_leaves_the_old_one_in_service(
    tmp_path: Path, prologue: str, told: str
) -> None:
    with serving(tmp_path, provoked=True) as server:
        write(tmp_path, "broken", prologue=prologue)
        server.interrupt(SIGHUP)
        record = server.log(r"^.* ERROR reload failed .*$")
        assert "generation=2" in record and "serving=1" in record and re.search(r"code=SPY01\d\d", record)
        server.log(re.escape(told))
        assert server.get("/").text == "1 a"
        write(tmp_path, "mended")
        reload(server, "3 mended")


def test_generation_that_crashes_in_its_first_seconds_gives_the_line_back(tmp_path: Path) -> None:
    prologue = """
import threading
def crash():
    time.sleep(0.3)
    os._exit(9)
os.register_at_fork(after_in_child=lambda: threading.Thread(target=crash).start())
"""
    with serving(tmp_path, provoked=True) as server:
        write(tmp_path, "crashing", prologue=prologue)
        server.interrupt(SIGHUP)
        server.log(r"generation took over generation=2 ")
        record = server.log(r"^.* ERROR reload failed .*$")
        assert "in its first seconds" in record and "code=SPY0106" in record
        assert server.get("/").text == "1 a"


def test_storm_of_reloads_ends_with_the_newest_code(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        clients = Clients(server, 4)
        for number in range(30):
            write(tmp_path, f"r{number}")
            server.interrupt(SIGHUP)
        until(lambda: server.get("/").text.endswith(" r29"), "the newest release", PATIENCE)
        clients.finish()


def test_directory_behind_a_symbolic_link_is_resolved_again(tmp_path: Path) -> None:
    for release in ("a", "b"):
        (tmp_path / release).mkdir()
        write(tmp_path / release, release)
    current = tmp_path / "current"
    current.symlink_to(tmp_path / "a")
    env = {"PWD": str(current)}
    with running("released:app", cwd=current, env=env) as server:
        assert server.get("/").text == "1 a"
        fresh = tmp_path / "fresh"
        fresh.symlink_to(tmp_path / "b")
        fresh.replace(current)
        reload(server, "2 b")


def test_stop_during_a_reload_ends_both_generations(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        write(tmp_path, seconds=60)
        server.interrupt(SIGHUP)
        server.log(r"reload began generation=2")
        server.stop()


def test_stop_when_the_workers_of_a_reload_have_just_begun_is_no_reason_to_warn(tmp_path: Path) -> None:
    with serving(tmp_path, "--preload=off") as server:
        write(tmp_path, seconds=60)
        server.interrupt(SIGHUP)
        until(lambda: len(server.tree()) == 1 + 2 * 3, "two generations, of a zygote and two workers", PATIENCE)
        server.stop()
        assert len(re.findall(r"worker reaped .* generation=2$", server.stderr.text(), re.MULTILINE)) == 2


def test_stop_while_the_workers_of_a_reload_are_forked_waits_for_none_of_them(tmp_path: Path) -> None:
    """The first has been forked, and the front has not been told yet that it is there."""
    prologue = """
os.register_at_fork(after_in_child=lambda: time.sleep(60), after_in_parent=lambda: time.sleep(0.2))
"""
    with serving(tmp_path) as server:
        write(tmp_path, prologue=prologue)
        server.interrupt(SIGHUP)
        until(lambda: len(server.tree()) > 1 + 3 + 1, "a worker of the second generation", PATIENCE)
        server.stop()


def test_worker_that_dies_after_a_reload_is_replaced_from_the_new_generation(tmp_path: Path) -> None:
    with serving(tmp_path, provoked=True) as server:
        write(tmp_path, "b")
        reload(server, "2 b")
        server.log(r"zygote ended .* generation=1|generation took over generation=2 ")
        for pid in server.workers().values():
            os.kill(pid, SIGKILL)
            break
        for _ in range(20):
            assert server.get("/").text == "2 b"


class Census:
    """Counts the processes of a server that are there at once, from its beginning to its end."""

    def __init__(self, server: Server) -> None:
        self.most = 0
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        while not self._over.is_set():
            seen = self._server.tree()
            # Listing takes a while. Those that are there after it have been there together.
            self.most = max(self.most, sum(is_running(pid) for pid in seen))

    def finish(self) -> int:
        self._over.set()
        self._thread.join(PATIENCE)
        return self.most


def test_reload_with_little_room_has_few_workers_beyond_the_full_number(tmp_path: Path) -> None:
    write(tmp_path)
    with running("released:app", "--reload-overlap=1", workers=4, cwd=tmp_path) as server:
        clients, census = Clients(server, 8), Census(server)
        write(tmp_path, "b")
        server.interrupt(SIGHUP)
        server.log(r"worker ready .* generation=2$", count=4)
        until(lambda: "2 b" in clients.answers, "an answer of the new generation", PATIENCE)
        # The front, two zygotes, and one worker beyond the four. It stands by until its successor has proved itself.
        until(lambda: len(server.tree()) == 1 + 1 + 4, "the end of the old generation", PATIENCE)
        assert census.finish() == 1 + 2 + 5
        clients.finish()
        assert server.get("/").text == "2 b"


def test_rollback_of_a_reload_with_little_room_brings_all_workers_back(tmp_path: Path) -> None:
    write(tmp_path)
    with running("released:app", "--reload-overlap=1", workers=4, cwd=tmp_path, provoked=True) as server:
        write(tmp_path, "b")
        server.interrupt(SIGHUP)
        server.log(r"generation took over generation=2 ")
        for _ in range(3):
            assert server.get("/exit").status == 502
        server.log(r" ERROR reload failed generation=2 .*in its first seconds.* serving=1 ")
        until(lambda: len(server.tree()) == 1 + 1 + 4, "four workers of the old generation alone", PATIENCE)
        assert {server.get("/").text for _ in range(20)} == {"1 a"}


def test_reload_to_far_fewer_workers_begins_with_as_many_as_there_are(tmp_path: Path) -> None:
    """The new generation has room for those, although its settings want few."""
    write(tmp_path)
    settings = tmp_path / "speyside.toml"
    settings.write_text("[app]\nworkers = 41\nthreads = 1\n")
    with running("released:app", workers=None, threads=None, cwd=tmp_path) as server:
        server.ready(41)
        settings.write_text("[app]\nworkers = 1\nthreads = 1\n")
        server.interrupt(SIGHUP)
        server.log(r"generation took over generation=2 ")
        server.log(r"workers scaled workers=1 before=41 by=-40$")
        assert server.get("/").text == "2 a"
        until(lambda: len(server.workers()) == 1, "one worker is left", PATIENCE)
