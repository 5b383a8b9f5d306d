"""Reads a file of requests.

Most callers need `load`, which gives a tuple of `Request`. It refuses a file with fewer than `FEWEST` requests, an
unknown directive, a request without `@expect`, and a name used twice. README.md describes the format.
"""

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .content import blob
from .rules import RULES
from .servers import SERVER_NAMES

FEWEST = 40
BOUNDARY = "the-spey-runs-north"
UNITS = {"": 1, "KB": 1 << 10, "MB": 1 << 20}
FORM = "application/x-www-form-urlencoded"


class RequestFileError(Exception):
    """The file is wrong; the message names the file and the line."""


@dataclass
class Capture:
    """A value that later requests use as <<name>>: of a header field, or group 1 of a pattern in the body."""

    name: str
    source: str
    pattern: str


@dataclass
class Request:
    """One request, and what is to be done with its answer."""

    name: str
    place: str
    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    chunk: int = 0
    session: str = ""
    expect: int = 0
    contains: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)
    follow: bool = False
    only: frozenset[str] = frozenset()

    def title(self) -> str:
        return f"{self.place} {self.name!r}: {self.method} {self.target}"


def size(text: str) -> int:
    """`5MB`, `7KB` or `12` in bytes."""
    match = re.fullmatch(r"(\d+)(KB|MB|)", text)
    if not match:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) * UNITS[match[2]]


def load(path: Path, fewest: int = FEWEST) -> tuple[Request, ...]:
    """All requests of a file, in order."""
    requests: list[Request] = []
    for place, name, lines in _blocks(path):
        requests.append(_request(place, name, lines))
    names = [request.name for request in requests]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise RequestFileError(f"{path.name}: names used twice: {', '.join(sorted(doubled))}")
    if len(requests) < fewest:
        raise RequestFileError(f"{path.name}: {len(requests)} requests, at least {fewest} are needed")
    return tuple(requests)


def _blocks(path: Path) -> list[tuple[str, str, list[str]]]:
    blocks: list[tuple[str, str, list[str]]] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("--- "):
            blocks.append((f"{path.name}:{number}", line[4:].strip(), []))
        elif line.strip() and not line.startswith("#"):
            if not blocks:
                raise RequestFileError(f"{path.name}:{number}: a line before the first `--- name`")
            blocks[-1][2].append(line)
    return blocks


def _request(place: str, name: str, lines: list[str]) -> Request:
    method, space, target = lines[0].partition(" ") if lines else ("", "", "")
    if not space or " " in target:
        raise RequestFileError(f"{place}: the first line must be `METHOD target`")
    request = Request(name, place, method, target)
    for line in lines[1:]:
        try:
            _apply(request, line)
        except (KeyError, ValueError) as error:
            raise RequestFileError(f"{place}: {line!r}: {error}") from error
    if not request.expect:
        raise RequestFileError(f"{place}: no @expect")
    return request


def _apply(request: Request, line: str) -> None:
    if line.startswith("@"):
        directive, _, rest = line.partition(" ")
        DIRECTIVES[directive](request, rest)
    else:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("neither a header field nor a directive")
        request.headers.append((name, value.removeprefix(" ")))


def _session(request: Request, rest: str) -> None:
    request.session = rest


def _expect(request: Request, rest: str) -> None:
    request.expect = int(rest)


def _contains(request: Request, rest: str) -> None:
    request.contains.append(rest)


def _normalise(request: Request, rest: str) -> None:
    request.rules.extend(_known("rule", rest.split(), RULES))


def _capture(request: Request, rest: str) -> None:
    name, source, pattern = rest.split(" ", 2)
    if source not in ("body", "header"):
        raise ValueError("@capture NAME body PATTERN, or @capture NAME header FIELD")
    request.captures.append(Capture(name, source, pattern))


def _follow(request: Request, rest: str) -> None:
    request.follow = True


def _only(request: Request, rest: str) -> None:
    request.only = frozenset(_known("server", rest.split(), SERVER_NAMES))


def _known(kind: str, names: list[str], known: Iterable[str]) -> list[str]:
    if unknown := set(names) - set(known):
        raise ValueError(f"no such {kind}: {', '.join(sorted(unknown))}")
    return names


def _body(request: Request, body: bytes, content_type: str = "") -> None:
    request.body = body
    if content_type:
        request.headers.append(("Content-Type", content_type))


def _form(request: Request, rest: str) -> None:
    _body(request, rest.encode(), FORM)


def _json(request: Request, rest: str) -> None:
    _body(request, rest.encode(), "application/json")


def _text(request: Request, rest: str) -> None:
    _body(request, rest.encode(), "text/plain; charset=utf-8")


def _bytes(request: Request, rest: str) -> None:
    _body(request, blob(size(rest)), "application/octet-stream")


def _empty(request: Request, rest: str) -> None:
    _body(request, b"")


def _chunked(request: Request, rest: str) -> None:
    whole, chunk = rest.split()
    request.chunk = size(chunk)
    _body(request, blob(size(whole)), "application/octet-stream")


def _multipart(request: Request, rest: str) -> None:
    parts = b"".join(_part(*word.split("=", 1)) for word in shlex.split(rest))
    _body(request, parts + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}")


def _part(name: str, value: str) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if not value.startswith("@"):
        return f"{head}\r\n\r\n{value}\r\n".encode()
    filename, _, length = value[1:].rpartition(":")
    head += f'; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return head.encode() + blob(size(length)) + b"\r\n"


def _many_headers(request: Request, rest: str) -> None:
    request.headers.extend((f"X-Many-{number:02}", f"value {number}") for number in range(int(rest)))


def _large_header(request: Request, rest: str) -> None:
    name, length = rest.split()
    request.headers.append((name, ("0123456789abcdef" * (size(length) // 16 + 1))[: size(length)]))


DIRECTIVES: dict[str, Callable[[Request, str], None]] = {
    "@session": _session,
    "@expect": _expect,
    "@contains": _contains,
    "@normalise": _normalise,
    "@capture": _capture,
    "@follow": _follow,
    "@only": _only,
    "@form": _form,
    "@json": _json,
    "@text": _text,
    "@bytes": _bytes,
    "@empty": _empty,
    "@chunked": _chunked,
    "@multipart": _multipart,
    "@many-headers": _many_headers,
    "@large-header": _large_header,
}
