"""WebTest's TestApp against a running server, through WSGIProxy2: what the application's own tests do, over HTTP.

WebTest is strict by itself: it fails on a status of 400 and above, on cookies and forms that it does not understand.
"""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from webtest import TestApp, Upload

from .content import blob, described
from .servers import SPEYSIDE, TESTS, running

TestApp.__test__ = False
SIZE = 1 << 20


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("webtest")
    environment = {"FRAMEWORKS_DATABASE": str(directory / "database.sqlite3")}
    seed = [sys.executable, "-m", "frameworks.flask_app.seed"]
    subprocess.run(seed, cwd=TESTS, env={**os.environ, **environment}, check=True, timeout=60)
    with running(SPEYSIDE, "frameworks.flask_app.wsgi:application", environment, directory / "server.log") as port:
        yield port


@pytest.fixture(params=["httplib", "requests"])
def app(port: int, request: pytest.FixtureRequest) -> TestApp:
    """A client without cookies, on each of the libraries that WSGIProxy2 has for its requests."""
    own = {"HTTP_HOST": f"127.0.0.1:{port}"}  # else it keeps cookies for localhost, and those of redirects for this one
    return TestApp(f"http://127.0.0.1:{port}#{request.param}", extra_environ=own)


def test_session_over_redirects(app: TestApp) -> None:
    app.get("/account", status=401)
    answer = app.post("/login", {"name": "Ĝanna <&>"})
    assert answer.status_int == 302
    assert "Ĝanna &lt;&amp;&gt;" in answer.follow().text
    assert [app.get("/counter").json["count"] for _ in range(3)] == [1, 2, 3]
    app.post("/logout").follow()
    app.get("/account", status=401)


def test_form_is_filled_in_and_sent(app: TestApp) -> None:
    form = app.get("/notes/new").form
    form["title"] = "a river"
    form["text"] = "Spey\r\nĜé"
    assert "a river" in form.submit().follow().text


def test_bodies_of_every_kind(app: TestApp) -> None:
    body = blob(SIZE)
    assert app.post("/raw", body, content_type="application/octet-stream").json == {"method": "POST", **described(body)}
    assert app.put("/raw", b"").json == {"method": "PUT", **described(b"")}
    assert app.post_json("/json", {"a": ["Ĝ", None]}).json == {"received": {"a": ["Ĝ", None]}}
    sent = app.post("/upload", {"field": "value", "file": Upload("name.bin", body)}).json
    assert sent["fields"] == {"field": ["value"]}
    assert [file["name"] for file in sent["files"]] == ["name.bin"]
    assert sent["files"][0].items() >= described(body).items()


def test_replies_of_every_kind(app: TestApp) -> None:
    assert app.get("/binary").body == blob(SIZE)
    assert len(app.get("/stream").text.splitlines()) == 200
    assert app.head("/binary").headers["Content-Length"] == str(SIZE)
    assert app.get("/nothing").status_int == 204
    tag = app.get("/condition").headers["ETag"]
    assert app.get("/condition", headers={"If-None-Match": tag}).status_int == 304
    assert app.get("/none", status=404).content_type == "text/html"
