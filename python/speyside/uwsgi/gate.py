"""Between the gateway and an application that was written for uWSGI: counts, headers and files of the ini file.

Most callers need Gate. What the application returns is handed on as it is, so that files and lists keep their fast
way, unless uwsgi.after_req_hook wants to know the end.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from speyside.loader import Application
from speyside.uwsgi import hooks, static
from speyside.uwsgi.state import State

Headers = list[tuple[str, str]]


class Gate:
    """The application, with what uWSGI does around it."""

    def __init__(self, application: Application, state: State, module: ModuleType) -> None:
        self._application = application
        self._state = state
        self._module = module
        self._files = static.Files(state) if state.static else None
        self._cores = itertools.count()  # a number for each thread
        self._headers = bool(state.added or state.deleted)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        local = self._state.local
        local.variables = {}
        core = getattr(local, "core", None)
        if core is None:
            core = local.core = next(self._cores)
        environ["uwsgi.core"] = core
        if self._headers:
            start_response = self._with_headers(start_response)
        began, raised = time.monotonic_ns(), 1
        self._state.count(0, 0, 0, 1)
        try:
            found = self._files.find(environ, start_response) if self._files is not None else None
            result = self._application(environ, start_response) if found is None else found
            raised = 0
        finally:
            self._state.count(1, raised, (time.monotonic_ns() - began) // 1000, -1)
        hook = self._module.__dict__.get("after_req_hook")
        return result if hook is None else Followed(result, hook)

    def _with_headers(self, start_response: Callable[..., Any]) -> Callable[..., Any]:
        state = self._state

        def changed(status: str, headers: Headers, exc_info: Any = None) -> Any:
            kept = [one for one in headers if one[0].lower() not in state.deleted] + state.added
            return start_response(status, kept) if exc_info is None else start_response(status, kept, exc_info)

        return changed


class Followed:
    """A reply after which a hook is called."""

    def __init__(self, reply: Iterable[bytes], hook: Callable[[], Any]) -> None:
        self._reply = reply
        self._hook = hook

    def __iter__(self) -> Iterator[bytes]:
        """Give what the application gives."""
        return iter(self._reply)

    def close(self) -> None:
        """Close the reply, then call the hook."""
        try:
            close = getattr(self._reply, "close", None)
            if close is not None:
                close()
        finally:
            hooks.call("after-request hook raised", self._hook)
