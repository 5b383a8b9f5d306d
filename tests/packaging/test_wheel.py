"""What `pip wheel` makes: the program and the extension in one wheel, which runs where neither Go nor a compiler is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".build" / "dist"  # where tools/test.sh puts the wheel
PATIENCE = 60.0
PT_DYNAMIC, PT_INTERP = 2, 3
TOOLS = ("go", "cc", "gcc", "clang")

pytestmark = pytest.mark.skipif(
    "SANITIZER_LIBRARY" in os.environ, reason="the wheel has no sanitizer in it: its tests run without"
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the tests are about: the one that was built for them, else one that is built now."""
    directory = BUILT
    if not list(BUILT.glob("*.whl")):
        directory = tmp_path_factory.mktemp("dist")
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--wheel-dir", os.fspath(directory), os.fspath(ROOT)], check=True)
    wheels = list(directory.glob("*.whl"))
    assert len(wheels) == 1, wheels
    return wheels[0]


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, made without Go and compiler on PATH."""
    directory = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", os.fspath(directory)], check=True)
    command = [os.fspath(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index"]
    subprocess.run([*command, "--disable-pip-version-check", os.fspath(wheel)], check=True, env=environment(directory))
    return directory


def environment(venv: Path) -> dict[str, str]:
    """Return an environment whose PATH has the virtual environment and nothing else."""
    path = os.fspath(venv / "bin")
    assert not any(shutil.which(tool, path=path) for tool in TOOLS)
    return {"PATH": path, "HOME": os.fspath(venv), "LANG": "C.UTF-8"}


def program_headers(program: bytes) -> list[int]:
    """Return the types of an ELF file's program headers."""
    assert program[:4] == b"\x7fELF", program[:4]
    assert program[4:6] == b"\x02\x01", "not a 64-bit little-endian program"
    (offset,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    return [struct.unpack_from("<I", program, offset + at * size)[0] for at in range(count)]


def member(archive: zipfile.ZipFile, pattern: str) -> zipfile.ZipInfo:
    """Return the only member whose name matches."""
    found = [info for info in archive.infolist() if re.fullmatch(pattern, info.filename)]
    assert len(found) == 1, archive.namelist()
    return found[0]


def test_wheel_is_for_every_python_since_311(wheel: Path) -> None:
    assert re.fullmatch(r"speyside-[\d.]+\w*-cp311-abi3-(many)?linux\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(member(archive, r"[^/]+\.dist-info/WHEEL")).decode()
        assert "Root-Is-Purelib: false" in metadata
        assert "Tag: cp311-abi3-" in metadata
        extensions = [name for name in archive.namelist() if name.endswith(".so")]
    assert extensions == ["speyside/_gateway.abi3.so"]


def test_program_is_one_static_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = member(archive, r"[^/]+\.data/scripts/speyside")
        program = archive.read(info)
    assert stat.S_IMODE(info.external_attr >> 16) & 0o111 == 0o111, "pip would not make it executable"
    types = program_headers(program)
    assert PT_INTERP not in types, "it needs a dynamic loader"
    assert PT_DYNAMIC not in types, "it needs shared libraries"


def test_wheel_holds_no_source_of_the_server(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".go", ".c", ".h", ".pyc"))]
    top = {name.partition("/")[0] for name in names}
    assert {re.sub(r"-\d+(\.\d+)*", "", name) for name in top} == {"speyside", "speyside.dist-info", "speyside.data"}


def test_wheel_serves_without_go_and_compiler(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'hello from the wheel']\n"
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["speyside", "hello:app", "--bind", "127.0.0.1:0"],
            executable=os.fspath(bare / "bin" / "speyside"),
            cwd=tmp_path,
            env=environment(bare),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with urllib.request.urlopen(address(server, log), timeout=PATIENCE) as reply:
            assert reply.read() == b"hello from the wheel"
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 0, log.read_text()
    finally:
        server.kill()
        server.wait()


def address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the banner and return its address."""
    deadline = time.monotonic() + PATIENCE
    while not (found := re.search(r"^    (http://\S+)$(?=[\s\S]*^  stop )", log.read_text(), re.MULTILINE)):
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return found[1]


def test_versions_of_program_and_package_agree(bare: Path) -> None:
    def said(*command: str) -> str:
        path = os.fspath(bare / "bin" / command[0])
        return subprocess.run(
            [path, *command[1:]], env=environment(bare), check=True, capture_output=True, text=True
        ).stdout.strip()

    version = said("python", "-c", "import speyside; print(speyside.__version__)")
    assert said("speyside", "--version") == f"speyside {version}"
    assert said("python", "-m", "speyside", "--version") == f"speyside {version}"
