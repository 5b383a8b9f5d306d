"""What a server holds, seen from outside: the slots and the workers' blocks in its segment, and what it has spooled.

Which blocks of the front are free is in the front's own memory: tests/soak/test_leaks.py fills them to see.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import TESTS, Server
from harness.processes import PROC, descriptors, memory

LAYOUT = TESTS.parent / "internal" / "wire" / "layout.txt"
CODES = {"u32": "I", "u64": "Q"}
FREE, FILLED, CLAIMED, STARTED = range(4)
IN_WORKER = 4  # PROTOCOL.md section 9: which descriptor of a worker its segment is


@cache
def header() -> tuple[struct.Struct, list[str], int]:
    """Return how to read the segment's first page, its names, and the bytes of a slot."""
    codes, names, slot, inside = "", [], 0, False
    for line in LAYOUT.read_text().splitlines():
        words = line.split()
        if words[:1] == ["struct"]:
            inside = words[1] == "Header"
            slot = int(words[2]) if words[1] == "Slot" else slot
        elif inside and words and words[0][0].isalpha():
            names.append(words[0])
            codes += CODES[words[1]]
    return struct.Struct("@" + codes), names, slot


@cache
def offset(structure: str, wanted: str) -> int:
    """Return where a word of a structure lies."""
    at, inside = 0, False
    for line in LAYOUT.read_text().splitlines():
        words = line.split()
        if words[:1] == ["struct"]:
            at, inside = 0, words[1] == structure
        elif inside and line.startswith("@"):
            at = int(line[1:])
        elif inside and len(words) > 1 and words[1][:1] == "u":
            if words[0] == wanted:
                return at
            kind, _, count = words[1].partition("*")
            at += int(kind[1:]) // 8 * int(count or 1)
    raise LookupError(wanted)


@dataclass(frozen=True)
class State:
    """A slot's state word."""

    kind: int
    worker: int
    filling: int


class Segment:
    """One segment, by the path of a descriptor of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        layout, names, self._slot = header()
        with path.open("rb") as file:
            self.header = dict(zip(names, layout.unpack(file.read(layout.size)), strict=True))
        self.slots: int = self.header["SlotCount"]

    @classmethod
    def of_worker(cls, pid: int) -> Segment:
        """Return the segment of a worker."""
        return cls(PROC / str(pid) / "fd" / str(IN_WORKER))

    def number(self, pid: int) -> int:
        """Return the number of a worker; a LookupError when it has none."""
        stride, count = self.header["WorkerStride"], self.header["WorkerCount"]
        table = self._read(self.header["WorkersAt"], stride * count)
        pids = [struct.unpack_from("@4I", table, stride * number)[3] for number in range(count)]
        try:
            return pids.index(pid)
        except ValueError as error:
            raise LookupError(pid) from error

    def has(self, pid: int) -> bool:
        """Say whether a process is one of its workers."""
        try:
            return self.number(pid) >= 0
        except LookupError:
            return False

    def states(self, count: int | None = None) -> list[State]:
        """Return the states of the first slots, or of all."""
        count = self.slots if count is None else count
        data = self._read(self.header["SlotsAt"], count * self._slot)
        words = [struct.unpack_from("@Q", data, number * self._slot)[0] for number in range(count)]
        return [State(word & 0xFF, word >> 16 & 0xFFFF, word >> 32) for word in words]

    def thread(self, slot: int) -> int:
        """Return which thread a slot says that runs its application."""
        at = self.header["SlotsAt"] + slot * self._slot + offset("Slot", "Thread")
        return int(struct.unpack("@I", self._read(at, 4))[0])

    def blocks(self) -> int:
        """Return how many blocks of workers are in use."""
        count = self.header["WorkerCount"] * self.header["WorkerBlocks"]
        table = struct.unpack(f"@{count}I", self._read(self.header["BlockTableAt"], 4 * count))
        return sum(entry != 0 for entry in table)

    def _read(self, at: int, size: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(at)
            return file.read(size)


def segments(server: Server) -> list[Segment]:
    """Return the segments that the front has, one per generation."""
    found = []
    for path in (PROC / str(server.front) / "fd").iterdir():
        try:
            if os.readlink(path).startswith("/memfd:speyside"):
                found.append(Segment(path))
        except OSError:  # closed meanwhile
            continue
    return found


@dataclass(frozen=True)
class Holding:
    """Slots and workers' blocks in use, descriptors of each process, and times 64 KiB in the spool."""

    slots: int
    blocks: int
    descriptors: tuple[int, ...]
    spooled: int


class Inside:
    """Looks into a running server that has one generation."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.processes = (server.front, *server.workers().values())
        (self._segment,) = segments(server)
        self.slots = self._segment.slots
        links = {path: os.readlink(path) for path in (PROC / str(server.front) / "fd").iterdir()}
        self._spool: list[Path] = [path for path, link in links.items() if link.endswith("(deleted)")]
        self._spool.remove(self._segment.path)

    def holding(self) -> Holding:
        """Look once."""
        return Holding(
            slots=sum(state.kind != FREE for state in self._segment.states()),
            blocks=self._segment.blocks(),
            descriptors=tuple(descriptors(pid) for pid in self.processes),
            spooled=sum(path.stat().st_blocks for path in self._spool) * 512 >> 16,
        )

    def memory(self) -> list[int]:
        """Return the bytes that each process has for itself."""
        return [memory(pid) for pid in self.processes]
