"""Names of applications, and what is said when one cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speyside import _faults, loader
from speyside.failure import Failure

SOURCE = """
def application(environ, start_response): return [b"application"]
def app(environ, start_response): return [b"app"]
def create_app(name="x", debug=False):
    def made(environ, start_response): return [name, debug]
    return made
def fails(): raise LookupError("no settings")
async def asgi(scope, receive, send): pass
class Site:
    def __call__(self, environ, start_response): return [b"site"]
    def wsgi(self, environ, start_response): return [b"wsgi"]
site = Site()
number = 3
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a module `web`, which is the current one."""
    (tmp_path / "web.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    loader.prepare_path([])
    yield tmp_path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def call(name: str) -> object:
    return loader.load(name)({}, None)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("web", [b"application"]),
        ("web:app", [b"app"]),
        ("web:site", [b"site"]),
        ("web:site.wsgi", [b"wsgi"]),
        ("web:create_app()", ["x", False]),
        ("web:create_app('a:b', debug=True)", ["a:b", True]),
        ("web.py:app", [b"app"]),
        ("web.py", [b"application"]),
        ("./web.py:create_app('y')", ["y", False]),
    ],
)
@pytest.mark.usefixtures("tree")
def test_name_is_found(name: str, answer: object) -> None:
    assert call(name) == answer


@pytest.mark.parametrize(
    ("name", "code", "text", "hint"),
    [
        (":app", _faults.IMPORT_FAILED, "no module is named", "with the module before the colon"),
        ("wep", _faults.IMPORT_FAILED, "there is no module 'wep'", "did you mean 'web'?"),
        ("web.more", _faults.IMPORT_FAILED, "there is no module 'web.more'", ""),
        ("none.py:app", _faults.IMPORT_FAILED, "there is no file none.py", ""),
        ("web:ap", _faults.CALLABLE_NOT_FOUND, "web has no 'ap'", "did you mean 'web:app'?"),
        ("web:site.wsg", _faults.CALLABLE_NOT_FOUND, "web:site has no 'wsg'", ""),
        ("web:number", _faults.NOT_CALLABLE, "web:number is an int, which cannot be called", ""),
        ("web:asgi", _faults.NOT_CALLABLE, "web:asgi cannot be called with environ", "ASGI"),
        ("web:fails", _faults.NOT_CALLABLE, "web:fails cannot be called with environ", "'web:fails()'"),
        ("web:fails()", _faults.IMPORT_FAILED, "calling web:fails(): LookupError: no settings", ""),
        ("web:create_app(1, 2, 3)", _faults.CALLABLE_NOT_FOUND, "too many positional arguments", "literals"),
        ("web:create_app(name)", _faults.CALLABLE_NOT_FOUND, "neither a name nor a call with literal", ""),
        ("web:create_app(**{})", _faults.CALLABLE_NOT_FOUND, "neither a name nor a call with literal", ""),
    ],
)
@pytest.mark.usefixtures("tree")
def test_failure_says_what_and_what_next(name: str, code: str, text: str, hint: str) -> None:
    with pytest.raises(Failure) as caught:
        loader.load(name)
    assert caught.value.code == code
    assert text in caught.value.text
    assert hint in caught.value.hint


def test_module_without_application_says_so(tree: Path) -> None:
    (tree / "bare.py").write_text("def applicatoin(environ, start_response): pass\n")
    with pytest.raises(Failure) as caught:
        loader.load("bare")
    assert caught.value.text == "bare has neither 'application' nor 'app'"
    assert caught.value.hint == "did you mean 'bare:applicatoin'?"


def test_traceback_has_only_frames_of_the_application(tree: Path) -> None:
    (tree / "first.py").write_text("import second\n")
    (tree / "second.py").write_text("def f():\n    return {}['key']\nf()\n")
    with pytest.raises(Failure) as caught:
        loader.load("first")
    shown = str(caught.value.fact()["traceback"])
    assert shown.count("  File ") == 3
    assert shown.endswith("KeyError: 'key'\n")
    assert "importlib" not in shown
    assert caught.value.text == "importing first: KeyError: 'key'"


def test_missing_module_of_the_application_is_an_import_failure(tree: Path) -> None:
    (tree / "needs.py").write_text("import not_installed\n")
    with pytest.raises(Failure) as caught:
        loader.load("needs")
    assert caught.value.text == "importing needs: ModuleNotFoundError: No module named 'not_installed'"
    assert 'needs.py", line 1' in str(caught.value.fact()["traceback"])


def test_syntax_error_is_shown_where_it_is(tree: Path) -> None:
    (tree / "wrong.py").write_text("x = (\n")
    with pytest.raises(Failure) as caught:
        loader.load("wrong")
    shown = str(caught.value.fact()["traceback"])
    assert shown.startswith("  File ")
    assert "SyntaxError: '(' was never closed" in shown


def test_exit_during_import_is_a_failure(tree: Path) -> None:
    (tree / "leaves.py").write_text("import sys\nsys.exit(5)\n")
    with pytest.raises(Failure, match=r"leaves called sys\.exit\(5\) while it was imported"):
        loader.load("leaves")


def test_wsgi_file_is_imported_and_not_run_as_main(tree: Path) -> None:
    (tree / "my-site.wsgi").write_text("name = __name__\ndef application(e, s): return [name]\n")
    assert call("my-site.wsgi") == ["_wsgi_my_site"]


def test_file_of_a_package_may_import_its_siblings(tree: Path) -> None:
    package = tree / "sites" / "blog"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models.py").write_text("answer = 42\n")
    (package / "wsgi.py").write_text("from .models import answer\ndef app(e, s): return [answer, __name__]\n")
    assert call("sites/blog/wsgi.py") == [42, "blog.wsgi"]


def test_file_with_the_name_of_another_module_is_loaded_all_the_same(tree: Path) -> None:
    (tree / "site").mkdir()
    (tree / "site" / "json.py").write_text("def app(e, s): return [b'mine']\n")
    import json

    assert call("site/json.py:app") == [b"mine"]
    assert sys.modules["json"] is json


def test_current_directory_comes_first_then_pythonpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    loader.prepare_path(["lib"], "sub")
    assert sys.path == [str(tmp_path / "sub"), str(tmp_path / "sub" / "lib"), "/elsewhere"]


def test_directory_that_is_not_there_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(Failure, match="changing to /nowhere"):
        loader.prepare_path([], "/nowhere")
