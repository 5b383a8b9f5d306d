"""What a server must answer, and whether it does.

Callers need `Expected` and `check`. Every scenario's application answers a fixed body, so that a server which is
fast because it answers something else is found before and after each round.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Expected:
    """The answer that every server must give. Headers are those of the application."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class WrongAnswer(Exception):
    """A server answered something that the application did not say."""


def get(connection: http.client.HTTPConnection, path: str) -> Answer:
    """One GET on an open connection. Header names are lower-case in the answer."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def difference(answer: Answer, expected: Expected) -> str | None:
    """The first thing in which the answer differs from what is expected."""
    if answer.status != expected.status:
        return f"status is {answer.status}, not {expected.status}"
    for name, value in expected.headers.items():
        got = answer.headers.get(name.lower())
        if got != value:
            return f"header {name} is {got!r}, not {value!r}"
    if answer.body != expected.body:
        return f"body is {answer.body[:60]!r} ({len(answer.body)} bytes), not {expected.body[:60]!r}"
    return None


def check(port: int, path: str, expected: Expected) -> Answer:
    """Ask twice on one connection, so that keep-alive is checked too; raise WrongAnswer or answer the last one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        for _ in range(2):
            answer = get(connection, path)
            wrong = difference(answer, expected)
            if wrong:
                raise WrongAnswer(wrong)
            if connection.sock is None:
                raise WrongAnswer("the connection was closed after one request")
        return answer
    finally:
        connection.close()
