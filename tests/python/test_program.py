"""`python -m speyside` finds the program that belongs to this Python."""

from __future__ import annotations

import os
import sys

import pytest

from speyside import __main__ as launcher


def test_python_is_named_unless_the_user_has() -> None:
    assert launcher.variables(["app:app"], {}) == {"SPEYSIDE_PYTHON": sys.executable}
    for given in (["--python", "x", "app"], ["app", "--python=x"], ["--venv", "y", "app"]):
        assert launcher.variables(given, {}) == {}
    for variable in ("SPEYSIDE_PYTHON", "SPEYSIDE_VENV"):
        assert launcher.variables(["app"], {variable: "x"}) == {}


def test_places_begin_with_the_environment_of_this_python() -> None:
    assert launcher.places()[0] == os.path.join(os.path.dirname(sys.executable), "speyside")


def test_every_place_is_named_when_it_is_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit) as caught:
        launcher.main()
    assert caught.value.code == 1
    told = capsys.readouterr().err
    assert all(place in told for place in launcher.places())
