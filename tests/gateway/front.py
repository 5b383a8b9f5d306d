"""A front for tests: makes a segment, fills slots as PROTOCOL.md says, and reads the replies out of it.

Most callers need Front.ask, which serves one request in the calling thread, and Front.drive, which serves requests in
another thread while this one takes their replies as they come. The layout is read from layout.txt, so that a constant
that differs between the description and the extension is found here.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from speyside import _gateway
from speyside.files import FileWrapper

LAYOUT = Path(__file__).parents[2] / "internal" / "wire" / "layout.txt"
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}
FUTEX_WAKE = 1
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[os.uname().machine]
LIBC = ctypes.CDLL(None, use_errno=True)


def read_layout(text: str) -> tuple[SimpleNamespace, dict[str, dict[str, tuple[int, str, int]]], dict[str, int]]:
    """Returns the constants, the fields of each struct as (offset, struct code, count), and the structs' sizes."""
    numbers: dict[str, int] = {}
    structs: dict[str, dict[str, tuple[int, str, int]]] = {}
    sizes: dict[str, int] = {}
    name, offset = "", 0
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("const", "enum"):
            numbers[words[1]] = int(words[2], 0)
        elif words[0] == "struct":
            name, offset = words[1], 0
            structs[name], sizes[name] = {}, int(words[2])
        elif words[0].startswith("@"):
            offset = int(words[0][1:])
        else:
            kind, _, count = words[1].partition("*")
            size = struct.calcsize(CODES[kind])
            offset = -(-offset // size) * size
            structs[name][words[0]] = (offset, CODES[kind], int(count or 1))
            offset += size * int(count or 1)
    return SimpleNamespace(**numbers), structs, sizes


N, STRUCTS, SIZES = read_layout(LAYOUT.read_text())


@dataclass
class Reply:
    """What came out of a slot."""

    state: int = 0
    status: bytes = b""
    code: int = 0
    fields: bytes = b""
    body: bytes = b""
    flags: int = 0
    length: int = 0
    produced: int = 0
    pieces: list[int] = field(default_factory=list)

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.fields.decode("latin-1").split("\r\n")
        return [tuple(line.split(": ", 1)) for line in lines if line]  # type: ignore[misc]

    @property
    def cut(self) -> bool:
        return bool(self.flags & N.ReplyCut)

    @property
    def failed(self) -> bool:
        """Whether the front has to answer 500 itself."""
        return self.cut and self.produced == 0


class Front:
    def __init__(
        self,
        slots: int = 4,
        ports: int = 1,
        workers: int = 2,
        threads: int = 4,
        window: int = 64,
        worker_blocks: int = 8,
        front_blocks: int = 8,
        large: int = 1,
    ) -> None:
        self.slots, self.ports, self.worker_blocks = slots, ports, worker_blocks
        self.blocks = workers * worker_blocks + front_blocks
        stride = -(-(SIZES["Worker"] + 4 * threads) // 64) * 64
        header = dict(
            Magic=N.Magic, Version=N.Version, Generation=1, SlotCount=slots, PortCount=ports, WorkerCount=workers,
            ThreadCount=threads, WindowSize=window, WorkerBlocks=worker_blocks, FrontBlocks=front_blocks,
            LargeCount=large, WorkerStride=stride,
        )  # fmt: skip
        at = SIZES["Header"]
        for name, size in [
            ("WindowAt", SIZES["Window"] + 4 * window),
            ("PortsAt", SIZES["Port"] * ports),
            ("WorkersAt", stride * workers),
            ("SlotsAt", SIZES["Slot"] * slots),
            ("BlockTableAt", 4 * self.blocks),
            ("HomesAt", N.HomeSize * slots),
            ("LargeAt", N.LargeSize * large),
            ("BlocksAt", N.BlockSize * self.blocks),
        ]:
            header[name] = at
            at = -(-(at + size) // N.PageSize) * N.PageSize
        header["Size"] = at
        self.at = header
        self.spool = os.memfd_create("spool")
        self.segment = os.memfd_create("segment", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.segment, at)
        self.memory = mmap.mmap(self.segment, at)
        for name, value in header.items():
            self.put("Header", 0, name, value)
        self.doorbells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(ports)]
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(ports)]
        self.inlets = [ours for ours, _ in pairs]
        self.sockets = [theirs.detach() for _, theirs in pairs]
        self.reports: list[tuple[str, str, str, str, BaseException | None]] = []
        self.identifiers: list[str] = []
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def __del__(self) -> None:
        # The extension keeps the last front alive, through its report callback, until the next one is attached.
        for descriptor in (self.spool, self.segment, *self.doorbells, *self.sockets):
            os.close(descriptor)
        for inlet in self.inlets:
            inlet.close()

    def seal(self) -> None:
        if not fcntl.fcntl(self.segment, fcntl.F_GET_SEALS):
            fcntl.fcntl(self.segment, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)

    def attach(self, environs: list[dict[str, object]] | None = None) -> Front:
        self.seal()
        _gateway.attach(self.segment, self.spool, self.doorbells, self.sockets)
        _gateway.configure([base_environ()] if environs is None else environs, self.report, FileWrapper, "boot")
        _gateway.after_fork(0)
        return self

    def report(
        self, code: str, detail: str, method: str, path: str, exception: BaseException | None, identifier: str
    ) -> None:
        self.reports.append((code, detail, method, path, exception))
        self.identifiers = [identifier]

    # Words of the segment.

    def place(self, kind: str, base: int, name: str, index: int = 0) -> tuple[str, int]:
        offset, code, _ = STRUCTS[kind][name]
        return code, base + offset + index * struct.calcsize(code)

    def put(self, kind: str, base: int, name: str, value: int, index: int = 0) -> None:
        code, offset = self.place(kind, base, name, index)
        struct.pack_into(code, self.memory, offset, value)

    def get(self, kind: str, base: int, name: str, index: int = 0) -> int:
        code, offset = self.place(kind, base, name, index)
        return int(struct.unpack_from(code, self.memory, offset)[0])

    def slot_at(self, slot: int) -> int:
        return self.at["SlotsAt"] + slot * SIZES["Slot"]

    def home_at(self, slot: int) -> int:
        return self.at["HomesAt"] + slot * N.HomeSize

    def block_at(self, block: int) -> int:
        return self.at["BlocksAt"] + block * N.BlockSize

    def worker_at(self, worker: int) -> int:
        return self.at["WorkersAt"] + worker * self.at["WorkerStride"]

    def state(self, slot: int) -> int:
        return self.get("Slot", self.slot_at(slot), "State") & 0xFF

    def set_state(self, slot: int, state: int) -> None:
        old = self.get("Slot", self.slot_at(slot), "State")
        self.put("Slot", self.slot_at(slot), "State", old & ~0xFF | state)

    def table(self, block: int) -> int:
        return int(struct.unpack_from("I", self.memory, self.at["BlockTableAt"] + 4 * block)[0])

    def set_table(self, block: int, value: int) -> None:
        struct.pack_into("I", self.memory, self.at["BlockTableAt"] + 4 * block, value)

    def blocks_in_use(self, worker: int = 0) -> int:
        first = worker * self.worker_blocks
        return sum(self.table(block) != 0 for block in range(first, first + self.worker_blocks))

    # The front's part of a request.

    def fill(
        self,
        slot: int = 0,
        method: bytes = b"GET",
        target: bytes = b"/",
        fields: Iterable[tuple[bytes, bytes]] = ((b"Host", b"test"),),
        minor: int = 1,
        flags: int = 0,
        listener: int = 0,
        body: bytes | None = None,
        kind: int | None = None,
        addr: bytes = b"127.0.0.1",
        port: bytes = b"54321",
        peer: bytes = b"",
        large: bool = False,
        **words: int,
    ) -> int:
        """Fills a slot and leaves it out of the window. words overwrite what would be right."""
        base = self.slot_at(slot)
        path, _, query = target.partition(b"?")
        head = bytearray(method + b" " + target + b" HTTP/1.%d\r\n" % minor)
        table = bytearray()
        count = 0
        for name, value in fields:
            table += struct.pack("4H", len(head), len(name), len(head) + len(name) + 2, len(value))
            head += name + b": " + value + b"\r\n"
            count += 1
        fields_at = self.home_at(slot) if not large else self.at["LargeAt"]
        head_at = fields_at + (N.HomeHead if not large else N.LargeHead)
        self.memory[fields_at : fields_at + len(table)] = bytes(table)
        self.memory[head_at : head_at + len(head)] = bytes(head)
        target_at = len(method) + 1
        if b"%" in path:
            flags |= N.FlagEscaped
        if method == b"HEAD":
            flags |= N.FlagHeadOnly
        if body is not None:
            flags |= N.FlagLength
        body_kind, body_at = self.store_body(slot, head_at + len(head), body, kind)
        values = dict(
            HeadAt=head_at, FieldsAt=fields_at, FieldCount=count, HeadLen=len(head), Listener=listener, Minor=minor,
            Flags=flags, MethodAt=0, MethodLen=len(method), TargetAt=target_at, TargetLen=len(target),
            PathAt=target_at, PathLen=len(path), QueryAt=min(target_at + len(path) + 1, len(head)), QueryLen=len(query),
            BodyKind=body_kind, BodyAt=body_at, BodyLen=len(body or b""), RemoteAddrLen=len(addr),
            RemotePortLen=len(port), PeerAddrLen=len(peer), Produced=0, Consumed=0,
        )  # fmt: skip
        for name, number in (values | words).items():
            self.put("Slot", base, name, number)
        for name, text in (("RemoteAddr", addr), ("RemotePort", port), ("PeerAddr", peer)):
            offset = base + STRUCTS["Slot"][name][0]
            self.memory[offset : offset + len(text)] = text
        generation = (self.get("Slot", base, "State") >> 32) + 1
        self.put("Slot", base, "State", generation << 32 | N.StateFilled)
        return slot

    def store_body(self, slot: int, inline_at: int, body: bytes | None, kind: int | None) -> tuple[int, int]:
        if body is None or kind == N.BodyNone:
            return N.BodyNone, 0
        if kind == N.BodySpool:
            os.pwrite(self.spool, body, 4096 * (slot + 1))
            return N.BodySpool, 4096 * (slot + 1)
        if kind == N.BodyBlocks:
            # Every other block of the front's, from the end, so that a chain is never contiguous.
            first = self.blocks - 1
            pieces = [body[i : i + N.BlockSize] for i in range(0, len(body), N.BlockSize)]
            for number, piece in enumerate(pieces):
                block = first - number
                self.memory[self.block_at(block) : self.block_at(block) + len(piece)] = piece
                self.set_table(block, block if number + 1 < len(pieces) else 0)  # next is block - 1, stored + 1
            return N.BodyBlocks, first
        self.memory[inline_at : inline_at + len(body)] = body
        return N.BodyInline, inline_at

    def push(self, *slots: int) -> None:
        window = self.at["WindowAt"]
        for slot in slots:
            tail = self.get("Window", window, "Tail")
            entry = window + SIZES["Window"] + 4 * (tail % self.at["WindowSize"])
            struct.pack_into("I", self.memory, entry, slot)
            self.put("Window", window, "Tail", tail + 1)

    def ring(self, worker: int, thread: int) -> int:
        """Wakes a thread if it sleeps; returns how many were woken."""
        word = self.worker_at(worker) + SIZES["Worker"] + 4 * thread
        if struct.unpack_from("I", self.memory, word)[0] != 1:
            return 0
        struct.pack_into("I", self.memory, word, 0)
        return self.wake(word)

    def wake(self, offset: int, count: int = 1) -> int:
        return int(LIBC.syscall(SYS_FUTEX, ctypes.c_void_p(self.address + offset), FUTEX_WAKE, count, None, None, 0))

    # The front's part of a reply.

    def take(self, slot: int, reply: Reply, most: int = 1 << 30, free: bool = True) -> bool:
        """Takes the pieces that are there into reply, and gives their blocks back. Returns whether it is done."""
        base = self.slot_at(slot)
        state = self.state(slot)
        produced = self.get("Slot", base, "Produced")
        consumed = self.get("Slot", base, "Consumed")
        reply.flags, reply.state, reply.produced = self.get("Slot", base, "ReplyFlags"), state, produced
        while consumed < produced and most > 0:
            piece = self.get("Slot", base, "Piece", consumed % N.Pieces)
            block, length = piece >> 32, piece & 0xFFFFFFFF
            if consumed == 0:
                home = self.home_at(slot)
                fields_len = self.get("Slot", base, "FieldsLen")
                status_len = self.get("Slot", base, "StatusLen")
                reply.status = self.memory[home + N.ReplyStatus : home + N.ReplyStatus + status_len]
                reply.code = self.get("Slot", base, "StatusCode")
                reply.length = self.get("Slot", base, "ReplyLength")
                data = self.memory[home + N.ReplyHead : home + N.ReplyHead + length]
                reply.fields, data = data[:fields_len], data[fields_len:]
                assert reply.fields.endswith(b"\r\n"), reply.fields
            else:
                data = self.memory[self.block_at(block) : self.block_at(block) + length]
                assert self.table(block) == 1, "a piece in a block that is not taken"
                if free:
                    self.set_table(block, 0)
            reply.body += data
            reply.pieces.append(len(data))
            consumed += 1
            most -= 1
            self.put("Slot", base, "Consumed", consumed)
            self.gave_back(0)
        return state == N.StateDone and consumed == produced

    def gave_back(self, worker: int) -> None:
        base = self.worker_at(worker)
        self.put("Worker", base, "Freed", (self.get("Worker", base, "Freed") + 1) & 0xFFFFFFFF)
        if self.get("Worker", base, "Waiting"):
            self.wake(base + STRUCTS["Worker"]["Freed"][0], 1 << 30)

    def rung(self, slot: int) -> bool:
        """Whether the slot's done bit is set; clears it."""
        per_port = self.slots // self.ports
        base = self.at["PortsAt"] + slot // per_port * SIZES["Port"]
        word = self.get("Port", base, "Done", slot % per_port // 64)
        bit = 1 << slot % per_port % 64
        self.put("Port", base, "Done", word & ~bit, slot % per_port // 64)
        return bool(word & bit)

    # Serving.

    def ask(self, application: Any, slot: int = 0, **request: Any) -> Reply:
        """Serves one request in this thread; for replies that need no back-pressure."""
        self.push(self.fill(slot, **request))
        assert _gateway.serve(application, 0, 0, 1) == 1
        reply = Reply()
        assert self.take(slot, reply), "the slot is not done"
        assert self.rung(slot), "the loop was not told"
        self.put("Slot", self.slot_at(slot), "State", self.get("Slot", self.slot_at(slot), "State") & ~0xFF)
        return reply

    def environ(self, **request: Any) -> dict[str, Any]:
        """The environ that a request makes."""
        seen: list[dict[str, Any]] = []
        self.ask(lambda environ, start_response: [start_response("204 No Content", [])] and seen.append(environ) or [],
                 **request)  # fmt: skip
        return seen[0]

    def drive(self, application: Any, slot: int = 0, **request: Any) -> Reply:
        """Serves one request in another thread while this one takes the reply."""
        reply = Reply()
        self.push(self.fill(slot, **request))
        with self.serving(application, limit=1):
            until(lambda: self.take(slot, reply))
        return reply

    def serving(self, application: Any, thread: int = 0, limit: int = 0) -> Serving:
        return Serving(application, thread, limit)


class Serving:
    """serve() in a thread of its own; leaving the block stops it."""

    def __init__(self, application: Any, number: int, limit: int) -> None:
        self.served = -1
        self.limit = limit
        self.thread = threading.Thread(target=self._run, args=(application, number), daemon=True)

    def _run(self, application: Any, number: int) -> None:
        self.served = _gateway.serve(application, 0, number, self.limit)

    def __enter__(self) -> Serving:
        self.thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        if not self.limit:
            _gateway.stop()
        self.thread.join(10)
        assert not self.thread.is_alive(), "serve() did not return"


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.0002)


def base_environ(**more: object) -> dict[str, object]:
    return {
        "SERVER_NAME": "test", "SERVER_PORT": "80", "SCRIPT_NAME": "", "SERVER_SOFTWARE": "speyside/test",
        "wsgi.version": (1, 0), "wsgi.errors": None, "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False, "wsgi.url_scheme": "http", "wsgi.file_wrapper": None, "wsgi.input_terminated": True,
    } | more  # fmt: skip
