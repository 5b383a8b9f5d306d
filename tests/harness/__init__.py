"""What the black-box tests stand on: a running server, a strict client, and what both leave behind.

Most tests need `running`, a context with a Server whose banner has been read, and Server.connect, which gives a Client.
Nothing here looks inside the server: it sees processes, sockets, and what was written. No state is waited for with a
sleep; every wait has a deadline.
"""

from .client import Client, Reply, Unsound
from .output import Output
from .program import PATIENCE, SANITIZED, TESTS, Ended, end_of
from .server import Server, running
from .waiting import Gate, until

__all__ = [
    "TESTS",
    "PATIENCE",
    "SANITIZED",
    "Client",
    "Ended",
    "Gate",
    "Output",
    "Reply",
    "Server",
    "Unsound",
    "end_of",
    "running",
    "until",
]
