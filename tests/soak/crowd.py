"""A crowd of slow clients, in a process of its own: crowd.py PORT HEADS BODIES READERS.

Each sends or takes a little every few seconds, and comes again when it was served or sent away. `ready` is printed once
all are there; the crowd leaves when its standard input ends.
"""

from __future__ import annotations

import heapq
import resource
import selectors
import socket
import sys
import time
from collections.abc import Iterator

HEAD = b"GET /name?name=head HTTP/1.1\r\nHost: a\r\nX-Slow: "
BODY = b"POST /name?name=body HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
READ = b"GET /large?blocks=4 HTTP/1.1\r\nHost: a\r\n\r\n"


class Slow:
    """One slow client: every `pause` seconds it does the next of its steps."""

    pause = 3.0
    window = 0

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.socket()
        self.steps: Iterator[None] = iter(())

    def come(self) -> None:
        """Connect anew."""
        self.socket.close()
        self.socket = socket.socket()
        if self.window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.window)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.setblocking(False)
        self.steps = self.doing()

    def doing(self) -> Iterator[None]:
        """Do one step after the other."""
        raise NotImplementedError

    def step(self) -> None:
        """Do the next step, from the start when there is none or the server has closed."""
        try:
            next(self.steps)
        except (StopIteration, ConnectionError, BlockingIOError):
            self.come()


class SlowHead(Slow):
    """Sends a head byte by byte, and is sent away after header_timeout."""

    def doing(self) -> Iterator[None]:
        self.socket.sendall(HEAD)
        while True:
            yield
            self.socket.sendall(b"x")


class SlowBody(Slow):
    """Sends a body a little faster than it must."""

    def doing(self) -> Iterator[None]:
        self.socket.sendall(BODY)
        for _ in range(50):
            yield
            self.socket.sendall(b"x" * 2000)
        yield


class SlowReader(Slow):
    """Takes little of its reply at a time."""

    pause = 1.0
    window = 16384

    def doing(self) -> Iterator[None]:
        self.socket.sendall(READ)
        yield
        while self.socket.recv(8192):
            yield


def main(port: int, heads: int, bodies: int, readers: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kinds: list[tuple[type[Slow], int]] = [(SlowHead, heads), (SlowBody, bodies), (SlowReader, readers)]
    crowd = [kind(port) for kind, count in kinds for _ in range(count)]
    due: list[tuple[float, int]] = []
    for number, client in enumerate(crowd):
        client.come()
        client.step()
        due.append((time.monotonic() + client.pause * (number % 97) / 97, number))
    heapq.heapify(due)
    print("ready", flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not selector.select(max(0.0, due[0][0] - time.monotonic())):
            at, number = due[0]
            crowd[number].step()
            heapq.heapreplace(due, (max(at, time.monotonic() - 1) + crowd[number].pause, number))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
