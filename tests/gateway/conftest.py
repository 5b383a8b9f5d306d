"""The extension under test is the installed one, else the one that `setup.py build_ext --inplace` made.

A sanitized extension runs only in a process that began with the sanitizer's library. Where SANITIZER_LIBRARY names it
and this process did not, test_sanitized.py runs everything else here in one that does.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("speyside") is None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).parent))

PRELOAD = os.environ.get("SANITIZER_LIBRARY")
ELSEWHERE = PRELOAD is not None and PRELOAD not in os.environ.get("LD_PRELOAD", "")

if ELSEWHERE:
    collect_ignore_glob = ["test_[!s]*.py", "test_s[!a]*.py"]
else:
    from front import Front

    collect_ignore_glob = ["test_sanitized.py"]

    @pytest.fixture
    def front() -> Iterator[Front]:
        made = Front().attach()
        yield made
        for worker in (0, 1):
            assert made.get("Worker", made.worker_at(worker), "Busy") == 0
            assert made.get("Worker", made.worker_at(worker), "Waiting") == 0
