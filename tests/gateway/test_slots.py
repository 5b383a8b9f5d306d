"""Slots, blocks and the window: back-pressure, abandonment, and what is not as it should be."""

import itertools
import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from front import SIZES, STRUCTS, Front, N, Reply, until
from speyside import _gateway


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.mark.parametrize("shape", ["list", "many", "iterable", "write"])
def test_a_body_larger_than_all_blocks_waits_for_room(front: Front, shape: str) -> None:
    body = random.Random(1).randbytes(3_000_000)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        if shape == "write":
            for at in range(0, len(body), 700_000):
                write(body[at : at + 700_000])
            return []
        if shape == "list":
            return [body]
        pieces = (body[at : at + 9999] for at in range(0, len(body), 9999))
        return list(pieces) if shape == "many" else pieces

    assert front.drive(application).body == body
    assert front.blocks_in_use() == 0 and not front.reports


def test_the_ring_of_pieces_is_never_overrun() -> None:
    front = Front(worker_blocks=100).attach()
    made = 0

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        nonlocal made
        start_response("200 OK", [])
        for made in range(1, 201):
            yield b"%03d" % made

    front.push(front.fill())
    reply = Reply()
    with front.serving(application, limit=1):
        until(lambda: front.get("Worker", front.worker_at(0), "Waiting") == 1)
        assert front.get("Slot", front.slot_at(0), "Produced") == N.Pieces and made == N.Pieces + 1
        for step in range(1, 6):
            front.take(0, reply, most=1)
            until(lambda step=step: front.get("Slot", front.slot_at(0), "Produced") == N.Pieces + step)
        assert made <= N.Pieces + 6
        until(lambda: front.take(0, reply))
    assert reply.body == b"".join(b"%03d" % number for number in range(1, 201))


def test_blocks_that_the_front_keeps_are_waited_for(front: Front) -> None:
    front.push(front.fill())
    reply = Reply()
    with front.serving(lambda environ, start_response: (start_response("200 OK", []), [b"x" * 10**6])[1], limit=1):
        until(lambda: front.get("Worker", front.worker_at(0), "Waiting") == 1)
        front.take(0, reply, free=False)
        assert front.blocks_in_use() == front.worker_blocks
        until(lambda: front.get("Worker", front.worker_at(0), "Waiting") == 1)
        assert front.rung(0)
        for block in range(front.worker_blocks):
            front.set_table(block, 0)
            front.gave_back(0)
        until(lambda: front.take(0, reply))
    assert reply.body == b"x" * 10**6


def abandon(front: Front, slot: int = 0) -> None:
    front.set_state(slot, N.StateAbandoned)
    front.gave_back(0)


def test_an_abandoned_reply_that_waits_for_room_is_given_back(front: Front) -> None:
    closed: list[int] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 100_000

        def close(self) -> None:
            closed.append(front.state(0))

    front.push(front.fill())
    with front.serving(lambda environ, start_response: (start_response("200 OK", []), Body())[1], limit=1):
        until(lambda: front.get("Worker", front.worker_at(0), "Waiting") == 1)
        front.rung(0)
        abandon(front)
        until(lambda: front.state(0) == N.StateDone)
    assert front.rung(0) and closed == [N.StateDone] and not front.reports
    produced = front.get("Slot", front.slot_at(0), "Produced")
    assert front.blocks_in_use() == produced - 1  # what was published is the front's to free, nothing else was kept


@pytest.mark.parametrize("shape", ["list", "iterable", "raises", "write"])
def test_an_abandoned_reply_publishes_nothing_more(front: Front, shape: str) -> None:
    went_on: list[int] = []

    class Body:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield b"one"
            front.set_state(0, N.StateAbandoned)
            if shape == "raises":
                raise ValueError
            yield b"two"
            went_on.append(1)

        def close(self) -> None:
            self.closed += 1

    body = Body()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        if shape == "list":
            front.set_state(0, N.StateAbandoned)
            return [b"all"]
        if shape == "write":
            front.set_state(0, N.StateAbandoned)
            write(b"all")
        return body

    front.push(front.fill())
    assert _gateway.serve(application, 0, 0, 1) == 1
    assert front.state(0) == N.StateDone and front.rung(0) and not went_on
    assert front.get("Slot", front.slot_at(0), "Produced") == (shape in ("iterable", "raises"))
    assert body.closed == (shape in ("iterable", "raises"))
    assert [report[0] for report in front.reports] == (["SPY0301"] if shape == "raises" else [])
    assert front.blocks_in_use() == 0


def test_an_application_may_catch_that_the_client_has_gone(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        front.set_state(0, N.StateAbandoned)
        for _ in range(2):
            with pytest.raises(BrokenPipeError):
                write(b"x")
        return [b"whatever"]

    front.push(front.fill())
    _gateway.serve(application, 0, 0, 1)
    assert front.state(0) == N.StateDone and front.get("Slot", front.slot_at(0), "Produced") == 0 and not front.reports


def test_a_slot_that_the_front_takes_away_is_left_alone(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        front.put("Slot", front.slot_at(0), "State", 77 << 32 | N.StateFilled)
        return [b"late"]

    front.push(front.fill())
    _gateway.serve(application, 0, 0, 1)
    assert front.get("Slot", front.slot_at(0), "State") == 77 << 32 | N.StateFilled
    assert not front.rung(0)


def test_states_keep_generation_attempts_and_say_the_worker(front: Front) -> None:
    front.fill(2)
    front.put("Slot", front.slot_at(2), "State", 9 << 32 | 5 << 16 | 1 << 8 | N.StateFilled)
    seen: list[int] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(front.get("Slot", front.slot_at(2), "State"))
        seen.append(front.get("Worker", front.worker_at(1), "Busy"))
        start_response("200 OK", [])
        return [b""]

    front.push(2)
    assert _gateway.serve(application, 1, 3, 1) == 1
    assert seen == [9 << 32 | 1 << 16 | 1 << 8 | N.StateStarted, 1]
    assert front.get("Slot", front.slot_at(2), "State") == 9 << 32 | 1 << 16 | 1 << 8 | N.StateDone
    front.rung(2)


def test_entries_of_the_window_that_mean_nothing_are_dropped(front: Front) -> None:
    front.fill(1)
    front.push(2**32 - 1, 4, 99, 0, 1, 1)  # no slots, a slot that is free, and one that is pushed twice
    assert _gateway.serve(hello, 0, 0, 1) == 1
    assert front.state(1) == N.StateDone and front.rung(1) and front.state(0) == N.StateFree


def test_a_window_that_goes_around_keeps_its_order() -> None:
    front = Front(slots=8, window=4).attach()
    seen: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    for round in range(10):
        for slot in range(3):
            front.push(front.fill(slot, target=b"/%d" % (3 * round + slot)))
        assert _gateway.serve(application, 0, 0, 3) == 3
    assert seen == [f"/{number}" for number in range(30)]


def test_replies_ring_the_port_of_their_slot_only_when_it_sleeps() -> None:
    import os

    front = Front(slots=300, ports=3, window=512).attach()
    for slot in (0, 63, 64, 99, 100, 199, 200, 299):
        port = slot // 100
        for sleeping in (1, 0):
            front.put("Port", front.at["PortsAt"] + port * SIZES["Port"], "Sleeping", sleeping)
            front.push(front.fill(slot))
            assert _gateway.serve(hello, 0, 0, 1) == 1
            assert front.rung(slot)
            for number, doorbell in enumerate(front.doorbells):
                if sleeping and number == port:
                    assert os.eventfd_read(doorbell) == 1
                else:
                    with pytest.raises(BlockingIOError):
                        os.eventfd_read(doorbell)
            assert front.get("Port", front.at["PortsAt"] + port * SIZES["Port"], "Sleeping") == 0


def corrupt(front: Front, **words: int) -> None:
    """Serves a slot with these words, which cannot be, and then a good one."""
    front.push(front.fill(0, fields=[(b"Host", b"h"), (b"X-A", b"b")], **words), front.fill(1))
    called: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        called.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    assert _gateway.serve(application, 0, 0, 2) == 2
    bad, good = Reply(), Reply()
    assert front.take(0, bad) and front.rung(0) and bad.failed
    assert front.take(1, good) and good.body == b"hello"
    assert called == ["/"]
    (report,) = front.reports
    assert report[0] == "SPY0404" and report[1]
    front.reports.clear()
    front.set_state(0, 0)
    front.set_state(1, 0)


@pytest.mark.parametrize(
    "words",
    [
        {"HeadAt": 2**32 - 1},
        {"FieldsAt": 2**32 - 8},
        {"FieldCount": 65535},
        {"MethodAt": 65535},
        {"MethodLen": 65535},
        {"TargetAt": 60000},
        {"TargetLen": 1000},
        {"PathAt": 65535, "PathLen": 65535},
        {"PathLen": 1000},
        {"QueryAt": 30000, "QueryLen": 1},
        {"QueryLen": 65535},
        {"HeadLen": 4},
        {"HeadLen": 20},
        {"Listener": 1},
        {"Listener": 65535},
        {"RemoteAddrLen": 49},
        {"RemoteAddrLen": 255},
        {"RemotePortLen": 7},
        {"BodyKind": 5},
        {"BodyKind": 2**32 - 1},
        {"BodyKind": N.BodyNone, "BodyLen": 1},
        {"BodyKind": N.BodyInline, "BodyAt": 2**64 - 1, "BodyLen": 2},
        {"BodyKind": N.BodyInline, "BodyAt": 4096, "BodyLen": 2**64 - 1},
        {"BodyKind": N.BodyInline, "BodyAt": 2**63, "BodyLen": 2**63},
        {"BodyKind": N.BodyBlocks, "BodyAt": 2**32, "BodyLen": 1},
        {"BodyKind": N.BodyBlocks, "BodyAt": 24, "BodyLen": 1},
        {"BodyKind": N.BodyBlocks, "BodyAt": 0, "BodyLen": 2**63},
        {"BodyKind": N.BodySpool, "BodyAt": 2**63, "BodyLen": 1},
        {"BodyKind": N.BodySpool, "BodyAt": 2**62, "BodyLen": 2**62},
    ],
    ids=str,
)
def test_a_slot_that_cannot_be_costs_only_itself(front: Front, words: dict[str, int]) -> None:
    corrupt(front, **words)


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("value", [65535, 3000])
def test_a_field_that_lies_outside_of_the_head(front: Front, index: int, value: int) -> None:
    front.fill(0, fields=[(b"Host", b"h"), (b"X-A", b"b")])
    struct.pack_into("H", front.memory, front.home_at(0) + 8 + 2 * index, value)
    front.push(0)
    assert _gateway.serve(hello, 0, 0, 1) == 1
    reply = Reply()
    assert front.take(0, reply) and reply.failed and front.reports[0][0] == "SPY0404"


def test_random_words_in_a_slot_never_crash(front: Front) -> None:
    """The worker's side of a fuzz test; under a sanitizer it is one."""
    chance = random.Random(4)
    names = [name for name in STRUCTS["Slot"] if STRUCTS["Slot"][name][0] in range(64, 192)]
    bits = {"B": 8, "H": 16, "I": 32, "Q": 64}

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].readline()
            environ["wsgi.input"].read(100_000)
        except OSError:
            pass
        return hello(environ, start_response)

    for _ in range(3000):
        words = {}
        for name in chance.sample(names, chance.randint(1, 4)):
            if STRUCTS["Slot"][name][2] == 1:
                size = chance.choice([2, 5, 9, 14, 16, 21, 33, 64])
                words[name] = chance.getrandbits(min(size, bits[STRUCTS["Slot"][name][1]]))
        for block in range(front.blocks - 8, front.blocks):
            front.set_table(block, chance.getrandbits(chance.choice([3, 5, 32])))
        # A streamed body has an end here, or the read would wait for the rest of it.
        words["BodyEnd"] = chance.choice([N.EndWhole, N.EndLeft, 7])
        words["Arrived"] = chance.getrandbits(chance.choice([2, 15, 18, 64]))
        words["BodyLen"] = min(words.get("BodyLen", 3), 2**24) if chance.random() < 0.9 else 2**63
        front.push(front.fill(0, method=b"POST", target=b"/%41?q", body=b"abc", **words))
        assert _gateway.serve(application, 0, 0, 1) == 1
        assert front.state(0) == N.StateDone
        front.reports.clear()


def test_a_list_that_changes_while_it_is_sent_ends_the_reply_short(front: Front) -> None:
    items: list[Any] = [b"x" * 100_000 for _ in range(20)]

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return items

    front.push(front.fill())
    reply = Reply()
    with front.serving(application, limit=1):
        until(lambda: front.get("Worker", front.worker_at(0), "Waiting") == 1)
        del items[10:]
        items[9] = "text"
        until(lambda: front.take(0, reply))
    assert reply.cut and reply.body == b"x" * 900_000
    assert [report[0] for report in front.reports] == ["SPY0311"]


def test_several_threads_share_blocks_and_slots() -> None:
    front = Front(slots=32, window=64, worker_blocks=40).attach()
    body = {number: random.Random(number).randbytes(50_000 + 10_000 * number) for number in range(8)}

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        data = body[int(environ["PATH_INFO"][1:])]
        return [data] if data[0] % 2 else (data[at : at + 5000] for at in range(0, len(data), 5000))

    counter = itertools.count()
    asked: dict[int, int] = {}
    replies: dict[int, Reply] = {}
    served = 0

    def turn() -> bool:
        nonlocal served
        for slot in range(32):
            if slot in asked and front.take(slot, replies[slot]):
                assert replies[slot].body == body[asked.pop(slot)]
                front.set_state(slot, N.StateFree)
                served += 1
            if slot not in asked and next(counter) < 400:
                asked[slot] = slot % 8
                replies[slot] = Reply()
                front.push(front.fill(slot, target=b"/%d" % asked[slot]))
        for thread in range(4):
            front.ring(0, thread)
        return served >= 400

    with (
        front.serving(application, 0),
        front.serving(application, 1),
        front.serving(application, 2),
        front.serving(application, 3),
    ):
        until(turn, 60)
    assert front.blocks_in_use() == 0 and not front.reports
