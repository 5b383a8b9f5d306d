"""Requests of the corpus, good and bad, mixed on 16 connections at once and cut at random: the answers stay the same.

The seed is new in each run, and a failure tells it; SPEYSIDE_SEED repeats that run.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from harness.corpus import Case, cases

from harness import Server, running

SEED = int(os.environ.get("SPEYSIDE_SEED") or random.SystemRandom().randrange(1 << 32))
CONNECTIONS = 16  # at the same time
CONVERSATIONS = 800
# What belongs to the connection or the moment; an interim reply is sent only while the body has not come.
OWN = re.compile(rb'HTTP/1\.1 100 Continue\r\n\r\n|(?<=\r\nDate: )[^\r]+|(?<="REMOTE_PORT": ")\d+')
PAUSE = 0.0005  # the client's pace: the pieces should not come together

# More than one turn, or a client that ends its side, does not fit between other requests.
ALONE = [case for case in cases() if len(case.pieces) == 1 and not case.half_close and case.pieces[0]]
KEPT = [case for case in ALONE if case.end == "kept"]
LAST = [case for case in ALONE if case.end != "kept"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.corpus", workers=2, threads=4, provoked=True) as made:
        yield made


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Return data in two to thirty pieces, half of them of a few bytes."""
    places = {0, len(data)}
    for _ in range(chance.randint(1, 15)):
        at = chance.randrange(len(data))
        places |= {at, min(len(data), at + chance.randint(1, 4))}
    return [data[start:end] for start, end in pairwise(sorted(places))]


def answers(server: Server, pieces: list[bytes]) -> bytes:
    """Send pieces, and return everything that comes until the server ends its side, without what differs anyway."""
    with server.connect() as client:
        for piece in pieces:
            client.send(piece)
            if len(pieces) > 1:
                time.sleep(PAUSE)
        client.half_close()
        return OWN.sub(b"", client.rest())


def conversation(chance: random.Random) -> list[Case]:
    """Choose requests that leave the connection open, and mostly one after them that does not."""
    chosen = chance.choices(KEPT, k=chance.randint(1, 6))
    return [*chosen, chance.choice(LAST)] if chance.random() < 0.8 else chosen


def test_answers_do_not_depend_on_how_the_bytes_arrive(server: Server) -> None:
    assert len(KEPT) > 70 and len(LAST) > 150
    print(f"SPEYSIDE_SEED={SEED}")

    def one(number: int) -> str:
        chance = random.Random(SEED * CONVERSATIONS + number)
        chosen = conversation(chance)
        data = b"".join(case.pieces[0] for case in chosen)
        wanted = answers(server, [data])
        pieces = cut(data, chance)
        seen = answers(server, pieces)
        if seen == wanted and wanted.count(b"HTTP/1.1 ") >= len(chosen) - 1:
            return ""
        names = [case.name for case in chosen]
        return f"{names}\nin {len(pieces)} pieces {pieces}\nanswered {seen!r}\nand whole {wanted!r}"

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        failures = [failure for failure in pool.map(one, range(CONVERSATIONS)) if failure]
    told = f"SPEYSIDE_SEED={SEED}: {len(failures)} of {CONVERSATIONS} conversations"
    assert not failures, f"{told}\n" + "\n\n".join(failure[:3000] for failure in failures[:3])
