"""The extension under test is the installed one, else the one that `setup.py build_ext --inplace` made."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("speyside") is None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).parent))

from front import Front  # noqa: E402


@pytest.fixture
def front() -> Iterator[Front]:
    made = Front().attach()
    yield made
    for worker in (0, 1):
        assert made.get("Worker", made.worker_at(worker), "Busy") == 0
        assert made.get("Worker", made.worker_at(worker), "Waiting") == 0
