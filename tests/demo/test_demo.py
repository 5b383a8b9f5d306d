"""The first thing a person does: `make demo` in a fresh clone, then the address of the banner in a browser.

It takes half a minute and port 5000, so it runs only where SPEYSIDE_DEMO is set: once, not on every Python.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = "http://localhost:5000"
BUILD_PATIENCE = 180.0  # seconds, on a machine that has none of it cached
PATIENCE = 60.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = pytest.mark.skipif(not os.environ.get("SPEYSIDE_DEMO"), reason="SPEYSIDE_DEMO is not set: run once only")


class Demo:
    """`make demo`, running."""

    def __init__(self, clone: Path) -> None:
        self._log = clone.parent / "demo.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPEYSIDE", "MAKE"))}
        with self._log.open("wb") as log:
            self.make = subprocess.Popen(
                ["make", "demo", f"PYTHON={sys.executable}"],
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """Return everything it has written."""
        return self._log.read_text(errors="replace")

    def wait_for_banner(self) -> None:
        """Wait until it serves."""
        deadline = time.monotonic() + BUILD_PATIENCE
        while "  stop  " not in self.said():
            assert self.make.poll() is None, f"make demo ended with {self.make.returncode}:\n{self.said()}"
            assert time.monotonic() < deadline, f"make demo does not serve after {BUILD_PATIENCE:.0f} s:\n{self.said()}"
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Send INT to the server, which make waits for; return make's exit code, 0 if the server's was 0."""
        children = Path(f"/proc/{self.make.pid}/task/{self.make.pid}/children").read_text().split()
        assert len(children) == 1, children
        os.kill(int(children[0]), signal.SIGINT)
        return self.make.wait(PATIENCE)

    def kill(self) -> None:
        """End what is left of it."""
        if self.make.poll() is None:
            os.killpg(self.make.pid, signal.SIGKILL)
            self.make.wait()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone of what is committed."""
    fresh = tmp_path / "speyside"
    subprocess.run(["git", "clone", "--quiet", os.fspath(ROOT), os.fspath(fresh)], check=True)
    return fresh


@pytest.fixture
def demo(clone: Path) -> Iterator[Demo]:
    """`make demo` in the clone."""
    running = Demo(clone)
    yield running
    running.kill()


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a Chromium, which is installed where there is none."""
    found = _find_browser()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], env=quiet, check=False
        )
        found = _find_browser()
    if found is None:
        pytest.fail(
            "no Chromium was found: install it (as root: apt-get install chromium), or do not set SPEYSIDE_DEMO"
        )
    return found


def _find_browser() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def text_in(browser: str, address: str, profile: Path) -> str:
    """Open an address in a browser without a past and return the text of the page."""
    command = [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", address]
    page = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert page.returncode == 0, f"{command} ended with {page.returncode}:\n{page.stderr}"
    return html.unescape(re.sub(r"<[^>]*>", "", page.stdout)).strip()


def test_make_demo_shows_its_page_in_a_browser(demo: Demo, browser: str, tmp_path: Path) -> None:
    demo.wait_for_banner()
    said = demo.said()
    assert f"\n    {ADDRESS}\n" in said, said
    assert "is serving examples/helloworld_wsgi_app.py" in said, said
    assert text_in(browser, ADDRESS, tmp_path / "profile") == "Hello World !"
    assert demo.interrupt() == 0, demo.said()
    assert "Traceback" not in demo.said()
