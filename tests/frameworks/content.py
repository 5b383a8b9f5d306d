"""Content that every application serves alike.

Most callers need `blob` (reproducible bytes) and `environ_lines` (what an application may see of a request).
It knows no framework and no server.
"""

from collections.abc import Mapping
from hashlib import sha256
from random import Random
from typing import Any

# Keys whose values a request alone decides. SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, SERVER_SOFTWARE, REMOTE_*,
# wsgi.multithread and wsgi.multiprocess belong to the server and are left out; README.md says so.
COMPARED_KEYS = (
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "wsgi.run_once",
    "wsgi.url_scheme",
    "wsgi.version",
)


def blob(size: int) -> bytes:
    """Bytes that look random and are the same in every process."""
    return Random(size).randbytes(size)


def described(data: bytes) -> dict[str, object]:
    """Size and SHA-256 of a body, for an answer."""
    return {"size": len(data), "sha256": sha256(data).hexdigest()}


def environ_lines(environ: Mapping[str, Any]) -> str:
    """One sorted `KEY=value` line for each compared key; PEP 3333 lets an empty value be absent."""
    keys = {*COMPARED_KEYS, *(key for key in environ if key.startswith("HTTP_"))}
    return "".join(f"{key}={environ.get(key, '')!r}\n" for key in sorted(keys))
