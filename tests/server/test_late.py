"""A worker that is stopped, given up and wakes: it touches nothing that belongs to another request."""

from __future__ import annotations

import os
import re
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from soak.segment import header

from harness import PATIENCE, Server, Unsound, processes, running, until

CLAIMED, STARTED = 2, 3  # states of a slot


class Slots:
    """The state words of a server's slots."""

    def __init__(self, server: Server) -> None:
        layout, names, self._size = header()
        links = {path: os.readlink(path) for path in Path(f"/proc/{server.front}/fd").iterdir()}
        self._segment = next(path for path, link in links.items() if link.startswith("/memfd:speyside"))
        with self._segment.open("rb") as file:
            self._header = dict(zip(names, layout.unpack(file.read(layout.size)), strict=True))

    def states(self) -> list[int]:
        """Return the words."""
        with self._segment.open("rb") as file:
            file.seek(self._header["SlotsAt"])
            slots = file.read(self._header["SlotCount"] * self._size)
        return [struct.unpack_from("@Q", slots, at)[0] for at in range(0, len(slots), self._size)]

    def of(self, worker: int, kind: int) -> dict[int, int]:
        """Return the states of this kind that a worker has, by the slot's number."""
        return {
            slot: state
            for slot, state in enumerate(self.states())
            if state & 0xFF == kind and state >> 16 & 0xFFFF == worker
        }


class Load:
    """Clients that check that each answer is that of their own request."""

    def __init__(self, server: Server, clients: int, pause: float = 0.002) -> None:
        self.server = server
        self._pause = pause
        self.statuses: dict[str, int] = {}
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[number]) for number in range(clients)]

    def _run(self, number: int) -> None:
        # New names of headers make the time between claim and start longer.
        padding = [(f"X-{number}-{name}-{id(self)}", "x" * 40) for name in range(90)]
        sent = 0
        while not self._stop.is_set():
            with self.server.connect() as client:
                closed = False
                while not (closed or self._stop.is_set()):
                    sent += 1
                    name = f"c{number}r{sent}"
                    try:
                        reply = client.get(f"/count?name={name}&pause={self._pause}", *padding)
                    except (Unsound, OSError) as error:
                        self.wrong.append(f"{name}: {error}")
                        return
                    self.statuses[name] = reply.status
                    closed = reply.closes
                    if reply.status == 200 and reply.text != name:
                        self.wrong.append(f"{name} was answered with {reply.text}")

    def goes_on(self) -> None:
        """Wait until a hundred more were answered, or something went wrong."""
        seen = len(self.statuses)
        until(lambda: self.wrong or len(self.statuses) > seen + 100, "the load goes on", PATIENCE)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it, and check that nobody got an answer of another's and nothing was served twice."""
        for thread in self._threads:
            thread.start()
        try:
            self.goes_on()
            yield
            self.goes_on()
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(PATIENCE)
        assert self.wrong == []
        answered = {name for name, status in self.statuses.items() if status == 200}
        until(lambda: answered <= set(self._served()), "the lines of what was answered", PATIENCE)
        served = self._served()
        assert len(served) == len(set(served)), "a request was served twice"

    def _served(self) -> list[str]:
        return re.findall(r"^served (\S+)\.$", self.server.stdout.text(), re.MULTILINE)


def is_stopped(pid: int) -> bool:
    """Say whether every thread of the process has stopped."""
    return all(processes.state(int(task)) == "T" for task in os.listdir(f"/proc/{pid}/task"))


def stop_where(slots: Slots, worker: int, pid: int, kind: int) -> dict[int, int]:
    """Stop the worker again and again until it has slots of this kind, and leave it so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: is_stopped(pid), "a stopped worker", PATIENCE)
        found = slots.of(worker, kind)
        if found:
            return found
        os.kill(pid, signal.SIGCONT)
    raise AssertionError(f"no slot in state {kind}")


def test_worker_stopped_between_claim_and_start_loses_its_request_and_wakes_harmless() -> None:
    with running("apps.workers", workers=2, threads=1) as server:
        slots, load = Slots(server), Load(server, 6, pause=0)
        pid = server.workers()[0]
        with load.running():
            for _ in range(3):
                for slot, state in stop_where(slots, 0, pid, CLAIMED).items():
                    until(lambda s=slot, was=state: slots.states()[s] >> 32 != was >> 32, "its refilling", PATIENCE)  # type: ignore[misc]
                load.goes_on()
                os.kill(pid, signal.SIGCONT)
                load.goes_on()
        assert set(load.statuses.values()) == {200}
        assert server.workers()[0] == pid


@pytest.mark.parametrize("wakes", ["when its requests were answered", "when it was given up"])
def test_worker_stopped_in_requests_is_given_up_and_wakes_harmless(wakes: str) -> None:
    limits = ("--timeout=500ms", "--timeout-grace=300ms")
    with running("apps.workers", *limits, workers=2, threads=2, provoked=True) as server:
        slots, load = Slots(server), Load(server, 6)
        pid = server.workers()[0]
        with load.running():
            taken = stop_where(slots, 0, pid, STARTED)
            until(lambda: not slots.of(0, STARTED), "an answer in its place", PATIENCE)
            if wakes == "when it was given up":
                server.log(r"request timed out .* was killed")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            load.goes_on()
            until(
                lambda: len(server.workers()) == 2 and pid not in server.workers().values(), "another worker", PATIENCE
            )
        late = [name for name, status in load.statuses.items() if status != 200]
        assert {load.statuses[name] for name in late} <= {502, 504}
        assert len(taken) <= len(late) <= 2, late
