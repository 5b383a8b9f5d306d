"""Applications that cannot be served: one readable message, and an exit code that says whose fault it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import Ended, end_of, running


def fails(tmp_path: Path, app: str, source: str | None, *arguments: str, name: str = "broken.py") -> Ended:
    """Run the program on a module with this source, and check what all messages have in common."""
    if source is not None:
        (tmp_path / name).write_text(source)
    ended = end_of(app, "--bind", "127.0.0.1:0", *arguments, cwd=tmp_path)
    errors = [line for line in ended.stderr.splitlines() if line.startswith("speyside: error: ")]
    assert len(errors) == 1, ended.stderr
    assert "http://" not in ended.stderr, "it has served nothing, so there is no banner"
    assert "/speyside/" not in ended.stderr and "importlib" not in ended.stderr, "frames of others"
    assert ended.stderr.count("Traceback") <= 1
    return ended


def test_import_error_shows_the_frames_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def connect():\n    raise ValueError('no database')\n")
    ended = fails(tmp_path, "broken:app", "import helper\nhelper.connect()\n")
    assert ended.code == 3
    lines = ended.stderr.splitlines()
    assert [line.strip() for line in lines if line.startswith("  File ")] == [
        f'File "{tmp_path}/broken.py", line 2, in <module>',
        f'File "{tmp_path}/helper.py", line 2, in connect',
    ]
    assert "ValueError: no database" in lines
    message = next(line for line in lines if line.startswith("speyside: error: "))
    assert "importing broken: ValueError: no database" in message and message.endswith("[SPY0101]")


def test_frames_of_pastedeploy_are_not_the_users(tmp_path: Path) -> None:
    (tmp_path / "shop.ini").write_text("[app:main]\nuse = call:broken:main\n")
    ended = fails(tmp_path, "shop.ini", "def main(of_all, **settings):\n    raise ValueError('no database')\n")
    assert ended.code == 3
    frames = [line.strip() for line in ended.stderr.splitlines() if line.startswith("  File ")]
    assert frames == [f'File "{tmp_path}/broken.py", line 2, in main']


def test_sections_of_pastedeploy_that_use_each_other_are_a_circle(tmp_path: Path) -> None:
    (tmp_path / "shop.ini").write_text("[app:main]\nuse = other\n\n[app:other]\nuse = config:shop.ini\n")
    ended = fails(tmp_path, "shop.ini", None)
    assert ended.code == 3
    assert "speyside: error: loading shop.ini: sections that `use` each other in a circle [SPY0101]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_application_of_pastedeploy_that_recurses_is_shown(tmp_path: Path) -> None:
    (tmp_path / "shop.ini").write_text("[app:main]\nuse = call:broken:main\n")
    # Not main itself: Python 3.13.0 does not count calls of a function with keyword arguments that calls itself.
    deeper = "def deeper(n):\n    return deeper(n + 1)\ndef main(of_all, **settings):\n    return deeper(0)\n"
    ended = fails(tmp_path, "shop.ini", deeper)
    assert ended.code == 3
    assert f'File "{tmp_path}/broken.py", line 2, in deeper' in ended.stderr
    assert "RecursionError" in ended.stderr and "circle" not in ended.stderr


def test_module_that_the_application_wants_is_named(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken", "import not_there_at_all\n")
    assert ended.code == 3
    assert "No module named 'not_there_at_all'" in ended.stderr
    assert f'File "{tmp_path}/broken.py", line 1, in <module>' in ended.stderr


def test_syntax_error_shows_the_line(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken:app", "def app(:\n    pass\n")
    assert ended.code == 3
    assert "SyntaxError" in ended.stderr and "def app(:" in ended.stderr and "broken.py" in ended.stderr
    assert "[SPY0101]" in ended.stderr


def test_module_that_is_not_there_is_said_without_a_traceback(tmp_path: Path) -> None:
    ended = fails(tmp_path, "brokn:app", "def app(environ, start_response): ...\n")
    assert ended.code == 3
    assert "there is no module 'brokn'" in ended.stderr
    assert "did you mean 'broken'?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_exit_while_it_is_imported_is_told(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken", "import sys\nsys.exit(5)\n")
    assert ended.code == 3
    assert "sys.exit(5)" in ended.stderr


def test_death_while_it_is_imported_is_told(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken", "import os\nos._exit(5)\n")
    assert ended.code == 3
    assert "SPY0105" in ended.stderr and "5" in ended.stderr
    ended = fails(tmp_path, "broken", "import os\nos.kill(os.getpid(), 9)\n")
    assert ended.code == 3
    assert "SPY0105" in ended.stderr and "SIGKILL" in ended.stderr


def test_callable_that_is_not_there_is_suggested(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken:aplication", "def application(environ, start_response): ...\n")
    assert ended.code == 4
    assert "has no 'aplication' [SPY0102]" in ended.stderr
    assert "speyside: hint: did you mean 'broken:application'?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_module_without_a_default_callable_is_told_both_names(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken", "def aplication(environ, start_response): ...\n")
    assert ended.code == 4
    assert "neither 'application' nor 'app'" in ended.stderr
    assert "did you mean 'broken:aplication'?" in ended.stderr


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("app = 'text'\n", "broken:app is a str, which cannot be called"),
        ("app = None\n", "broken:app is a NoneType, which cannot be called"),
        ("def app():\n    return None\n", "write 'broken:app()'"),
        ("async def app(scope, receive, send): ...\n", "ASGI"),
        ("def app(environ): ...\n", "environ and start_response"),
    ],
    ids=["text", "none", "factory", "asgi", "one-argument"],
)
def test_what_cannot_be_called_is_refused(source: str, words: str, tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken:app", source)
    assert ended.code == 4
    assert words in ended.stderr and "[SPY0103]" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_factory_that_raises_shows_its_frames(tmp_path: Path) -> None:
    ended = fails(tmp_path, "broken:make()", "def make():\n    raise ValueError('no settings')\n")
    assert ended.code == 3
    assert f'File "{tmp_path}/broken.py", line 2, in make' in ended.stderr
    assert "ValueError: no settings" in ended.stderr


@pytest.mark.parametrize(
    "app", ["good:application", "good", "good:make('x')", "good:inner.callable", "good.py:application", "sub/good.wsgi"]
)
def test_every_way_to_name_an_application_is_served(app: str, tmp_path: Path) -> None:
    source = (
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'good']\n"
        "def make(name):\n"
        "    return application\n"
        "class inner:\n"
        "    @staticmethod\n"
        "    def callable(environ, start_response):\n"
        "        return application(environ, start_response)\n"
        "if __name__ == '__main__':\n"
        "    raise SystemExit('it was run, not imported')\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "good.py").write_text(source)
    (tmp_path / "sub" / "good.wsgi").write_text(source)
    with running(app, cwd=tmp_path) as server:
        assert server.get("/").text == "good"


def test_chdir_and_pythonpath_are_where_modules_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "app.py").write_text(
        "import os, elsewhere\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [elsewhere.NAME + os.path.basename(os.getcwd()).encode()]\n"
    )
    (tmp_path / "b" / "elsewhere.py").write_text("NAME = b'found in '\n")
    with running("app", "--chdir", "a", "--pythonpath", "../b", cwd=tmp_path) as server:
        assert server.get("/").text == "found in a"
    ended = end_of("app", "--chdir", "a", "--bind", "127.0.0.1:0", cwd=tmp_path)
    assert ended.code == 3
