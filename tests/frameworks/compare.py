"""Compares what servers answered to the same requests.

Most callers need `differences`: one text for each request that was answered differently, with every
field that differs and every server's value. Names of header
fields are compared without case, their order only within one name; README.md says which few are the server's own.
"""

from collections.abc import Sequence

from .client import Answer
from .replay import Exchange, Replay
from .requestfile import Request
from .rules import RULES
from .witness import FIELD

SERVERS_OWN = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})
NO_CONTENT = 204  # RFC 9110, 8.6: without Content-Length, even if the application gave one; wsgiref sends it
WIDTH = 300

Fields = dict[str, str]


def differences(requests: Sequence[Request], replays: Sequence[Replay]) -> list[str]:
    """Empty when every server answered every request as expected and alike."""
    found: list[str] = []
    for request in requests:
        meant = [record for record in replays if not request.only or record.server in request.only]
        exchanges = {record.server: record.exchanges.get(request.name, Exchange()) for record in meant}
        if texts := _compared(request, exchanges):
            found.append("\n".join([request.title(), *texts]))
    return found


def _compared(request: Request, exchanges: dict[str, Exchange]) -> list[str]:
    errors = {server: exchange.error for server, exchange in exchanges.items()}
    if any(errors.values()):
        return [_shown("error", errors)]
    steps = {server: len(exchange.answers) for server, exchange in exchanges.items()}
    if set(steps.values()) - {max(steps.values(), default=0)} or 0 in steps.values():
        return [_shown("number of answers", {server: str(count) for server, count in steps.items()})]
    found = [text for server, exchange in exchanges.items() for text in _unexpected(request, server, exchange)]
    used: set[str] = set()
    for step in range(max(steps.values(), default=0)):
        fields = {server: _fields(exchange.answers[step], request, used) for server, exchange in exchanges.items()}
        found += _differing(fields, f"answer {step + 1}, " if step else "")
    unused = [rule for rule in request.rules if rule not in used]
    return found + [f"  rule {rule} found nothing to normalise" for rule in unused if exchanges]


def _unexpected(request: Request, server: str, exchange: Exchange) -> list[str]:
    last = exchange.answers[-1]
    found = []
    if last.status != request.expect:
        found.append(f"  {server} answered {last.status}, expected {request.expect}")
    missing = [text for text in request.contains if text.encode() not in last.body]
    body = _cut(last.body.decode("latin-1"), 0)
    return found + [f"  {server}: {text!r} is not in the body {body}" for text in missing]


def _fields(answer: Answer, request: Request, used: set[str]) -> Fields:
    fields = {"status": str(answer.status), "reason": answer.reason}
    names = {name.lower() for name, _ in answer.headers} - SERVERS_OWN
    if answer.values(FIELD) == ["none"] or answer.status == NO_CONTENT:
        names.discard("content-length")
    for name in names:
        fields[f"header {name}"] = "\n".join(answer.values(name))
    fields["body"] = answer.body.decode("latin-1")
    for rule in request.rules:
        _normalise(fields, rule, used)
    return fields


def _normalise(fields: Fields, name: str, used: set[str]) -> None:
    rule = RULES[name]
    key = rule.field if rule.field == "body" else f"header {rule.field}"
    if key not in fields:
        return
    values = [fields[key]] if key == "body" else fields[key].split("\n")
    changed = [rule.change(value) for value in values]
    if any(value is not None for value in changed):
        used.add(name)
    fields[key] = "\n".join(new if new is not None else old for new, old in zip(changed, values, strict=True))


def _differing(fields: dict[str, Fields], step: str) -> list[str]:
    found = []
    for field in sorted({field for each in fields.values() for field in each}):
        values = {server: each.get(field) for server, each in fields.items()}
        if len(set(values.values())) > 1:
            found.append(_shown(step + field, values))
    return found


def _shown(field: str, values: dict[str, str | None] | dict[str, str]) -> str:
    start = max(0, _first_difference([value or "" for value in values.values()]) - 40)
    width = max(map(len, values), default=0)
    lines = [f"    {server:{width}}  {_cut(value, start)}" for server, value in values.items()]
    return "\n".join([f"  {field} differs", *lines])


def _first_difference(values: list[str]) -> int:
    for place, characters in enumerate(zip(*values, strict=False)):
        if len(set(characters)) > 1:
            return place
    return min(map(len, values), default=0)


def _cut(value: str | None, start: int) -> str:
    if value is None:
        return "(absent)"
    if start == 0 and len(value) <= WIDTH:
        return repr(value)
    return f"({len(value)} characters, from {start}) {value[start : start + WIDTH]!r}"
