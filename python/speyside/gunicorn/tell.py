"""What the front is told of a configuration: values as JSON has them, with the lines they stand in.

Most callers need fields. A fact has 64 KiB: large values are left out, which the front sees, and needs none of.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

LONGEST_SHOWN = 200  # characters of a repr
ROOM = 40_000  # characters that all values may have together, so that the fact fits a message
LEAST = 12_000  # of these, for the representations
PLAIN = (type(None), bool, int, float, str, list, tuple, dict, set, frozenset)
ALIKE = 0.85  # of 1: `worker` and `workers`, but not `host` and `bind`
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def fields(file: str, names: Mapping[str, Any], hooks: Mapping[str, Any], settings: Sequence[str]) -> dict[str, object]:
    """Return the fields of ConfigurationRead."""
    lines = lines_of(file)
    values = [
        {"name": name, "repr": _shown(names[name]), "type": type(names[name]).__name__, "line": lines.get(name, 0)}
        for name in settings
        if name in names and name not in hooks
    ]
    _add_values(values, names)
    return {
        "file": file,
        "values": values,
        "hooks": [
            {"name": name, "arguments": hook.arguments, "line": lines.get(name, 0)} for name, hook in hooks.items()
        ],
        "near": _near(file, names, settings, lines),
    }


def lines_of(file: str) -> dict[str, int]:
    """Return the line of the last assignment, definition or import of each name at the top level of a file."""
    tree = _tree(file)
    return {name: line for line, name in sorted(_bound(tree.body))} if tree is not None else {}


def _tree(file: str) -> ast.Module | None:
    try:
        with open(file, "rb") as opened:
            return ast.parse(opened.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # it is no source, or not what was executed any more: then lines are not known


def _bound(body: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that the statements bind, also in their blocks, but not in functions."""
    for statement in body:
        line = getattr(statement, "lineno", 0)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield line, statement.name
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((line, alias.asname or alias.name.partition(".")[0]) for alias in statement.names)
        for block in _BLOCKS:
            inner = getattr(statement, block, [])
            yield from _bound(inner if isinstance(inner, list) else [])
        for target in _targets(statement):
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield line, node.id


def _targets(statement: ast.AST) -> list[ast.AST]:
    """Return the parts of a statement that may bind names, without its blocks."""
    return [
        part
        for name, value in ast.iter_fields(statement)
        if name not in _BLOCKS
        for part in (value if isinstance(value, list) else [value])
        if isinstance(part, ast.AST)
    ]


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # whatever the user's object does
        text = f"<{type(value).__name__} whose repr() raises {type(error).__name__}>"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _add_values(values: list[dict[str, object]], names: Mapping[str, Any]) -> None:
    """Add the values, the smallest first, while there is room; then shorten what is shown, if that is too much."""
    found = []
    for entry in values:
        try:
            text = json.dumps(_plain(names[str(entry["name"])]), allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            continue  # JSON has no such thing
        found.append((len(text), text, entry))
    room = ROOM
    for length, text, entry in sorted(found, key=lambda one: one[0]):
        room -= length
        if room < 0:
            break
        entry["value"] = json.loads(text)
    shown = [len(json.dumps(entry["repr"])) for entry in values]
    if sum(shown) > LEAST:
        for entry in values:
            entry["repr"] = str(entry["repr"])[: LEAST // len(values) // 6]


def _plain(value: object) -> object:
    """Return the value as JSON has it; raise TypeError when it has not."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError


def _near(
    file: str, names: Mapping[str, Any], settings: Sequence[str], lines: Mapping[str, int]
) -> list[dict[str, object]]:
    """Return the names that are nearly a setting's: plain values that nothing in the file uses."""
    import difflib

    tree = _tree(file)
    if tree is None:
        return []
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    found = []
    for name, line in lines.items():
        helper = name in used or name.startswith("_")
        if helper or name in settings or name not in names or not isinstance(names[name], PLAIN):
            continue
        nearest = difflib.get_close_matches(name.lower(), settings, n=1, cutoff=ALIKE)
        if nearest and nearest[0] not in names:
            found.append({"name": name, "nearest": nearest[0], "line": line})
    return found[:20]
