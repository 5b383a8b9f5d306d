"""Good and bad requests in every mixture, each on a connection as its kind needs it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.client import chunks, request

from harness import Client, Server

CLIENTS = 8  # at the same time
BLOB = random.Random(11).randbytes(2 << 20)
MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET /" + b"a" * 9000,
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200,
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + b"x" * 20000 + b"\r\n-1\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n",
]


class Abuse:
    """One client after another, until so many requests were sent."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.kept: Client | None = None
        self.done: Counter[str] = Counter()

    def run(self, count: int) -> Counter[str]:
        """Send so many requests."""
        kinds: list[Callable[[], None]] = [getattr(self, name) for name in WEIGHTS]
        for kind in self.chance.choices(kinds, weights=list(WEIGHTS.values()), k=count):
            kind()
            self.done[kind.__name__] += 1
        if self.kept:
            self.kept.close()
        return self.done

    def client(self) -> Client:
        """Return the connection that is kept."""
        if self.kept is None:
            self.kept = self.server.connect()
        return self.kept

    def drop(self) -> None:
        """Leave the connection that is kept, if there is one."""
        if self.kept:
            self.leave(self.kept)
            self.kept = None

    def leave(self, client: Client) -> None:
        """Go, with a FIN or with a reset."""
        self.chance.choice((Client.close, Client.reset))(client)

    def get(self) -> None:
        """A plain one."""
        number = self.chance.randrange(1000)
        assert self.client().get(f"/name?name={number}").text == str(number)

    def pipelined(self) -> None:
        """Three together."""
        self.client().send(request("GET", "/name?name=1") * 3)
        assert [self.client().reply().text for _ in range(3)] == ["1"] * 3

    def upload(self) -> None:
        """A body of a slot, of blocks, or of the spool, of known length or chunked."""
        body = BLOB[: self.chance.choice((10, 2000, 20_000, 100_000, 20_000, 2000))]
        self._upload(body)

    def spooled(self) -> None:
        """A large body."""
        self._upload(BLOB)

    def _upload(self, body: bytes) -> None:
        if self.chance.random() < 0.5:
            reply = self.client().post("/request", body)
        else:
            self.client().send(request("POST", "/request", [("Transfer-Encoding", "chunked")]) + chunks([body]))
            reply = self.client().reply()
        assert reply.json["body"][0] == len(body)

    def old(self) -> None:
        """HTTP/1.0, which closes."""
        with self.server.connect() as client:
            assert client.ask("GET", "/stream?blocks=2", version="1.0").status == 200

    def malformed(self) -> None:
        """What is refused; the client may not even read why."""
        with self.server.connect() as client:
            client.send(self.chance.choice(MALFORMED))
            if self.chance.random() < 0.7:
                assert 400 <= client.reply().status < 600
            else:
                self.leave(client)

    def cut(self) -> None:
        """A request of which the end never comes."""
        size = self.chance.choice((100, 50_000, 50_000))
        whole = request("POST", "/request", [("X-Field", "value" * 30)], BLOB[:size])
        client = self.server.connect()
        client.send(whole[: self.chance.randrange(len(whole))])
        self.leave(client)

    def cut_spooled(self) -> None:
        """A large body of which the end never comes."""
        client = self.server.connect()
        client.send(request("POST", "/request", [("Content-Length", str(len(BLOB)))]) + BLOB[: 3 << 19])
        self.leave(client)

    def unanswered(self) -> None:
        """A whole request whose client does not wait."""
        client = self.server.connect()
        client.send(request("GET", "/name?name=1"))
        self.leave(client)

    def abandoned(self) -> None:
        """A streamed reply that the client leaves in the middle."""
        client = self.server.connect()
        client.send(request("GET", self.chance.choice(("/endless", "/stream?blocks=50", "/large?blocks=50"))))
        reply = client.head()
        next(client.pieces(reply)) if reply.chunked else client.exactly(70_000)
        self.leave(client)

    def streamed(self) -> None:
        """A streamed reply, read to its end."""
        assert len(self.client().get("/stream?blocks=4").body) == 4 << 16

    def fresh(self) -> None:
        """A new connection in place of the one that was kept."""
        self.drop()
        self.get()

    def half_closed(self) -> None:
        """A client that ends its side before it reads."""
        with self.server.connect() as client:
            client.send(request("GET", "/name?name=half"))
            client.half_close()
            assert client.reply().text == "half"


WEIGHTS = {
    "get": 60,
    "pipelined": 10,
    "upload": 12,
    "spooled": 0.2,
    "old": 3,
    "malformed": 10,
    "cut": 8,
    "cut_spooled": 0.2,
    "unanswered": 6,
    "abandoned": 2,
    "streamed": 3,
    "fresh": 4,
    "half_closed": 3,
}


def abuse(server: Server, count: int, seed: int) -> Counter[str]:
    """Send about so many requests from several clients at once, and return how many of each kind."""
    done: Counter[str] = Counter()
    share = max(1, count // CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as pool:
        for part in pool.map(lambda number: Abuse(server, seed * 100 + number).run(share), range(CLIENTS)):
            done += part
    return done
