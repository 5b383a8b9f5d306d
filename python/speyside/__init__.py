"""Speyside: a WSGI server. The program is `speyside`; this package is the Python side of it."""

from typing import TYPE_CHECKING, Any

from speyside._version import __version__ as __version__

if TYPE_CHECKING:
    from speyside.api import serve as serve


class RequestTimeout(BaseException):
    """Raised in the thread of a request that has used up its `timeout`.

    The client has been answered with 504 by then, or its reply was cut: whatever the application returns now is
    dropped. It is no Exception, so that `except Exception` does not swallow it; close() of the reply is called as
    always.
    """


def __getattr__(name: str) -> Any:
    """Import serve() when it is used: a worker needs none of it."""
    if name != "serve":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from speyside.api import serve

    return serve
