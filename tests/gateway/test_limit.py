"""limit(): the time that an application sets itself is told to the front, for its own request alone."""

from typing import Any

from front import Front, N, until
from speyside import _gateway


def test_limit_is_told_for_the_request_at_hand(front: Front) -> None:
    told: list[bool] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        told.extend(_gateway.limit(tenths) for tenths in (50, 50, 0, 1 << 40))
        start_response("200 OK", [])
        return [b""]

    with front.serving(application):
        front.push(front.fill(0))
        until(lambda: front.state(0) == N.StateDone)
    assert told == [True] * 4
    assert front.get("Slot", front.slot_at(0), "Limit") == 0xFFFFFF << 8 | 4  # the most there is, the fourth time


def test_limit_outside_of_a_request_is_refused(front: Front) -> None:
    assert _gateway.limit(10) is False
    after: list[bool] = []

    class Late:
        def __iter__(self) -> Any:
            return iter([b"ab"])

        def close(self) -> None:
            after.append(_gateway.limit(10))

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "2")])
        return Late()

    with front.serving(application):
        front.push(front.fill(0))
        until(lambda: front.state(0) == N.StateDone)
        until(lambda: after)
    assert after == [False], "the slot is the next request's by then"
    assert front.get("Slot", front.slot_at(0), "Limit") == 0
