"""speyside.testing: a URL for a test, in unittest and in pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import unittest
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from harness.processes import children
from speyside import testing
from speyside.front import FrontRefused


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return bytes(reply.read())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_url_is_one_that_answers(host: str) -> None:
    with testing.serve(application, host=host) as server:
        assert get(f"{server}/a") == get(f"{server.url}/a") == b"/a"
        assert str(server.port) in server.url
    assert not children(os.getpid())


def test_application_may_ask_itself() -> None:
    def asking(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/outer":
            start_response("200 OK", [])
            return [b"outer " + get(server.url + "/inner")]
        return application(environ, start_response)

    with testing.serve(asking) as server:
        assert get(server.url + "/outer") == b"outer /inner"


def test_caller_sees_what_the_application_changes() -> None:
    counts = {"calls": 0}
    lock = threading.Lock()

    def counting(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with lock:
            counts["calls"] += 1
        return application(environ, start_response)

    with testing.serve(counting, threads=2) as server:
        for _ in range(10):
            get(server.url)
    assert counts["calls"] == 10


def test_settings_count() -> None:
    with testing.serve(application, limit_request_body=3) as server, pytest.raises(OSError, match="413"):
        urllib.request.urlopen(server.url, data=b"four", timeout=10)
    with pytest.raises(FrontRefused, match="there is no setting limit_requestbody"):
        testing.serve(application, limit_requestbody=3).start()


def test_fixture_is_found_by_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""\
            from urllib.request import urlopen

            def test_two_servers(speyside_server):
                def app(environ, start_response):
                    start_response("200 OK", [])
                    return [b"found"]

                first, second = speyside_server(app), speyside_server(app, threads=1)
                assert urlopen(first.url).read() == urlopen(second.url).read() == b"found"
                assert first.port != second.port
        """)
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_nothing_of_pytest_is_imported_to_serve() -> None:
    code = "import sys, speyside.testing, speyside.api; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


class UnittestStyle(unittest.TestCase):
    def setUp(self) -> None:
        self.server = testing.serve(application).start()

    def tearDown(self) -> None:
        self.server.close()

    def test_answer(self) -> None:
        self.assertEqual(get(self.server.url + "/u"), b"/u")


def test_application_may_close_its_server() -> None:
    def closing(environ: Any, start_response: Any) -> list[bytes]:
        server.close()
        start_response("200 OK", [])
        return [b"the last"]

    server = testing.serve(closing).start()
    with urllib.request.urlopen(server.url, timeout=20) as reply:
        assert reply.read() == b"the last"
    server.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("speyside-")]
