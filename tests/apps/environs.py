"""Answers with the environ it was given, as JSON: [type, value] by name.

The value is null for what is no text, number or tuple.
"""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from .routes import as_json


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer."""
    return as_json(
        start_response,
        {
            name: [type(value).__name__, value if isinstance(value, str | bool | int | tuple) else None]
            for name, value in environ.items()
        },
    )
