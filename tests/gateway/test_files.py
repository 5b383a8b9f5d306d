"""wsgi.file_wrapper: a regular file leaves with its descriptor, as PROTOCOL.md section 11 says."""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from front import Front, N
from speyside.files import FileWrapper

SIZE = 200_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(os.urandom(SIZE))
    return made


def sends(path: Path, skip: int = 0, fields: list[tuple[str, str]] | None = None) -> Callable[..., Any]:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> FileWrapper:
        start_response("200 OK", fields or [])
        file = path.open("rb")
        file.read(skip)
        return FileWrapper(file)

    return application


def handed_over(front: Front) -> tuple[tuple[int, ...], list[int]]:
    """What came over the port's socket: slot, generation, offset and length, and the descriptors."""
    fds = array.array("i")
    message, control, _, _ = front.inlets[0].recvmsg(100, socket.CMSG_SPACE(100), socket.MSG_DONTWAIT)
    for level, kind, data in control:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        fds.frombytes(data)
    return struct.unpack("=IIQQ", message), list(fds)


def test_descriptor_offset_and_length_are_handed_over(front: Front, path: Path) -> None:
    for round_ in range(1, 4):
        reply = front.ask(sends(path, skip=1000), slot=2)
        assert reply.flags & N.ReplyFile and reply.flags & N.ReplyHasLength and reply.body == b""
        assert reply.headers == [("Content-Length", str(SIZE - 1000))]
        words, fds = handed_over(front)
        assert words == (2, round_, 1000, SIZE - 1000)
        assert os.pread(fds[0], SIZE, 1000) == path.read_bytes()[1000:]
        os.close(fds[0])
    assert front.reports == []


def test_length_of_the_application_is_what_is_handed_over(front: Front, path: Path) -> None:
    front.ask(sends(path, fields=[("Content-Length", "100000")]))
    words, fds = handed_over(front)
    assert words[2:] == (0, 100000)
    os.close(fds[0])


def test_full_socket_has_the_file_read(front: Front, path: Path) -> None:
    filler = socket.socket(fileno=os.dup(front.sockets[0]))
    with filler, pytest.raises(BlockingIOError):
        while True:
            filler.send(b"x", socket.MSG_DONTWAIT)
    reply = front.drive(sends(path, skip=1000))
    assert not reply.flags & N.ReplyFile
    assert reply.headers == [("Content-Length", str(SIZE - 1000))]
    assert reply.body == path.read_bytes()[1000:]
    assert front.reports == []


def test_closed_socket_has_the_file_read(front: Front, path: Path) -> None:
    front.inlets[0].close()
    assert front.drive(sends(path)).body == path.read_bytes()


@pytest.mark.parametrize("request_", [{"method": b"HEAD"}, {}])
def test_bodiless_reply_hands_nothing_over(request_: dict[str, Any], front: Front, path: Path) -> None:
    def not_modified(environ: dict[str, Any], start_response: Callable[..., Any]) -> FileWrapper:
        start_response("304 Not Modified" if not request_ else "200 OK", [])
        return FileWrapper(path.open("rb"))

    reply = front.ask(not_modified, **request_)
    assert not reply.flags & N.ReplyFile and not reply.cut
    with pytest.raises(BlockingIOError):
        handed_over(front)


def test_small_file_needs_no_descriptor(front: Front, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"small")
    reply = front.ask(sends(tmp_path / "small"))
    assert (reply.body, reply.headers, reply.pieces) == (b"small", [("Content-Length", "5")], [5])


@pytest.mark.parametrize("answer", [3, (), (-1, 0, 5), ("x", 0, 5), (0, -1), (0, 0, 0, 0), (1 << 40, 0, 5), ValueError])
def test_part_that_cannot_be_is_read(answer: Any, front: Front, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(self: FileWrapper) -> Any:
        if answer is ValueError:
            raise ValueError("closed")
        return answer

    monkeypatch.setattr(FileWrapper, "part", part)
    assert front.drive(sends(path)).body == path.read_bytes()
    assert front.reports == []


def test_file_that_becomes_shorter_meanwhile_is_a_fault(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").write_bytes(b"small")
    part = FileWrapper.part

    def late(self: FileWrapper) -> Any:
        found = part(self)
        os.truncate(tmp_path / "small", 2)
        return found

    monkeypatch.setattr(FileWrapper, "part", late)
    reply = front.ask(sends(tmp_path / "small"))
    assert reply.failed and front.reports[0][0] == "SPY0311"
