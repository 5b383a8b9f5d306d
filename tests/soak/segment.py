"""What a server holds, seen from outside: the slots and the workers' blocks in its segment, and what it has spooled.

Which blocks of the front are free is in the front's own memory: tests/soak/test_leaks.py fills them to see.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from harness import TESTS, Server
from harness.processes import PROC, descriptors, memory

LAYOUT = TESTS.parent / "internal" / "wire" / "layout.txt"
CODES = {"u32": "I", "u64": "Q"}
STATE_FREE = 0


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


@dataclass(frozen=True)
class Holding:
    """Slots and workers' blocks in use, descriptors of each process, and times 64 KiB in the spool."""

    slots: int
    blocks: int
    descriptors: tuple[int, ...]
    spooled: int


class Inside:
    """Looks into a running server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.processes = (server.front, *server.workers().values())
        layout, names, self._slot = header()
        links = {path: os.readlink(path) for path in (PROC / str(server.front) / "fd").iterdir()}
        self._segment = next(path for path, link in links.items() if link.startswith("/memfd:speyside"))
        self._spool: list[Path] = [path for path, link in links.items() if link.endswith("(deleted)")]
        self._spool.remove(self._segment)
        with self._segment.open("rb") as file:
            self._header = dict(zip(names, layout.unpack(file.read(layout.size)), strict=True))
        self.slots: int = self._header["SlotCount"]

    def holding(self) -> Holding:
        """Look once."""
        blocks = self._header["WorkerCount"] * self._header["WorkerBlocks"]
        with self._segment.open("rb") as file:
            file.seek(self._header["SlotsAt"])
            slots = file.read(self.slots * self._slot)[:: self._slot]  # the lowest byte of each state
            file.seek(self._header["BlockTableAt"])
            table = struct.unpack(f"@{blocks}I", file.read(4 * blocks))
        return Holding(
            slots=sum(state != STATE_FREE for state in slots),
            blocks=sum(entry != 0 for entry in table),
            descriptors=tuple(descriptors(pid) for pid in self.processes),
            spooled=sum(path.stat().st_blocks for path in self._spool) * 512 >> 16,
        )

    def memory(self) -> list[int]:
        """Return the bytes that each process has for itself."""
        return [memory(pid) for pid in self.processes]
