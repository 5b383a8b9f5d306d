"""What all black-box tests share. The helpers are in harness/."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Gate


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate that is closed, and open after the test in any case."""
    made = Gate(tmp_path / "gate")
    yield made
    made.open()


@pytest.fixture
def short_path(tmp_path: Path) -> Iterator[Path]:
    """A directory whose path is short enough for a Unix socket."""
    if len(os.fspath(tmp_path)) < 80:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="spey") as directory:
        yield Path(directory)
