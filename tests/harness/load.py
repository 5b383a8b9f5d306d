"""A steady load that accounts for every request: what became of it, and whether the application has started it.

Most tests need `Load` with the application apps.ledger: start it, do harm, `finish` it, and `account`. It says what was
wrong: a request that was not answered, or twice, or by an application that had not started it, or by a generation that
was not in service; a failure that the application had not started, and so need not have been: one that has not even
written its first line counts as started if the record of its worker's death says that it had just been.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import records
from .client import Client, Unsound, request
from .server import Server

PATIENCE = 90.0  # of a client: what takes longer is lost
LAG = 0.5  # between what the log says of a generation and our reading it
HEAVY = [(f"X-Heavy-{number}", "value" * 10) for number in range(90)]
BODY = random.Random(5).randbytes(120_000)
LENGTH = 5000  # of a path, decoded, that tests/soak/claimed.c knows
NAME = re.compile(
    r"(?:name=|/%78-)(c\d+r\d+)\b"
)  # of a request in what the log says of it, which is not all of a long one
HARMLESS = {"small": 60, "heavy": 10, "long": 10, "body": 6, "large": 6, "sleep": 6, "late": 0.3, "leave": 4}
FAILURES = ("500", "502", "504", "cut")


def long(name: str) -> str:
    """Return the target of a request that a worker may be held at before it starts it."""
    return f"/%78-{name}-".ljust(LENGTH + 3, "x")[: LENGTH + 3] + f"?name={name}"


@dataclass
class Asked:
    """One request and what became of it."""

    name: str
    kind: str
    sent: float
    answered: float = 0.0
    outcome: str = "lost: no answer"
    generation: int = 0
    pid: int = 0


class Asker:
    """One client after another, in a thread of its own."""

    def __init__(self, server: Server, number: int, seed: int, over: threading.Event) -> None:
        self.server = server
        self.chance = random.Random(seed * 1000 + number)
        self.number = number
        self.asked: list[Asked] = []
        self.more: list[str] = []  # kinds that are to be asked next
        self._over = over
        self._client: Client | None = None
        self.thread = threading.Thread(target=self._run, name=f"asker {number}")
        self.thread.start()

    def _run(self) -> None:
        kinds, weights = list(HARMLESS), list(HARMLESS.values())
        while not self._over.is_set():
            kind = self.more.pop() if self.more else self.chance.choices(kinds, weights)[0]
            self._ask(kind)
            if self.chance.random() < 0.3:
                self._drop()
        self._drop()

    def _drop(self) -> None:
        if self._client:
            self._client.close()
            self._client = None

    def _ask(self, kind: str) -> None:
        asked = Asked(f"c{self.number}r{len(self.asked)}", kind, time.monotonic())
        self.asked.append(asked)
        try:
            self._client = self._client or self.server.connect(patience=PATIENCE)
            self._client.send(self._request(asked))
            if kind == "leave":
                asked.outcome = "left"
                self._client.reset()
                self._client = None
                return
            asked.outcome = self._answer(self._client, asked)
        except (Unsound, OSError) as error:
            asked.outcome = f"lost: {error!r}"[:300]
            self._drop()
        finally:
            asked.answered = time.monotonic()

    def _request(self, asked: Asked) -> bytes:
        name = asked.name
        match asked.kind:
            case "heavy":
                return request("GET", f"/?name={name}", HEAVY)
            case "long":
                return request("GET", long(name))
            case "body":
                return request("POST", f"/?name={name}", (), BODY[: self.chance.choice((100, 20_000, 120_000))])
            case "large":
                path, times = self.chance.choice(("/", "/stream")), self.chance.choice((2000, 20_000))
                return request("GET", f"{path}?name={name}&times={times}")
            case "sleep":
                return request("GET", f"/sleep?name={name}&seconds={self.chance.uniform(0, 0.1):.3f}")
            case "late":
                return request("GET", f"/sleep?name={name}&seconds=4")
            case "small" | "leave":
                return request("GET", f"/?name={name}")
        return request("GET", f"/{asked.kind}?name={name}")

    def _answer(self, client: Client, asked: Asked) -> str:
        reply = client.head()
        try:
            reply.pieces = list(client.pieces(reply))
        except Unsound:
            self._drop()
            return "cut"
        if reply.closes:
            self._drop()
        if reply.status != 200:
            return str(reply.status)
        lines = reply.text.splitlines()
        name, generation, pid, _ = lines[0].split()
        asked.generation, asked.pid = int(generation), int(pid)
        if name != asked.name or set(lines) != {lines[0]}:
            return f"wrong: {reply.text[:200]!r}"
        return "200"


class Load:
    """So many askers, and what the log says of generations meanwhile."""

    def __init__(self, server: Server, directory: Path, count: int, seed: int) -> None:
        self._server, self._directory = server, directory
        self._over, self._answered = threading.Event(), threading.Event()
        self._service: list[tuple[float, int]] = [(0.0, 1)]  # since when which generation
        self._watch = threading.Thread(target=self._watch_log, name="watches the log")
        self._watch.start()
        self.askers = [Asker(server, number, seed, self._over) for number in range(count)]

    def _watch_log(self) -> None:
        seen = 0
        while not self._answered.wait(0.02):
            text = self._server.stderr.text(seen)
            whole = text.rfind("\n") + 1
            seen += len(text[:whole].encode())
            for found in re.finditer(r"took over generation=(\d+)|reload failed .*serving=(\d+)", text[:whole]):
                number = int(found[1] or found[2])
                if number != self._service[-1][1]:
                    self._service.append((time.monotonic(), number))

    def ask(self, kind: str, chance: random.Random) -> None:
        """Have one of the askers send a request of this kind next."""
        chance.choice(self.askers).more.append(kind)

    def stuck(self, seconds: float) -> list[Asked]:
        """Return the requests that have waited for longer."""
        late = time.monotonic() - seconds
        latest = [asker.asked[-1] for asker in self.askers if asker.asked]
        return [asked for asked in latest if not asked.answered and asked.sent < late]

    def finish(self) -> None:
        """Have every client finish what it has asked."""
        self._over.set()
        for asker in self.askers:
            asker.thread.join(PATIENCE + 10)
        self._answered.set()
        self._watch.join()

    def asked(self) -> list[Asked]:
        """Return all requests."""
        return [asked for asker in self.askers for asked in asker.asked]

    def outcomes(self) -> Counter[str]:
        """Return how often each outcome came."""
        return Counter(asked.outcome for asked in self.asked())

    def account(self, stopped: Mapping[int, float]) -> tuple[list[str], list[str]]:
        """Return what is wrong, after `finish`, and what failed between its start and its first line.

        `stopped` says how long which processes were stopped by the test.
        """
        starts: dict[str, list[tuple[int, int]]] = {}
        for line in (self._directory / "starts").read_text().splitlines():
            name, generation, pid = line.split()
            starts.setdefault(name, []).append((int(generation), int(pid)))
        excuses = Excuses(self._server.stderr.text(), stopped)
        wrong = []
        for asked in self.asked():
            noted = starts.pop(asked.name, [])
            wrong += [f"{why}: {asked}" for why in self._wrong(asked, noted)]
            if asked.outcome in FAILURES and not noted and not excuses.excuse(asked):
                wrong.append(f"failed without having been started: {asked}\n{excuses.told(asked)}")
        return wrong + [f"nobody had asked for {name}" for name in starts], excuses.made

    def _wrong(self, asked: Asked, starts: list[tuple[int, int]]) -> Iterator[str]:
        if len(starts) > 1:
            yield f"started {len(starts)} times {starts}"
        if asked.outcome == "200":
            if starts != [(asked.generation, asked.pid)]:
                yield f"started as {starts}"
            if not self._served_by(asked.generation, asked.sent, asked.answered):
                yield f"answered by a generation out of service {self._service}"
        elif asked.outcome not in ("left", *FAILURES):
            yield "not answered"

    def _served_by(self, generation: int, since: float, until: float) -> bool:
        ends = [at for at, _ in self._service[1:]] + [until]
        return any(
            number == generation and began - LAG <= until and end + LAG >= since
            for (began, number), end in zip(self._service, ends, strict=True)
        )


class Excuses:
    """What may have befallen a request that failed, and that the application has written no line of."""

    def __init__(self, log: str, stopped: Mapping[int, float]) -> None:
        self._records = records.split(log)
        self._stopped = stopped
        self._held: dict[str, list[records.Held]] = {}
        for held in records.held(self._records):
            if name := NAME.search(held.request):
                self._held.setdefault(name[1], []).append(held)
        failed = [NAME.search(record) for record in self._records if "code=SPY0402" in record]
        self._twice = {name[1] for name in failed if name}
        starved = re.compile(r"(application raised|request failed) .* path=(?!/hog)[\s\S]*MemoryError")
        self._starved = sum(starved.search(record) is not None for record in self._records)
        self.made: list[str] = []

    def excuse(self, asked: Asked) -> bool:
        """Say whether the log tells why there is no line: two deaths before the start, one right after, no memory."""
        if asked.name in self._twice:
            return True
        if asked.outcome == "500":  # beside a request that uses all memory; there is no name in that record
            self._starved -= 1
            return self._starved >= 0
        excused = any(self._just_begun(held) for held in self._held.get(asked.name, ()))
        if excused:
            self.made.append(f"{asked}\n{self.told(asked)}")
        return excused

    def _just_begun(self, held: records.Held) -> bool:
        """Say whether a worker ran for less than 100 ms between the start of a request and its own end."""
        return held.begun and (held.age == 0 or held.age < self._stopped.get(held.pid, 0) + 0.1)

    def told(self, asked: Asked) -> str:
        """Return what the log says of a request."""
        return "".join(record for record in self._records if re.search(rf"\b{asked.name}\b", record)) or "no record\n"
