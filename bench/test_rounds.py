"""A whole round against small servers made here, and tables that fit together."""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import pytest

import install
import run
import servers
from harness import interleave, machine, rounds, running
from harness.answers import Answer, Expected, Request, difference
from harness.load import Load, LoadFailed, OneAnswer, Wrk
from harness.metrics import CPU, FIRST, LOST, P50, P99, PSS, RATE
from harness.paced import Closed, Paced
from harness.rounds import Round, Settings
from harness.running import NotStarted, Plan, Running, free_port
from scenarios import SCENARIOS
from scenarios.base import Scenario, Target
from servers import Server

SERVE = """
import sys, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 4096  # one write a reply: with two, delayed acknowledgements leave so few that their CPU is below a tick
    served = 0
    def do_GET(self):
        Handler.served += 1
        body = BODY
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
GOOD = "b'hello'"
TURNS_WRONG = "b'hello' if Handler.served < 8 else b'wrong'"


def scenario(load: Load) -> Scenario:
    return Scenario("s", "", "", "m:app", Expected(b"hello"), load, 1, 1, False, Target(CPU, 1.0), ())


def turns(body: str, load: Load, count: int = 1) -> list[Round]:
    command = (sys.executable, "-c", "{code}", "{port}")
    words = {"code": SERVE.replace("BODY", body)}
    server = Server("small", command, "", distribution="small")
    return list(interleave.compare(scenario(load), [server], Settings(count, 0.5, words, "")))


needs_go = pytest.mark.skipif(not shutil.which("go"), reason="go is not installed")


@needs_go
def test_a_round_measures_every_figure() -> None:
    (one,) = turns(GOOD, Closed(2))
    assert one.failure is None
    assert set(one.values) == {CPU.key, RATE.key, P50.key, P99.key, PSS.key}
    assert one.requests > 0
    # http.server takes tens to hundreds of µs a request, whatever the machine; a unit mistaken would be far off.
    assert 10 < one.values[CPU.key] < 5000
    assert one.values[CPU.key] * one.values[RATE.key] < 8e6
    assert 2 < one.values[PSS.key] < 200
    assert one.headers["content-length"] == "5"


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_a_server_that_answers_something_else_after_a_while_fails_its_round() -> None:
    (one,) = turns(TURNS_WRONG, Wrk(2))
    assert one.failure is not None and "body is b'wrong'" in one.failure


RELOADS = "b'hello'\nimport signal, subprocess\n"
ANEW = RELOADS + "signal.signal(signal.SIGHUP, lambda *_: subprocess.Popen(['sleep', '20']))\n"
IGNORES = RELOADS + "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"


@needs_go
@pytest.mark.parametrize(
    ("said", "failure"),
    [(ANEW, None), (IGNORES, "no process was started within 0.2 s")],
    ids=["a process is started", "none is"],
)
def test_a_reload_is_one_only_if_a_process_was_started(
    said: str, failure: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "RELOAD_SECONDS", 0.2)
    monkeypatch.setattr(running, "GRACE_SECONDS", 0.1)
    body, _, setup = said.partition("\n")
    server = Server("small", (sys.executable, "-c", "{code}", "{port}"), "", distribution="small")
    words = {"code": setup + SERVE.replace("BODY", body)}
    entry = replace(scenario(Paced(50, 2, fresh=True)), reload=True)
    (one,) = interleave.compare(entry, [server], Settings(1, 0.3, words, ""))
    if failure:
        assert one.failure is not None and failure in one.failure
    else:
        assert (one.failure, one.values[LOST.key]) == (None, 0)


def test_the_first_answer_is_timed_from_the_start_of_the_program() -> None:
    server = Server("small", (sys.executable, "-c", "{code}", "{port}"), "", distribution="small")
    words = {"code": "import time; time.sleep(0.3)\n" + SERVE.replace("BODY", GOOD)}
    entry = replace(scenario(OneAnswer()), target=Target(FIRST, 1.0))
    (one,) = interleave.compare(entry, [server], Settings(1, 0.3, words, ""))
    assert one.failure is None and 300 < one.values[FIRST.key] < 5000


def test_results_are_written_after_each_scenario(tmp_path: Path) -> None:
    options = run.arguments(["--json", str(tmp_path / "new" / "r.json"), "--html", str(tmp_path / "r.html")])
    about = machine.describe(run.ROOT, Path("/no/such/program")) | {"rounds": 1, "seconds": 1.0}
    run.save(options, {"machine": about, "scenarios": []})
    assert json.loads((tmp_path / "new" / "r.json").read_text())["machine"]["kernel"] == os.uname().release
    assert os.uname().release in (tmp_path / "r.html").read_text()
    assert os.uname().release in machine.heading(about)


def test_a_server_that_does_not_start_says_why_and_is_not_tried_again() -> None:
    (one,) = turns("None\nraise SystemExit('no such thing')", Closed(2), count=3)
    assert one.failure is not None and one.failure.startswith("not started:")
    assert "no such thing" in one.failure or "SyntaxError" in one.failure or "IndentationError" in one.failure


def test_the_server_runs_on_its_cpus_only() -> None:
    cpu = max(os.sched_getaffinity(0))
    code = f"import os; assert os.sched_getaffinity(0) == {{{cpu}}}; " + "raise SystemExit('on its CPU')"
    plan = Plan("s", [sys.executable, "-c", code], Request(), Expected(b""), free_port(), frozenset([cpu]))
    with pytest.raises(NotStarted, match="on its CPU"), Running(plan):
        pass


def test_pinned_parts_share_no_cpu() -> None:
    try:
        ours, load = rounds.split_cpus(True)
    except LoadFailed:
        pytest.skip("this machine has one CPU")
    assert len(ours) == 1 and load and not ours & load


@pytest.mark.parametrize("entry", SCENARIOS.values(), ids=lambda entry: entry.name)
def test_scenarios_name_servers_that_exist_and_fill_their_commands(entry: Scenario) -> None:
    for server in entry.takers(entry.peers):
        words = {"python": "P", "bin": "B", "speyside": "S", "floors": "F"}
        command = rounds.command(server, entry, words, 8123)
        assert not [word for word in command if "{" in word]
        assert command[-1] == ("8123" if server.floor else entry.app)
        assert any("8123" in word for word in command)
    assert set(entry.extra) <= set(entry.peers) | {"speyside"}
    assert set(entry.short) <= set(entry.peers)
    named = {server.name for server in entry.takers(entry.peers)}
    assert {entry.target.of, entry.target.against or entry.target.of} <= named


def test_every_peer_is_pinned_in_the_requirements() -> None:
    pins = dict(line.split("==") for line in install.requirements(install.REQUIREMENTS.read_text()))
    assert {peer.distribution for peer in servers.PEERS} - {None} <= set(pins)
    assert all(pins.values())


def answer(entry: Scenario) -> Answer:
    """What the application of a scenario answers to what its load sends."""
    module, _, name = entry.app.partition(":")
    app = getattr(importlib.import_module(module), name)
    request = entry.load.request
    environ: dict[str, object] = {}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": request.method, "PATH_INFO": request.path, "wsgi.input": io.BytesIO(request.body)}
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    environ |= {"CONTENT_LENGTH": str(len(request.body)), "CONTENT_TYPE": request.headers.get("Content-Type", "")}
    said: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: said.append((status, headers))))
    status, headers = said[0]
    return Answer(int(status.split()[0]), {name.lower(): value for name, value in headers}, body)


DIFFERENT = {entry.app: entry for entry in reversed(SCENARIOS.values())}


@pytest.mark.parametrize("entry", DIFFERENT.values(), ids=lambda entry: entry.app)
def test_applications_answer_what_their_scenario_expects(entry: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    if entry.service:
        pytest.skip(f"it needs {entry.service}")
    if "django" in sys.modules:
        # It has one configuration in a process, and two of the applications are Django's.
        conf, functional = importlib.import_module("django.conf"), importlib.import_module("django.utils.functional")
        monkeypatch.setattr(conf.settings, "_wrapped", functional.empty)
    monkeypatch.syspath_prepend(Path(__file__).parent / "apps")
    try:
        assert difference(answer(entry), entry.expected) is None
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed here")


def test_absent_servers_have_a_reason() -> None:
    nobody = Server("nobody", (), "", distribution="no-such-distribution", hint="what to do")
    reason = run.absence(nobody, Path("unused"), Path("unused"))
    assert reason is not None and "not installed" in reason and "what to do" in reason
    assert "is no program" in (run.absence(servers.SPEYSIDE, Path("/no/such/program"), Path("unused")) or "")


def test_speyside_on_another_python_is_not_compared(tmp_path: Path) -> None:
    program = tmp_path / "speyside"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert "cannot be known" in (run.absence(servers.SPEYSIDE, program, Path("unused")) or "")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 2.7.18\necho elsewhere\n")
    python.chmod(0o755)
    assert "not comparable" in (run.absence(servers.SPEYSIDE, program, Path("unused")) or "")
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    assert run.absence(servers.SPEYSIDE, program, Path("unused")) is None


def test_reason_is_the_compilers_not_the_installers() -> None:
    output = "Building wheel\n  a.c:5:10: fatal error: ev.h: No such file or directory\nERROR: Failed building wheel\n"
    assert install.reason(output).endswith("fatal error: ev.h: No such file or directory")
    assert install.reason("ERROR: No matching distribution found for x\nnotice") == (
        "ERROR: No matching distribution found for x"
    )


def test_smoke_is_one_short_round() -> None:
    options = run.arguments(["--smoke", "--peers", "bjoern,granian"])
    assert (options.rounds, options.seconds, options.peers) == (1, 0.3, ["bjoern", "granian"])
    for wrong in (["--peers", "nginx"], ["--seconds", "0"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            run.arguments(wrong)


def test_the_short_run_fits_into_ten_minutes_and_has_every_main_target() -> None:
    options = run.arguments(["--short"])
    turns, seconds = run.estimate(options)
    assert turns > 60 and seconds < 600
    assert {"hello", "hello-1", "flask", "django", "upload", "large-reply"} <= {s.name for s in run.chosen(options)}
    full = run.arguments([])
    assert {s.name for s in run.chosen(full)} == set(SCENARIOS)
    assert run.estimate(full)[0] > 10 * turns / options.rounds


def test_a_machine_that_is_too_small_is_a_reason() -> None:
    entry = SCENARIOS["hello"]
    assert run.unfit(entry) is None
    assert "CPUs" in (run.unfit(replace(entry, cpus=10_000)) or "")
    assert "descriptors" in (run.unfit(replace(entry, files=1 << 40)) or "")


def test_no_floor_and_nothing_of_ours_is_the_best_peer() -> None:
    assert [name for name in ("speyside", "speyside+log", "epoll", "granian+log") if servers.is_peer(name)] == [
        "granian+log"
    ]


def test_every_server_takes_part_in_something() -> None:
    taking = {server.name.partition("+")[0] for s in SCENARIOS.values() for server in s.takers(s.peers)}
    assert taking == {server.name for server in (servers.SPEYSIDE, *servers.PEERS, *servers.FLOORS)}
