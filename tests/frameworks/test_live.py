"""Django's LiveServerTestCase on Speyside: the script django_live.py passes, and served what it says."""

from __future__ import annotations

import re
import subprocess
import sys

from harness import TESTS, end_of

COUNT = len(re.findall(r"^    def test_", (TESTS / "frameworks" / "django_live.py").read_text(), re.MULTILINE))


def test_live_server_test_case_passes() -> None:
    ended = end_of("django_live.py", cwd=TESTS / "frameworks", seconds=60)
    told = ended.stdout + ended.stderr
    assert ended.code == 0, told
    assert f"Ran {COUNT} tests in" in told and "live tests passed" in ended.stdout, told
    assert COUNT > 5


def test_live_server_test_case_passes_under_python_alone() -> None:
    """As a project would do it: what Django calls wsgiref.simple_server is speyside.simple_server."""
    code = (
        "import runpy, sys, wsgiref, speyside.simple_server as ours\n"
        "sys.modules['wsgiref.simple_server'] = wsgiref.simple_server = ours\n"
        "runpy.run_path('django_live.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", code],
        cwd=TESTS / "frameworks",
        capture_output=True,
        text=True,
        timeout=60,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert f"Ran {COUNT} tests in" in told and "live tests passed" in done.stdout, told
