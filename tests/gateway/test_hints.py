"""wsgi.early_hints keeps the rules of headers, and hands what it is given to the front in one block."""

import os
import threading
from typing import Any

import pytest

from front import Front, N

KEY = "wsgi.early_hints"
LINK = ("Link", "</style.css>; rel=preload")


def hinting(*calls: Any) -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for headers in calls:
            environ[KEY](headers)
        start_response("200 OK", [])
        return [b"body"]

    return application


def hinted(front: Front, free: bool = True) -> bytes:
    """What lies in the block of hints; frees it as the front does."""
    base = front.slot_at(0)
    length, block = front.get("Slot", base, "Hints"), front.get("Slot", base, "HintBlock")
    front.put("Slot", base, "Hints", 0)
    if length == 0:
        return b""
    assert front.table(block) == 1, "the block was not taken"
    if free:
        front.set_table(block, 0)
    return bytes(front.memory[front.block_at(block) : front.block_at(block) + length])


def test_each_call_is_fields_and_an_empty_line(front: Front) -> None:
    before = front.blocks_in_use()
    front.ask(hinting([LINK, ("X-A", "\u00e9")], [], [("X-B", "")]), Hints=0)
    assert hinted(front) == b"Link: </style.css>; rel=preload\r\nX-A: \xe9\r\n\r\nX-B: \r\n\r\n"
    assert front.blocks_in_use() == before


def test_http_1_0_is_given_none(front: Front) -> None:
    before = front.blocks_in_use()
    assert front.ask(hinting([LINK]), minor=0, Hints=0).body == b"body"
    assert hinted(front) == b"" and front.blocks_in_use() == before


def test_without_a_free_block_hints_are_left_out(front: Front) -> None:
    for block in range(front.worker_blocks):
        front.set_table(block, 1)
    assert front.ask(hinting([LINK], [LINK]), Hints=0).body == b"body"
    assert hinted(front) == b""


@pytest.mark.parametrize(
    ("headers", "code", "error"),
    [
        (None, "SPY0314", TypeError),
        ((LINK,), "SPY0314", TypeError),
        ([["Link", "a"]], "SPY0314", TypeError),
        ([(b"Link", b"a")], "SPY0314", TypeError),
        ([("Link:", "a")], "SPY0306", ValueError),
        ([("", "a")], "SPY0306", ValueError),
        ([("Link", "a\r\nSet-Cookie: b")], "SPY0307", ValueError),
        ([("Link", "\u20ac")], "SPY0307", ValueError),
        ([("Connection", "close")], "SPY0308", ValueError),
        ([("Transfer-Encoding", "chunked")], "SPY0308", ValueError),
        ([("Content-Length", "1")], "SPY0317", ValueError),
        ([("X", "x" * N.BlockSize)], "SPY0317", ValueError),
        ([("X" * N.BlockSize, "x")], "SPY0317", ValueError),
    ],
)
def test_bad_headers_are_refused_and_nothing_is_sent(
    front: Front, headers: Any, code: str, error: type[Exception]
) -> None:
    before = front.blocks_in_use()
    assert front.ask(hinting([LINK], headers), Hints=0).failed
    (report,) = front.reports
    assert report[0] == code and type(report[4]) is error
    assert hinted(front) == b"Link: </style.css>; rel=preload\r\n\r\n"
    assert front.blocks_in_use() == before


def test_all_of_a_block_may_be_used(front: Front) -> None:
    rest = N.BlockSize - len(b"X: \r\n\r\n")
    front.ask(hinting([("X", "x" * rest)]), Hints=0)
    assert len(hinted(front)) == N.BlockSize
    assert front.ask(hinting([("X", "x" * (rest + 1))]), Hints=0).failed
    for left in range(8):  # nothing is written beyond its end
        front.reports.clear()
        assert front.ask(hinting([("X", "x" * (rest - left))], [("Y", "")]), Hints=0).failed == (left < 7)
        assert len(hinted(front)) == N.BlockSize - (left if left < 7 else 0)


def test_more_than_32_are_refused(front: Front) -> None:
    assert not front.ask(hinting(*[[LINK]] * 32), Hints=0).failed
    assert hinted(front).count(b"\r\n\r\n") == 32
    assert front.ask(hinting(*[[LINK]] * 33), Hints=0).failed and front.reports[0][0] == "SPY0317"
    hinted(front)


def test_after_the_head_and_after_the_request_they_are_refused(front: Front) -> None:
    kept = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        give = environ[KEY]
        kept.append(give)
        start_response("200 OK", [])
        give([LINK])
        yield b"first"
        with pytest.raises(RuntimeError, match="after the reply had begun"):
            give([LINK])
        yield b"second"

    assert front.ask(application, Hints=0).body == b"firstsecond" and not front.reports
    assert hinted(front).count(b"Link") == 1
    with pytest.raises(RuntimeError, match="after its request was over"):
        kept[0]([LINK])


def test_another_thread_of_the_request_may_give_them(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        threads = [threading.Thread(target=environ[KEY], args=([LINK],)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        start_response("200 OK", [])
        return [b"body"]

    assert front.ask(application, Hints=0).body == b"body"
    assert hinted(front) == b"Link: </style.css>; rel=preload\r\n\r\n" * 10


def test_a_child_gives_none(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        pid = os.fork()
        if pid == 0:
            try:
                environ[KEY]([LINK])
            except RuntimeError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        start_response("200 OK", [])
        return [b"body"]

    assert front.ask(application, Hints=0).body == b"body"
    assert hinted(front) == b""


def test_an_abandoned_request_takes_none(front: Front) -> None:
    before = front.blocks_in_use()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        state = front.get("Slot", front.slot_at(0), "State")
        front.put("Slot", front.slot_at(0), "State", state & ~0xFF | N.StateAbandoned)
        environ[KEY]([LINK])
        return []

    front.ask(application, Hints=0)
    assert hinted(front) == b"" and front.blocks_in_use() == before
