"""Says in each answer whether the application gave a Content-Length.

`witness` wraps an application. Servers may add a Content-Length where the application gave none, so the comparison must
know which it was. It passes the application's iterable on untouched, so `wsgi.file_wrapper` still reaches the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FIELD = "X-Given-Length"


def witness(application: WSGIApplication) -> WSGIApplication:
    """The same application, with one more header field: the Content-Length it gave, or `none`."""

    def witnessed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            given = [value for name, value in headers if name.lower() == "content-length"]
            return start_response(status, [*headers, (FIELD, given[0] if given else "none")], exc_info)

        return application(environ, start)

    return witnessed
