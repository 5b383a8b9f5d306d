"""Speyside: a WSGI server. The program is `speyside`; this package is the Python side of it."""

from speyside._version import __version__ as __version__


class RequestTimeout(BaseException):
    """Raised in the thread of a request that has used up its `timeout`.

    The client has been answered with 504 by then, or its reply was cut: whatever the application returns now is
    dropped. It is no Exception, so that `except Exception` does not swallow it; close() of the reply is called as
    always.
    """
