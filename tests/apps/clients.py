"""What a client is tried with: uploads, downloads, redirects, and which connection a request came on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from .replies import application
from .routes import as_json, query

__all__ = ["application"]


@application.add("/request")
def request(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Tell what came."""
    body: bytes = environ["wsgi.input"].read()
    return as_json(
        start_response,
        {
            "method": environ["REQUEST_METHOD"],
            "connection": environ["REMOTE_PORT"],
            "length": environ.get("CONTENT_LENGTH"),
            "type": environ.get("CONTENT_TYPE", "").split(";")[0],
            "cookie": environ.get("HTTP_COOKIE", ""),
            "body": [len(body), hashlib.sha256(body).hexdigest()],
        },
    )


@application.add("/redirect")
def redirect(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Redirect to /request with the status that the query names; what was sent is left unread."""
    status = query(environ)["status"]
    fields = [("Location", "/request"), ("Set-Cookie", "seen=yes; Path=/"), ("Content-Type", "text/plain")]
    start_response(f"{status} Elsewhere", fields)
    return []
