"""Django's LiveServerTestCase on Speyside: the script django_live.py passes, and served what it says."""

from __future__ import annotations

import re

from harness import TESTS, end_of

COUNT = len(re.findall(r"^    def test_", (TESTS / "frameworks" / "django_live.py").read_text(), re.MULTILINE))


def test_live_server_test_case_passes() -> None:
    ended = end_of("django_live.py", cwd=TESTS / "frameworks", seconds=60)
    told = ended.stdout + ended.stderr
    assert ended.code == 0, told
    assert f"Ran {COUNT} tests in" in told and "live tests passed" in ended.stdout, told
    assert COUNT > 5
