"""A control socket: one end of a SOCK_SEQPACKET pair that carries one JSON object per message (PROTOCOL.md, section 9).

Most callers need Channel.send, which states a fact, and Channel.receive, which waits for an order. The module knows no
message by name: what an order means is for the zygote and the worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import NamedTuple

LONGEST = 65536
DESCRIPTORS = 253  # as many as the kernel lets a message have


class Order(NamedTuple):
    """One message of the front, with the descriptors that came along."""

    type: str
    fields: dict[str, object]
    descriptors: list[int]

    def text(self, name: str) -> str:
        """Return a field that is text, "" when it is missing."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """Return a field that is a whole number, 0 when it is missing."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else 0

    def flag(self, name: str) -> bool:
        """Return a field that is true or false, False when it is missing."""
        return self.fields.get(name) is True

    def texts(self, name: str) -> list[str]:
        """Return a field that is a list of text."""
        value = self.fields.get(name)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    def objects(self, name: str) -> list[dict[str, object]]:
        """Return a field that is a list of objects."""
        value = self.fields.get(name)
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def close(self) -> None:
        """Close the descriptors that came along."""
        for descriptor in self.descriptors:
            os.close(descriptor)


class Channel:
    """Our end of a control socket. A front that is gone is seen by receive; send to it does nothing."""

    def __init__(self, descriptor: int) -> None:
        """Take over the descriptor, and keep it from programs that the application starts."""
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)

    def fileno(self) -> int:
        """Return the descriptor, for poll."""
        return self._socket.fileno()

    def send(self, fact: str, **fields: object) -> None:
        """State a fact. One that is too long for a message leaves out the middle of its longest texts."""
        message = json.dumps({"type": fact, **fields})
        while len(message) > LONGEST:
            name, text = max(((n, v) for n, v in fields.items() if isinstance(v, str)), key=lambda field: len(field[1]))
            fields[name] = text[: len(text) // 4] + "…" + text[-len(text) // 4 :]
            message = json.dumps({"type": fact, **fields})
        with contextlib.suppress(OSError):
            self._socket.send(message.encode("ascii"), socket.MSG_NOSIGNAL)

    def receive(self) -> Order | None:
        """Wait for the next order; None when the front has closed its end or is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, LONGEST, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return None
        if not data:
            return None
        fields = json.loads(data)
        return Order(str(fields.pop("type", "")), fields, descriptors)

    def hang_up(self) -> None:
        """End it, also where a child of this process has inherited our end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close our end."""
        self._socket.close()
