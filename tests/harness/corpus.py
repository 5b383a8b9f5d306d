"""The cases of tests/requests; README.md there says how they are written.

Most callers need `cases`. What a case says of the replies, or its verdict implies, is Case.replies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .program import TESTS

REQUESTS = TESTS / "requests"
ESCAPE = re.compile(r"\\(?:\*(\d+)\(((?:[^()\\]|\\.)*)\)|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
SECTION = re.compile(r"RFC \d{4} \d+(?:\.\d+)*")


@dataclass
class Expected:
    """One reply: what must be there and what must not. The value "*" stands for any."""

    status: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    body: bytes | None = None
    request: dict[str, list[str]] | None = None  # of the verdict: what the application must have been given
    refusal: str | None = None  # the section that the text must name


@dataclass
class Case:
    """One case. `pieces` are the bytes, cut where the client waits for a reply."""

    name: str
    text: str
    pieces: list[bytes]
    half_close: bool
    requests: list[dict[str, list[str]]]  # of the verdict, by the first word of its lines
    replies: list[Expected]
    end: str  # kept, closed, or waiting

    def method(self, number: int) -> str:
        """Return the method that the final reply of this number answers."""
        if number < len(self.requests):
            first = next(iter(self.requests[number].values()))[0]
            if "refused" not in self.requests[number]:
                return first.split(" ")[0]
        return self.pieces[0].split(b" ")[0].decode("latin-1") if number == 0 else ""


def unescape(text: str) -> tuple[list[bytes], bool]:
    """Return the bytes that an http block stands for, cut at the waits, and whether the client ends its side."""
    pieces, ends, at = [b""], False, 0
    for found in ESCAPE.finditer(text):
        pieces[-1] += text[at : found.start()].encode()
        at = found.end()
        count, inner, digits, letter = found.groups()
        if count:
            pieces[-1] += b"".join(unescape(inner)[0]) * int(count)
        elif digits:
            pieces[-1] += bytes([int(digits, 16)])
        elif letter == "|":
            pieces.append(b"")
        elif letter == "$":
            ends = True
        else:
            pieces[-1] += PLAIN[letter]
    pieces[-1] += text[at:].encode()
    return pieces, ends


def cases() -> list[Case]:
    """Return all cases; a file that has none is a failure, and so is a block that is not understood."""
    found: list[Case] = []
    for path in sorted(REQUESTS.glob("*.md")):
        if path.name != "README.md":
            before = len(found)
            found += _read(path)
            assert len(found) > before, f"{path.name} has no case"
    assert found, "tests/requests has no case"
    return found


def _read(path: Path) -> Iterator[Case]:
    sections = re.split(r"^#+ +(.*)\n", path.read_text(), flags=re.MULTILINE)
    for heading, text in zip(sections[1::2], sections[2::2], strict=True):
        blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        if blocks:
            assert {"http", "verdict"} <= set(blocks) <= {"http", "verdict", "reply"}, f"{path.name}: {heading}"
            yield _case(f"{path.stem}/{heading}", text, blocks)


def _case(name: str, text: str, blocks: dict[str, str]) -> Case:
    pieces, half_close = unescape(blocks["http"].replace("\n", ""))
    requests: list[dict[str, list[str]]] = []
    for line in blocks["verdict"].splitlines():
        kind, _, rest = line.partition(" ")
        if kind in ("served", "begun", "refused", "waiting"):
            requests.append({})
        requests[-1].setdefault(kind, []).append(rest)
    if "reply" in blocks:
        replies, end = _told(blocks["reply"])
        _join(replies, requests)
    else:
        replies, end = _implied(requests)
    return Case(name, text, pieces, half_close, requests, replies, end)


def _implied(requests: list[dict[str, list[str]]]) -> tuple[list[Expected], str]:
    """Return what the verdict alone says: each request that was served is answered, and what ends the connection."""
    replies = []
    for request in requests:
        if "served" in request:
            replies.append(Expected("HTTP/1.1 200 OK", request=request))
            if request.get("keep-alive") == ["no"]:
                return replies, "closed"
        elif "refused" in request:
            status, _, section = request["refused"][0].partition(" ")
            replies.append(Expected(f"HTTP/1.1 {status}", refusal=section))
            return replies, "closed"
    last = requests[-1]
    if "waiting" in last:
        return replies, "waiting"
    old = "served" in last and last["served"][0].endswith("HTTP/1.0") and last.get("keep-alive") != ["yes"]
    return replies, "closed" if old else "kept"


def _join(replies: list[Expected], requests: list[dict[str, list[str]]]) -> None:
    """Give the replies that tell what the application was given the requests that they answer."""
    finals = [reply for reply in replies if not reply.status.startswith("HTTP/1.1 1")]
    for reply, request in zip(finals, requests, strict=False):
        tells = "served" in request and not request["served"][0].split(" ")[1].startswith(("/reply", "/raise"))
        if tells and reply.status == "HTTP/1.1 200 OK":
            reply.request = request


def _told(block: str) -> tuple[list[Expected], str]:
    *lines, end = block.splitlines()
    assert end in ("kept", "closed", "waiting"), f"a reply block ends with {end!r}"
    replies: list[Expected] = []
    for line in lines:
        if line.startswith("HTTP/1.1 "):
            replies.append(Expected(line.replace(r"\x20", " ")))
        elif line.startswith("no "):
            replies[-1].absent.append(line[3:])
        elif line == "body" or line.startswith("body "):
            replies[-1].body = b"".join(unescape(line[5:])[0])
        else:
            name, colon, value = line.partition(":")
            assert colon, f"a reply block has {line!r}"
            replies[-1].fields.append((name, value.strip()))
    return replies, end
