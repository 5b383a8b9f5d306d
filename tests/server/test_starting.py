"""`speyside` alone in projects of real frameworks, as their own tools make them: what it finds, and where it runs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.server import Server

from harness import end_of

FLASK = "flask werkzeug jinja2 markupsafe click blinker itsdangerous".split()


@contextmanager
def started(directory: Path, *arguments: str, env: dict[str, str | None] | None = None) -> Iterator[Server]:
    """Run the program without naming an application."""
    line = ["--bind=127.0.0.1:0", "--workers=1", *arguments]
    server = Server(line, env or {}, directory, provoked=False)
    try:
        server.await_banner()
        yield server
        server.stop()
    finally:
        server.kill()


def found(server: Server) -> str:
    """Return the line that says what was found."""
    first = server.stderr.text().splitlines()[0]
    assert first.startswith("speyside: found "), first
    return first.removeprefix("speyside: found ")


@pytest.fixture(scope="module")
def startproject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `django-admin startproject` makes it."""
    pytest.importorskip("django")
    made = tmp_path_factory.mktemp("startproject")
    subprocess.run([sys.executable, "-m", "django", "startproject", "shop", str(made)], check=True)
    settings = made / "shop" / "settings.py"
    settings.write_text(settings.read_text().replace("ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['*']"))
    return made


@pytest.fixture
def django_project(startproject: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(startproject, tmp_path, dirs_exist_ok=True))


def test_django_project_is_found_as_it_was_made(django_project: Path) -> None:
    with started(django_project) as server:
        assert found(server) == "shop.wsgi:application (manage.py names shop.settings, whose WSGI_APPLICATION it is)"
        assert "serving shop.wsgi:application (Django)" in server.banner
        assert b"The install worked successfully" in server.get("/").body


def test_django_project_without_wsgi_gets_djangos_own_application(django_project: Path) -> None:
    (django_project / "shop" / "wsgi.py").unlink()
    settings = django_project / "shop" / "settings.py"
    lines = settings.read_text().splitlines(keepends=True)
    settings.write_text("".join(line for line in lines if not line.startswith("WSGI_APPLICATION")))
    with started(django_project.parent, "--chdir", str(django_project), env={"DJANGO_SETTINGS_MODULE": None}) as server:
        assert found(server).startswith("django.core.wsgi:get_wsgi_application() (manage.py names shop.settings, which")
        assert server.get("/").status == 200


def test_django_project_one_directory_down_is_found(
    django_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outer = tmp_path_factory.mktemp("outer")
    shutil.move(django_project, outer / "backend")
    with started(outer) as server:
        assert found(server).startswith("shop.wsgi:application (backend/manage.py names shop.settings")
        assert server.get("/").status == 200


def test_flask_factory_in_a_package_is_found(tmp_path: Path) -> None:
    pytest.importorskip("flask")
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from flask import Flask\n\n\ndef create_app(test_config=None):\n    app = Flask(__name__)\n"
        "    app.add_url_rule('/', view_func=lambda: f'shop {test_config}')\n    return app\n"
    )
    with started(tmp_path) as server:
        assert found(server) == "shop:create_app() (shop/__init__.py has the factory create_app)"
        assert "(Flask)" in server.banner
        assert server.get("/").body == b"shop None"
    with started(tmp_path, env={"FLASK_APP": "shop:create_app('silk')"}) as server:
        assert server.get("/").body == b"shop silk"


def test_flask_of_the_projects_own_environment_runs_there(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("flask")
    if spec is None or spec.origin is None:
        pytest.skip("there is no Flask")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    (packages,) = (tmp_path / ".venv" / "lib").glob("python3.*/site-packages")
    for name in FLASK:  # and no Speyside
        (packages / name).symlink_to(Path(spec.origin).parents[1] / name)
    for record in Path(spec.origin).parents[1].glob("[fw]*.dist-info"):  # each asks for its own version
        (packages / record.name).symlink_to(record)
    (tmp_path / "app.py").write_text(
        "import importlib.util, sys\nfrom flask import Flask\n\napp = Flask(__name__)\n\n\n"
        "@app.get('/')\ndef index():\n    assert importlib.util.find_spec('pytest') is None\n    return sys.prefix\n"
    )
    with started(tmp_path) as server:
        assert f"{tmp_path}/.venv/bin/python" in server.banner and "(the project's .venv)" in server.banner
        assert server.get("/").body.decode() == str(tmp_path / ".venv")


def another_python() -> str:
    """Return a Python that runs the application and is not of the version of this one; "" when there is none."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in range(11, 20):
        own = minor == sys.version_info.minor
        for path in [shutil.which(f"python3.{minor}"), *sorted(root.glob(f"versions/3.{minor}.*/bin/python3"))]:
            if path and not own and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
                return str(path)
    return ""


def test_environment_of_another_version_of_python_is_lent_the_package(tmp_path: Path) -> None:
    other = another_python()
    if not other:
        pytest.skip("there is no other Python")
    subprocess.run([other, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (tmp_path / "wsgi.py").write_text(
        "import sys\n\n\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [sys.version.encode()]\n"
    )
    with started(tmp_path) as server:
        version = subprocess.run([other, "-c", "import sys; print(sys.version)"], capture_output=True, check=True)
        assert server.get("/").body == version.stdout.strip()


INI = """[app:main]
use = egg:shop
title = %(here)s

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:0
threads = 3

[loggers]
keys = root, shop

[handlers]
keys = file

[formatters]
keys = generic

[logger_root]
level = WARNING
handlers = file

[logger_shop]
level = DEBUG
handlers =
qualname = shop

[handler_file]
class = FileHandler
args = ('%(here)s/shop.log', 'a')
level = NOTSET
formatter = generic

[formatter_generic]
format = %(levelname)s %(name)s %(message)s
"""


@pytest.fixture
def pyramid_project(tmp_path: Path) -> Path:
    """A project as Pyramid's template makes it, installed in place."""
    pytest.importorskip("pyramid")
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import logging\nfrom pyramid.config import Configurator\nfrom pyramid.response import Response\n\n\n"
        "def main(global_config, **settings):\n    logging.getLogger(__name__).debug('made')\n"
        "    with Configurator(settings=settings) as config:\n        config.add_route('home', '/')\n"
        "        config.add_view(lambda request: Response(settings['title']), route_name='home')\n"
        "        return config.make_wsgi_app()\n"
    )
    record = tmp_path / "shop-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[paste.app_factory]\nmain = shop:main\n")
    for name in ("production.ini", "testing.ini"):
        (tmp_path / name).write_text(INI)
    return tmp_path


def test_pyramid_project_is_found_with_its_logging_and_server(pyramid_project: Path) -> None:
    server = Server(["--workers=1"], {}, pyramid_project, provoked=False)
    try:
        server.await_banner()
        assert found(server) == "production.ini (production.ini has [app:main])"
        assert "serving production.ini (Pyramid)" in server.banner and "1 × 3 threads" in server.banner
        assert server.get("/").body.decode() == str(pyramid_project)
        assert (pyramid_project / "shop.log").read_text() == "DEBUG shop made\n"
        server.stop()
    finally:
        server.kill()


def test_several_files_of_pyramid_are_listed_and_each_can_be_named(pyramid_project: Path) -> None:
    (pyramid_project / "development.ini").write_text(INI.replace("%(here)s\n", "development of %(owner)s\n", 1))
    ended = end_of("--threads", "2", cwd=pyramid_project)
    assert ended.code == 2
    assert "2 applications were found in" in ended.stderr and "[SPY0071]" in ended.stderr
    for name in ("development.ini", "production.ini"):
        assert f"\n  speyside --threads 2 {name} " in ended.stderr
    with started(pyramid_project, "--paste-global", "owner=nobody", "--", "development.ini") as server:
        assert server.get("/").body == b"development of nobody"


def test_reload_keeps_to_what_serves_when_more_than_one_may_be_meant(django_project: Path) -> None:
    with started(django_project) as server:
        (django_project / "app.py").write_text("app = print\n")
        os.kill(server.front, 1)
        server.log(r"ERROR reload failed .*2 applications were found")
        assert server.get("/").status == 200
        server.provoked = True
