"""The part of the environ that is the same for every request of a listener (PEP 3333, "environ Variables").

Most callers need build. The rest of an environ, which a request brings, is the gateway's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from speyside import __version__
from speyside.files import FileWrapper


def build(
    listeners: Sequence[Mapping[str, object]],
    threads: int,
    workers: int,
    script_name: str = "",
    extra: Mapping[str, object] | None = None,
    errors: object = None,
) -> list[dict[str, object]]:
    """Return one base environ per listener, in their order; errors is wsgi.errors, sys.stderr if it is None."""
    return [
        {
            "SERVER_NAME": _text(listener, "name", "localhost"),
            "SERVER_PORT": _text(listener, "port", ""),
            "SCRIPT_NAME": script_name.encode().decode("latin-1"),  # as every text of the environ
            "SERVER_SOFTWARE": f"speyside/{__version__}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": _text(listener, "scheme", "http"),
            "wsgi.errors": sys.stderr if errors is None else errors,
            "wsgi.multithread": threads > 1,
            "wsgi.multiprocess": workers > 1,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
            **(extra or {}),
        }
        for listener in listeners
    ]


def _text(listener: Mapping[str, object], name: str, default: str) -> str:
    value = listener.get(name, default)
    return str(value)
