"""The application with hooks around each request: what is called, in which order, and what stays as it was."""

from __future__ import annotations

import io
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from speyside.files import FileWrapper
from speyside.gunicorn.hooks import Hook, Hooks, Unfit, find
from speyside.gunicorn.requests import Request, Watched

Start = Callable[..., Any]


class Stage:
    """A worker with hooks that note what they see."""

    def __init__(self, **hooks: Callable[..., object]) -> None:
        self.seen: list[Any] = []
        self.retired = False
        known = {"pre_request": self.pre_request, "post_request": self.post_request, **hooks}
        self.hooks = Hooks(find(known, known), __file__)
        log = types.SimpleNamespace(
            access=lambda resp, req, environ, taken: self.seen.append(("access", resp.status, resp.sent))
        )
        self.worker: Any = types.SimpleNamespace(nr=0, alive=True, log=log, cfg=types.SimpleNamespace(logs_access=True))

    def retire(self) -> None:
        self.retired = True

    def pre_request(self, worker: Any, req: Request) -> None:
        self.seen.append(("pre", req.method, worker.nr))

    def post_request(self, worker: Any, req: Request, environ: dict[str, Any], resp: Any) -> None:
        self.seen.append(("post", resp and (resp.status, resp.status_code, resp.sent), worker.nr))

    def serve(self, application: Callable[..., Any]) -> tuple[Any, bytes]:
        """Serve a request as the gateway does; return what was returned and the bytes of it."""
        written: list[bytes] = []
        reply = Watched(application, self)(environ(), lambda *arguments: written.append)  # type: ignore[arg-type]
        try:
            written += list(reply)
        finally:
            self.seen.append("all sent")
            if hasattr(reply, "close"):
                reply.close()
        return reply, b"".join(written)


def environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "PUT",
        "RAW_URI": "/a%20b;c?q=1#f",
        "PATH_INFO": "/a b;c",
        "QUERY_STRING": "q=1",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4711",
        "wsgi.url_scheme": "https",
        "wsgi.input": "the body",
        "HTTP_X_A": "1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "",
    }


class Body:
    """An iterable with close()."""

    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        yield b"three"

    def close(self) -> None:
        self.seen.append("closed")


def test_request_looks_as_gunicorns() -> None:
    request = Request(environ())
    assert (request.method, request.uri, request.path, request.query) == ("PUT", "/a%20b;c?q=1#f", "/a%20b;c", "q=1")
    assert (request.version, request.scheme, request.body) == ((1, 0), "https", "the body")
    assert request.headers == [("X-A", "1"), ("CONTENT-TYPE", "text/plain")]
    assert request.remote_addr == ("192.0.2.7", 4711)


def test_hooks_are_around_the_whole_request() -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        stage.seen.append("called")
        start_response("200 OK", [("Content-Length", "8")])
        return Body(stage.seen)

    assert stage.serve(application)[1] == b"onethree"
    assert stage.seen == [
        ("pre", "PUT", 0), "called", "all sent", ("access", "200 OK", 8), "closed", ("post", ("200 OK", 200, 8), 1),
    ]  # fmt: skip


@pytest.mark.parametrize("body", [[b"ab", b"cd"], (b"abcd",), [], [b"abcd"]])
def test_length_of_a_list_is_still_known(body: Iterable[bytes]) -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return body

    reply, sent = stage.serve(application)
    assert len(reply) <= 1 and sent == b"".join(body)
    assert stage.seen[-1] == ("post", ("200 OK", 200, len(sent)), 1)


def test_file_is_still_the_fronts_to_send(tmp_path: Any) -> None:
    stage = Stage()
    (tmp_path / "file").write_bytes(b"contents")

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return FileWrapper((tmp_path / "file").open("rb"))

    reply = Watched(application, stage)(environ(), lambda *arguments: None)  # type: ignore[arg-type]
    assert type(reply) is FileWrapper and reply.part() == (reply.filelike.fileno(), 0, 8)
    reply.close()
    assert reply.filelike.closed and stage.seen[-1] == ("post", ("200 OK", 200, 8), 1)


def test_file_that_is_read_counts() -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return FileWrapper(io.BytesIO(b"in memory"))

    assert stage.serve(application)[1] == b"in memory"
    assert stage.seen[1:] == ["all sent", ("access", "200 OK", 9), ("post", ("200 OK", 200, 9), 1)]


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
def test_body_that_is_not_sent_does_not_count(method: str, status: str) -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response(status, [])
        return [b"not sent"]

    reply = Watched(application, stage)({**environ(), "REQUEST_METHOD": method}, lambda *arguments: None)  # type: ignore[arg-type]
    list(reply)
    reply.close()  # type: ignore[attr-defined]
    assert stage.seen[1:] == [("access", status, 0), ("post", (status, int(status[:3]), 0), 1)]


def test_sequence_of_the_old_kind_is_a_reply_like_others() -> None:
    class Sequence:
        def __getitem__(self, number: int) -> bytes:
            return [b"one", b"two"][number]

    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [])
        return Sequence()

    assert stage.serve(application)[1] == b"onetwo"
    assert stage.seen[-1] == ("post", ("200 OK", 200, 6), 1)


def closed_file() -> Iterable[bytes]:
    file = open(__file__, "rb")  # noqa: SIM115
    file.close()
    return FileWrapper(file)


def raising() -> Iterator[bytes]:
    yield b""
    raise ValueError("before anything was sent")


@pytest.mark.parametrize("made", [closed_file, raising])
def test_reply_that_raises_before_it_begins_is_logged_as_the_error_that_the_client_gets(made: Any) -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        reply: Iterable[bytes] = made()
        return reply

    with pytest.raises(ValueError):
        stage.serve(application)
    told = [("post", ("200 OK", 200, 0), 1), ("access", "500 Internal Server Error", 0)]
    assert stage.seen == [("pre", "PUT", 0), "all sent", *told]


def test_reply_that_raises_in_the_middle_is_logged_as_it_began() -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise ValueError

    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return broken()

    with pytest.raises(ValueError):
        stage.serve(application)
    assert stage.seen[2:] == [("access", "200 OK", 3), ("post", ("200 OK", 200, 3), 1)]


def test_what_is_written_counts() -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])(b"written")
        return ()

    assert stage.serve(application)[1] == b"written"
    assert stage.seen[-1] == ("post", ("200 OK", 200, 7), 1)


def test_exception_of_the_application_is_its_own_and_post_request_is_called() -> None:
    stage = Stage()

    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        stage.serve(application)
    assert stage.seen == [("pre", "PUT", 0), ("post", (None, None, 0), 1), ("access", "500 Internal Server Error", 0)]


def test_pre_request_that_raises_keeps_the_request_from_the_application() -> None:
    def refuse(worker: Any, req: Request) -> None:
        raise PermissionError("not you")

    stage = Stage(pre_request=refuse)
    with pytest.raises(PermissionError):
        stage.serve(lambda environ, start_response: stage.seen.append("called"))
    assert stage.seen == [("post", None, 0), ("access", "500 Internal Server Error", 0)]


def test_post_request_that_raises_is_logged_and_the_reply_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(worker: Any, req: Request) -> None:
        raise ValueError("hook")

    stage = Stage(post_request=fail)
    assert stage.serve(lambda environ, start_response: start_response("200 OK", []) and [b"x"] or [b"x"])[1] == b"x"
    told = capsys.readouterr().err
    assert "hook failed hook=post_request" in told and f"{__file__}:" in told and "SPY0042" in told


@pytest.mark.parametrize("arguments", [2, 3, 4])
def test_post_request_has_as_many_arguments_as_it_takes(arguments: int) -> None:
    seen: list[int] = []
    takers: dict[int, Callable[..., None]] = {
        2: lambda worker, req: seen.append(2),
        3: lambda worker, req, environ: seen.append(3),
        4: lambda worker, req, environ, resp: seen.append(4),
    }
    Stage(post_request=takers[arguments]).serve(lambda environ, start_response: [])
    assert seen == [arguments]


def test_worker_that_a_hook_wants_to_end_drains() -> None:
    def end(worker: Any, req: Request) -> None:
        worker.alive = False

    stage = Stage(post_request=end)
    stage.serve(lambda environ, start_response: [])
    assert stage.retired


def test_reply_that_cannot_be_iterated_is_the_gateways_to_refuse() -> None:
    stage = Stage()
    reply = Watched(lambda environ, start_response: None, stage)(environ(), lambda *arguments: None)  # type: ignore[arg-type, return-value]
    assert reply is None and stage.seen[1] == ("post", (None, None, 0), 1)


def test_method_partial_and_callable_object_are_hooks() -> None:
    class Callable_:
        def __call__(self, server: object) -> None: ...

    assert find({"on_exit": Callable_(), "when_ready": Stage().retire.__class__}, ["on_exit"]).keys() == {"on_exit"}
    assert isinstance(find({"on_exit": "os.path.exists"}, ["on_exit"])["on_exit"], Hook)
    with pytest.raises(Unfit, match="when_ready takes 0 arguments, and should take 1"):
        find({"when_ready": lambda: None}, ["when_ready"])
    with pytest.raises(Unfit, match="post_request takes 5 arguments"):
        find({"post_request": lambda a, b, c, d, e: None}, ["post_request"])
