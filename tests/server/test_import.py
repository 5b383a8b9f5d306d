"""speyside import: what it writes is accepted, and has the same effect as the file it was written from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import Ended, end_of
from server.test_uwsgi_files import APP, SHAPES, lay_out

GUNICORN = """
import multiprocessing
bind = ["127.0.0.1:8000", "unix:shop.sock"]
workers = 2
threads = 3
timeout = 120
keepalive = 5
max_requests = 1000
max_requests_jitter = 50
preload_app = True
accesslog = "-"
loglevel = "warning"
limit_request_line = 8190
{app}

def post_fork(server, worker):
    pass
"""


def speyside(*arguments: str, cwd: Path, code: int = 0) -> Ended:
    ended = end_of(*arguments, env={"PORT": "0", "SHOP_PROCESSES": "2"}, cwd=cwd)
    assert ended.code == code, ended
    return ended


def effective(*arguments: str, cwd: Path) -> list[str]:
    """Return every setting as it counts, without its source."""
    text = speyside("config", *arguments, cwd=cwd).stdout
    values = [re.sub(r" +# .*", "", line) for line in text.splitlines()]
    return [line for line in values if line and not line.startswith("#")]


@pytest.mark.parametrize("name", SHAPES)
def test_an_imported_ini_file_has_the_same_effect(name: str, short_path: Path) -> None:
    shape = SHAPES[name]
    lay_out(shape, short_path)
    speyside("--ini", "uwsgi.ini", "--check-config", cwd=short_path)
    for name in shape.files:
        text = (short_path / name).read_text()
        (short_path / name).write_text(text.replace("import uwsgi\n", "uwsgi = None\n"))  # there is none then
    speyside("import", "uwsgi.ini", "-o", "speyside.toml", cwd=short_path)
    speyside("-c", "speyside.toml", "--check-config", cwd=short_path)
    values = effective("-c", "speyside.toml", cwd=short_path)
    assert values == effective("--ini", "uwsgi.ini", cwd=short_path)
    assert len(values) > 20


@pytest.mark.parametrize("app", ["", 'wsgi_app = "app:app"'])
def test_an_imported_gunicorn_file_has_the_same_effect(app: str, short_path: Path) -> None:
    (short_path / "app.py").write_text(APP.replace("import uwsgi\n", ""))
    (short_path / "conf.py").write_text(GUNICORN.format(app=app))
    written = speyside("import", "conf.py", cwd=short_path).stdout
    (short_path / "own.toml").write_text(written)
    named = () if app else ("app:app",)
    assert effective("-c", "own.toml", *named, cwd=short_path) == effective("-c", "conf.py", *named, cwd=short_path)
    assert ("# wsgi_app =" in written) == (not app)
    assert "# Functions of conf.py (hooks) are called only where it is named with --config." in written


def test_what_a_toml_cannot_say_stands_in_comments(short_path: Path) -> None:
    ini = "[uwsgi]\nmodule = app\nhttp = :0\nstatic-map = /s=st\ncron = 1 2 3 4 5 x\nchdir = a#b\n"
    (short_path / "a#b").mkdir()
    (short_path / "uwsgi.ini").write_text(ini)
    written = speyside("import", "uwsgi.ini", cwd=short_path).stdout
    assert "# Not here, and lost without --ini: uwsgi.ini:4: static-map = /s=st\n" in written
    assert re.search(r"# Note: .*option: cron; file: uwsgi.ini:5; instead: a systemd timer", written)
    assert re.search(r'^bind = \["[^"]*:0"\] +# uwsgi.ini:3, http$', written, re.MULTILINE)
    assert f'chdir = "{short_path}/a#b"' in written


def test_no_file_is_overwritten(short_path: Path) -> None:
    (short_path / "uwsgi.ini").write_text("[uwsgi]\nmodule = app\n")
    (short_path / "speyside.toml").write_text("workers = 9\n")
    ended = speyside("import", "uwsgi.ini", "-o", "speyside.toml", cwd=short_path, code=2)
    assert "error: speyside.toml is there already [SPY0002]" in ended.stderr
    assert (short_path / "speyside.toml").read_text() == "workers = 9\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "takes one argument"),
        (("a.xml",), 2, "or a .py file of gunicorn's, and was given a.xml"),
        (("none.ini",), 1, "reading none.ini: no such file or directory [SPY0030]"),
        (("refused.ini",), 1, "refused.ini:2: https = :443,a,b cannot be honoured [SPY0080]"),
        (("whole.ini", "-o", "no/such/directory.toml"), 1, "writing no/such/directory.toml"),
    ],
)
def test_what_cannot_be_imported_is_one_readable_error(
    arguments: tuple[str, ...], code: int, says: str, short_path: Path
) -> None:
    (short_path / "refused.ini").write_text("[uwsgi]\nhttps = :443,a,b\nmodule = app\n")
    (short_path / "whole.ini").write_text("[uwsgi]\nmodule = app\n")
    assert says in speyside("import", *arguments, cwd=short_path, code=code).stderr


@pytest.mark.parametrize(
    ("name", "text", "flag"),
    [
        ("a.yaml", "uwsgi:\n  module: app\n  workers: 3\n  add-header: 'A: b'\n", "--yaml"),
        ("a.json", '{"uwsgi": {"module": "app",\n "workers": 3,\n "add-header": "A: b"}}', "--json"),
    ],
)
def test_files_for_uwsgi_of_other_forms_are_imported(tmp_path: Path, name: str, text: str, flag: str) -> None:
    (tmp_path / name).write_text(text)
    ended = end_of("import", name, cwd=tmp_path)
    assert ended.code == 0, ended
    assert re.search(rf"^workers = 3 +# {name}:[23], workers$", ended.stdout, re.MULTILINE)
    assert re.search(rf"lost without {flag}: {name}:[34]: add-header = A: b$", ended.stdout, re.MULTILINE)
