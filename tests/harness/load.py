"""A steady load that accounts for every request: what became of it, and whether the application has started it.

Most tests need `Load` with the application apps.ledger: start it, do harm, `finish` it, and `account`. It says what was
wrong: a request that was not answered, or twice, or by an application that had not started it, or by a generation that
was not in service; a failure that the application had not started, and so need not have been.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .client import Client, Unsound, request
from .server import Server

PATIENCE = 90.0  # of a client: what takes longer is lost
LAG = 0.5  # between what the log says of a generation and our reading it
HEAVY = [(f"X-Heavy-{number}", "value" * 10) for number in range(90)]
BODY = random.Random(5).randbytes(120_000)
LONG = "/%78" + "x" * 4999  # a path that tests/soak/claimed.c knows
HARMLESS = {"small": 60, "heavy": 10, "long": 10, "body": 6, "large": 6, "sleep": 6, "late": 0.3, "leave": 4}
FAILURES = ("500", "502", "504", "cut")


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
                return request("GET", f"{LONG}?name={name}")
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

    def account(self) -> list[str]:
        """Return what is wrong, after `finish`."""
        starts: dict[str, list[tuple[int, int]]] = {}
        for line in (self._directory / "starts").read_text().splitlines():
            name, generation, pid = line.split()
            starts.setdefault(name, []).append((int(generation), int(pid)))
        log = self._server.stderr.text()
        twice = set(re.findall(r"request failed .*name=(c\d+r\d+)\W.*code=SPY0402", log))
        wrong, barely = [], []
        for asked in self.asked():
            noted = starts.pop(asked.name, [])
            if asked.outcome in FAILURES and not noted and asked.name not in twice:
                barely.append(f"failed without having been started: {asked}")
            wrong += [f"{why}: {asked}" for why in self._wrong(asked, noted)]
        # Between the start and the application's first line a worker may die as anywhere else, but hardly ever does.
        if len(barely) > 1 + sum(asked.outcome in FAILURES for asked in self.asked()) // 100:
            wrong += barely
        return wrong + [f"nobody had asked for {name}" for name in starts]

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
