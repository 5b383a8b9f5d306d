"""What others run of packaging/: the units of systemd and the Dockerfile, as far as they run without either."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.program import find

from harness import PATIENCE, SANITIZED, Server

PACKAGING = Path(__file__).parents[2] / "packaging"
UNITS = PACKAGING / "systemd"
ACTIVATE = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"
APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the shop"]
"""


@pytest.fixture
def srv(short_path: Path) -> Path:
    """A directory as /srv, with an application in it and the program under test in its virtual environment."""
    shop = short_path / "shop"
    shop.mkdir()
    (shop / "shop.py").write_text(APPLICATION)
    (shop / "speyside.toml").write_text('[app]\nwsgi_app = "shop:app"\nworkers = 1\n')
    (shop / "venv").symlink_to(Path(find()).parents[1])
    return short_path


def unit(name: str, srv: Path) -> str:
    """Return a unit as it is for the application shop below srv."""
    text = (UNITS / name).read_text()
    return text.replace("/srv/", f"{srv}/").replace("/run/", f"{srv}/").replace("%i", "shop")


def value(text: str, key: str) -> str:
    found = re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)
    assert len(found) == 1, f"{key} is there {len(found)} times"
    return str(found[0])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_the_units(srv: Path) -> None:
    for name in ("speyside@.service", "speyside@.socket"):
        (srv / name.replace("@", "@shop")).write_text(unit(name, srv))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *sorted(map(str, srv.glob("speyside@*")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "speyside@" not in done.stderr, done.stderr


@pytest.fixture
def manager(short_path: Path) -> Iterator[socket.socket]:
    """What hears of the server, as systemd would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(short_path / "notify"))
        heard.settimeout(PATIENCE)
        yield heard


def told(manager: socket.socket, wanted: str) -> None:
    """Wait until the manager is told something."""
    while wanted not in manager.recv(65536).decode().split("\n"):
        pass


def test_service_serves_on_the_socket_reloads_and_stops(srv: Path, manager: socket.socket) -> None:
    service, sockets = unit("speyside@.service", srv), unit("speyside@.socket", srv)
    program, *arguments = shlex.split(value(service, "ExecStart"))
    assert os.path.samefile(program, find())
    with socket.socket(socket.AF_UNIX) as listener:
        path = value(sockets, "ListenStream")
        listener.bind(path)
        listener.listen(int(value(sockets, "Backlog")))
        moved = f"3<&{listener.fileno()}" if listener.fileno() != 3 else ""
        within = ["bash", "-c", f'exec "$0" "$@" {moved}', sys.executable, "-c", ACTIVATE]
        env = {"NOTIFY_SOCKET": manager.getsockname(), "LISTEN_FDS": "1"}
        server = Server(arguments, env, Path(value(service, "WorkingDirectory")), False, within, [listener.fileno()])
        try:
            told(manager, "READY=1")
            server.await_banner()
            assert server.urls == [f"unix:{path}"]
            assert server.get("/").body == b"the shop"
            reload = value(service, "ExecReload").replace("$MAINPID", str(server.front))
            subprocess.run(shlex.split(reload), check=True)
            told(manager, "RELOADING=1")
            told(manager, "READY=1")
            assert server.get("/").body == b"the shop"
            server.interrupt(signal.SIGTERM)  # KillMode=mixed: the server alone
            told(manager, "STOPPING=1")
            os.unlink(path)
            server.check_end(0)
        finally:
            server.kill()


def test_service_waits_longer_than_the_server_drains(srv: Path) -> None:
    """Or systemd cuts the drain short."""
    done = subprocess.run([find(), "config", "shop:app"], cwd=srv / "shop", capture_output=True, text=True, check=True)
    drain = re.search(r'graceful_timeout = "?(\d+)', done.stdout)
    assert drain is not None, done.stdout
    assert int(value(unit("speyside@.service", srv), "TimeoutStopSec")) > int(drain.group(1))


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments."""
    text = re.sub(r"\\\n", " ", (PACKAGING / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name.upper(), rest) for name, _, rest in (line.partition(" ") for line in lines)]


def last_stage() -> dict[str, str]:
    found = instructions()
    begin = max(i for i, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[begin:])


@pytest.mark.skipif(SANITIZED, reason="it is about the container, not the extension")
def test_container_serves_as_nobody_in_particular(tmp_path: Path) -> None:
    """Its last stage by hand: environment, entry point and health check, with an application that was copied in."""
    stage = last_stage()
    assert stage["USER"] not in ("root", "0")
    name, _, bind = stage["ENV"].partition("=")
    assert name == "SPEYSIDE_BIND"
    assert bind.endswith(":" + stage["EXPOSE"])
    entry: list[str] = json.loads(stage["ENTRYPOINT"])
    assert entry == ["speyside"]
    (tmp_path / "shop.py").write_text(APPLICATION)
    control = str(tmp_path / "control")
    env: dict[str, str | None] = {name: bind.replace(stage["EXPOSE"], "0"), "SPEYSIDE_CONTROL_SOCKET": control}
    server = Server(["shop:app"], env, tmp_path, False)
    try:
        server.await_banner()
        assert server.get("/").body == b"the shop"
        check: list[str] = json.loads(stage["HEALTHCHECK"].removeprefix("CMD "))
        healthy = subprocess.run(
            [find(), *check[1:]],
            env={**os.environ, "SPEYSIDE_CONTROL_SOCKET": control},
            capture_output=True,
            check=False,
        )
        assert healthy.returncode == 0, healthy.stderr
        server.ready(len(server.workers()) or 1)
        server.interrupt(getattr(signal, stage["STOPSIGNAL"]))
        server.check_end(0)
        ill = subprocess.run(
            [find(), *check[1:]],
            env={**os.environ, "SPEYSIDE_CONTROL_SOCKET": control},
            capture_output=True,
            check=False,
        )
        assert ill.returncode == 1
    finally:
        server.kill()


def test_container_is_built_of_what_is_there() -> None:
    for name, rest in instructions():
        if name == "COPY" and "--from" not in rest:
            assert (PACKAGING.parent / rest.split()[0]).exists(), rest
    wanted = re.search(r"^go (\d+\.\d+)", (PACKAGING.parent / "go.mod").read_text(), re.MULTILINE)
    assert wanted is not None
    assert ("FROM", f"golang:{wanted.group(1)}-bookworm AS go") in instructions()


def _docker() -> bool:
    program = shutil.which("docker")
    return program is not None and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _docker(), reason="no docker daemon answers here")
def test_docker_builds_the_container() -> None:
    subprocess.run(
        ["docker", "build", "--tag", "speyside-test", "--file", PACKAGING / "Dockerfile", PACKAGING.parent], check=True
    )
    done = subprocess.run(["docker", "run", "--rm", "speyside-test", "--version"], capture_output=True, check=True)
    assert done.stdout.startswith(b"speyside ")
