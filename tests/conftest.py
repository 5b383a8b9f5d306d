"""What all black-box tests share. The helpers are in harness/."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Gate

ALONE = ("soak", "packaging")  # directories whose tests need the machine for themselves


def pytest_configure(config: pytest.Config) -> None:
    """Say what our marks mean."""
    config.addinivalue_line("markers", "alone: needs the machine for itself; others run several at a time")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what measures, or takes most of the machine."""
    for item in items:
        if item.path.parent.name in ALONE:
            item.add_marker(pytest.mark.alone)


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
