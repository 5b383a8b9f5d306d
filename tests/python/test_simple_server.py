"""make_server in any Python process: wsgiref's interface, the application in this process, no front left behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import socketserver
import threading
import time
import unittest
import urllib.error
import urllib.request
import warnings
import wsgiref.simple_server
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.waiting import until

from harness.processes import children
from speyside.front import FrontLost, FrontRefused
from speyside.simple_server import WSGIRequestHandler, WSGIServer, demo_app, make_server

PATIENCE = 10.0
seen: list[tuple[str, int]] = []


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    seen.append((environ["PATH_INFO"], threading.get_ident()))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def get(server: Any, path: str = "/") -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=PATIENCE) as reply:
        return bytes(reply.read())


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Serve in a thread; the failure of serve_forever() is raised here."""
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            server.serve_forever()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        server.server_close()
    if failures:
        raise failures[0]


def descriptors() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


def test_application_runs_in_the_calling_process() -> None:
    seen.clear()
    server = make_server("127.0.0.1", 0, application)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    assert get(server, "/a") == b"/a"
    assert seen == [("/a", thread.ident)]
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()
    assert not thread.is_alive()


def test_socket_is_a_real_one_and_is_closed() -> None:
    with make_server("127.0.0.1", 0, demo_app) as server:
        assert server.socket.getsockname() == ("127.0.0.1", server.server_port) == server.server_address
        assert server.fileno() == server.socket.fileno() > 0
        assert isinstance(server, wsgiref.simple_server.WSGIServer) and isinstance(server, socketserver.BaseServer)
        port = server.server_port
        with pytest.raises(OSError) as caught:
            make_server("127.0.0.1", port, demo_app)
        assert caught.value.errno == 98
    assert server.socket.fileno() == -1
    make_server("127.0.0.1", port, demo_app).server_close()  # the port is free again
    with pytest.raises(ValueError, match="closed"):
        server.serve_forever()


def test_environ_is_as_wsgiref_has_it() -> None:
    environs: list[dict[str, Any]] = []

    def remember(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environs.append(environ)
        return application(environ, start_response)

    server = make_server("127.0.0.1", 0, remember)
    server.base_environ["x.own"] = "mine"
    with serving(server):
        get(server, "/p?q=1")
    environ = environs[0]
    assert environ["SERVER_PORT"] == str(server.server_port) and environ["SERVER_NAME"] == "127.0.0.1"
    assert environ["QUERY_STRING"] == "q=1" and environ["x.own"] == "mine"
    assert environ["wsgi.multithread"] is False and environ["wsgi.multiprocess"] is False


def test_handle_request_serves_one_after_the_other() -> None:
    seen.clear()
    with make_server("127.0.0.1", 0, application) as server:
        for path in ("/1", "/2"):
            asking = threading.Thread(target=get, args=(server, path))
            asking.start()
            server.handle_request()
            asking.join(PATIENCE)
            server.set_app(demo_app if path == "/2" else application)
        answers: list[bytes] = []
        asking = threading.Thread(target=lambda: answers.append(get(server, "/3")))
        asking.start()
        server.handle_request()
        asking.join(PATIENCE)
    assert seen == [("/1", threading.get_ident()), ("/2", threading.get_ident())]
    assert answers[0].startswith(b"Hello world!")


def test_get_app_of_a_subclass_is_asked_for_each_request() -> None:
    class Choosing(WSGIServer):
        asked = 0

        def get_app(self) -> Any:
            self.asked += 1
            return application if self.asked % 2 else demo_app

    server = Choosing(("127.0.0.1", 0), WSGIRequestHandler)
    with serving(server):
        answers = {get(server, "/x")[:5] for _ in range(4)}
    assert answers == {b"/x", b"Hello"}


def test_handle_request_gives_up_after_its_timeout() -> None:
    class Impatient(WSGIServer):
        timeout = 0.05
        late = 0

        def handle_timeout(self) -> None:
            self.late += 1

    with make_server("127.0.0.1", 0, application, Impatient) as server:
        server.handle_request()
        server.handle_request()
        assert server.late == 2


def test_service_actions_are_called_between_requests() -> None:
    class Counting(WSGIServer):
        actions = 0

        def service_actions(self) -> None:
            self.actions += 1
            if self.actions == 3:
                threading.Thread(target=self.shutdown).start()

    for threads in (1, 2):
        with make_server("127.0.0.1", 0, application, Counting, threads=threads) as server:
            server.serve_forever(0.01)
            assert server.actions >= 3


def test_shutdown_before_serve_forever_is_heeded() -> None:
    with make_server("127.0.0.1", 0, application) as server:
        server.shutdown()
        server.serve_forever()
        with serving(server):
            assert get(server, "/again") == b"/again"


@pytest.mark.parametrize("threads", [1, 2])
def test_server_that_is_closed_by_its_own_request_answers_it(threads: int) -> None:
    def closing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        server.shutdown()
        server.server_close()
        return application(environ, start_response)

    server = make_server("127.0.0.1", 0, closing, threads=threads)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    assert get(server, "/last") == b"/last"
    thread.join(PATIENCE)
    assert not thread.is_alive() and not children(os.getpid())


def test_serving_goes_on_after_a_shutdown() -> None:
    server = make_server("127.0.0.1", 0, application)
    for _ in range(3):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert get(server, "/x") == b"/x"
        server.shutdown()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    server.server_close()


def test_several_servers_serve_at_once() -> None:
    def named(name: bytes) -> Any:
        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [name * 30_000]

        return app

    with contextlib.ExitStack() as all_of_them:
        servers = [
            all_of_them.enter_context(serving(make_server("127.0.0.1", 0, named(b"%d" % number))))
            for number in range(5)
        ]
        for _ in range(3):
            for number, server in enumerate(servers):
                assert get(server) == b"%d" % number * 30_000


def test_server_can_ask_another_one_of_its_process() -> None:
    with serving(make_server("127.0.0.1", 0, application)) as inner:

        def outer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"asked " + get(inner, "/inner")]

        with serving(make_server("127.0.0.1", 0, outer)) as server:
            assert get(server) == b"asked /inner"


@pytest.mark.parametrize("how", ["threads", "mixin"])
def test_threads_serve_at_once(how: str) -> None:
    both = threading.Barrier(2)

    def meet(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        both.wait(PATIENCE)
        start_response("200 OK", [])
        return [str(environ["wsgi.multithread"]).encode()]

    class Threading(socketserver.ThreadingMixIn, WSGIServer):
        pass

    server = (
        make_server("127.0.0.1", 0, meet, threads=2)
        if how == "threads"
        else make_server("127.0.0.1", 0, meet, Threading)
    )
    answers: list[bytes] = []
    with serving(server):
        asking = [threading.Thread(target=lambda: answers.append(get(server))) for _ in range(2)]
        for one in asking:
            one.start()
        for one in asking:
            one.join(PATIENCE)
    assert answers == [b"True", b"True"]


def test_twenty_servers_leave_no_process_and_no_descriptor() -> None:
    with serving(make_server("127.0.0.1", 0, application)) as server:
        get(server)
    before, threads = descriptors(), set(threading.enumerate())
    for _ in range(20):
        with serving(make_server("127.0.0.1", 0, application)) as server:
            get(server)
    assert descriptors() == before
    assert set(threading.enumerate()) == threads
    assert not children(os.getpid())


def test_clients_that_ask_nothing_more_do_not_hold_up_the_end() -> None:
    took = []
    for _ in range(3):  # the machine may be busy
        server = make_server("127.0.0.1", 0, application)
        with serving(server):
            idle = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
            idle.request("GET", "/")
            assert idle.getresponse().read() == b"/"
            refused = socket.create_connection(("127.0.0.1", server.server_port), PATIENCE)
            refused.sendall(b"nonsense\r\n\r\n")
            assert refused.recv(1) == b"H"  # and it does not close its end
            began = time.monotonic()
        took.append(time.monotonic() - began)
        assert idle.sock is not None and idle.sock.recv(1) == b""
        idle.close()
        refused.close()
    assert min(took) < 0.9, took


def test_what_waits_is_refused_when_the_server_is_closed() -> None:
    server = make_server("127.0.0.1", 0, application)
    server.start_front()
    with socket.create_connection(("127.0.0.1", server.server_port), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with http.client.HTTPResponse(client) as reply:
            server.server_close()
            reply.begin()
            assert reply.status == 503


def test_exception_of_the_application_is_told_and_served_on(capsys: pytest.CaptureFixture[str]) -> None:
    def raising(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/bad":
            raise ValueError("told")
        return application(environ, start_response)

    with serving(make_server("127.0.0.1", 0, raising)) as server:
        with pytest.raises(urllib.error.HTTPError, match="500"):
            get(server, "/bad")
        assert get(server, "/good") == b"/good"
    text = capsys.readouterr().err
    assert "application raised" in text and "ValueError: told" in text and "SPY0301" in text


def test_killed_front_ends_serve_forever_with_an_error_and_another_one_serves() -> None:
    server = make_server("127.0.0.1", 0, application)
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            server.serve_forever()
        except FrontLost as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    assert get(server) == b"/"
    (front,) = children(os.getpid())
    os.kill(front, signal.SIGKILL)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert f"pid {front}" in str(failures[0]) and "SIGKILL" in str(failures[0]) and "SPY0086" in str(failures[0])
    with serving(server):
        assert get(server, "/again") == b"/again"


def test_killed_front_breaks_off_a_reply_that_waits_for_it() -> None:
    begun, broken = threading.Event(), threading.Event()

    def endless(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                begun.set()
                yield b"x" * 100_000
        finally:
            broken.set()

    server = make_server("127.0.0.1", 0, endless)
    thread = threading.Thread(target=lambda: pytest.raises(FrontLost, server.serve_forever))
    thread.start()
    with socket.create_connection(("127.0.0.1", server.server_port), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert begun.wait(PATIENCE)
        (front,) = children(os.getpid())
        os.kill(front, signal.SIGKILL)
        assert broken.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    server.server_close()


def test_interrupt_finishes_the_request_at_hand() -> None:
    main = threading.get_ident()
    entered, told = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        entered.set()
        assert told.wait(PATIENCE)
        return application(environ, start_response)

    def interrupt() -> None:
        assert entered.wait(PATIENCE)
        signal.pthread_kill(main, signal.SIGINT)
        told.set()

    answers: list[bytes] = []
    with make_server("127.0.0.1", 0, slow) as server:
        asking = [
            threading.Thread(target=lambda: answers.append(get(server, "/slow"))),
            threading.Thread(target=interrupt),
        ]
        for one in asking:
            one.start()
        with pytest.raises(KeyboardInterrupt):
            server.serve_forever()
        for one in asking:
            one.join(PATIENCE)
    assert answers == [b"/slow"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_methods_that_speak_http_are_warned_of_once() -> None:
    class Handler(WSGIRequestHandler):
        def get_environ(self) -> dict[str, Any]:
            return {}

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            with make_server("127.0.0.1", 0, application, handler_class=Handler) as server:
                server.timeout = 0
                server.handle_request()
    told = [str(one.message) for one in caught if one.category is RuntimeWarning]
    assert told == ["Handler.get_environ will not be called: Speyside does its work"]


def test_what_is_wrong_is_said() -> None:
    with make_server("127.0.0.1", 0, application) as server:
        server.settings = {"timeuot": 3}
        with pytest.raises(FrontRefused, match=r"(?s)no setting timeuot \[SPY0002\].*did you mean timeout"):
            server.serve_forever()
        server.settings = {"workers_max": 3}
        with pytest.raises(FrontRefused, match="workers_max are for servers that have workers.*SPY0001"):
            server.serve_forever()
        server.settings = {}
        server.set_app(None)
        with pytest.raises(RuntimeError, match="set_app"):
            server.serve_forever()
    with pytest.raises(ValueError, match="from 1 to 1024"):
        make_server("127.0.0.1", 0, application, threads=0)
    assert not children(os.getpid())


def test_child_of_the_process_does_not_end_its_server() -> None:
    with serving(make_server("127.0.0.1", 0, application)) as server:
        get(server)
        pid = os.fork()
        if pid == 0:
            server.server_close()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert get(server, "/parent") == b"/parent"


class UnittestStyle(unittest.TestCase):
    def setUp(self) -> None:
        self.server = make_server("127.0.0.1", 0, application)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def tearDown(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(PATIENCE)

    def test_one(self) -> None:
        self.assertEqual(get(self.server, "/one"), b"/one")

    def test_that_asks_nothing(self) -> None:
        self.assertTrue(self.thread.is_alive())

    def test_front_is_a_process_of_its_own(self) -> None:
        get(self.server)
        (front,) = until(lambda: children(os.getpid()), "a front", PATIENCE)
        command = Path(f"/proc/{front}/cmdline").read_bytes().split(b"\0")
        self.assertEqual(command[1], b"--caller")
