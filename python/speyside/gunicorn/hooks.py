"""gunicorn's hooks: which there are, how many arguments each takes, and those of a configuration.

Most callers need find, and Hooks, which calls them. A hook is a function, or text that says where one is
(`package.module.function`).
"""

from __future__ import annotations

import importlib
import inspect
import os
import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from speyside import report
from speyside.failure import Failure, internal, summary, trimmed

ANY = -1
ARGUMENTS = {
    "on_starting": 1,
    "on_reload": 1,
    "when_ready": 1,
    "pre_fork": 2,
    "post_fork": 2,
    "post_worker_init": 1,
    "worker_int": 1,
    "worker_abort": 1,
    "pre_exec": 1,
    "pre_request": 2,
    "post_request": ANY,
    "child_exit": 2,
    "worker_exit": 2,
    "nworkers_changed": 3,
    "on_exit": 1,
    "ssl_context": 2,
    "on_dirty_starting": 1,
    "dirty_post_fork": 2,
    "dirty_worker_init": 1,
    "dirty_worker_exit": 2,
}
POST_REQUEST = (2, 3, 4)  # how many arguments that one may take


class Unfit(Exception):  # noqa: N818 - the word for a hook that is none
    """What has the name of a hook is none."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class Hook(NamedTuple):
    """One hook."""

    call: Callable[..., Any]
    arguments: int  # that it takes


def find(names: Mapping[str, Any], settings: Collection[str]) -> dict[str, Hook]:
    """Return the hooks among the names; raise Unfit for what is none."""
    return {name: _checked(name, names[name]) for name in ARGUMENTS if name in names and name in settings}


def _checked(name: str, value: object) -> Hook:
    if isinstance(value, str):
        value = _imported(name, value)
    if not callable(value):
        raise Unfit(name, f"{name} is {value!r}, and not a function")
    try:
        takes = sum(
            parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            for parameter in inspect.signature(value).parameters.values()
        )
    except (TypeError, ValueError) as error:
        raise Unfit(name, f"{name} does not say what arguments it takes: {error}") from error
    wanted = ARGUMENTS[name]
    if wanted == ANY and takes not in POST_REQUEST:
        raise Unfit(name, f"{name} takes {_counted(takes)}, and should take 2 (worker, req), 3 or 4 (environ, resp)")
    if wanted not in (ANY, takes):
        raise Unfit(name, f"{name} takes {_counted(takes)}, and should take {wanted}")
    return Hook(value, takes)


def _counted(arguments: int) -> str:
    return f"{arguments} argument{'s' if arguments != 1 else ''}"


def _imported(name: str, spelled: str) -> object:
    module, _, function = spelled.rpartition(".")
    if not module:
        raise Unfit(name, f"{name} is {spelled!r}, and neither a function nor package.module.function")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise Unfit(name, f"{name} is {spelled!r}, which is not there: {error}") from error


class Hooks:
    """The hooks of a configuration. One that is not there is called all the same, and does nothing."""

    def __init__(self, found: Mapping[str, Hook], file: str) -> None:
        self._found = found
        self._file = file

    def __contains__(self, name: str) -> bool:
        """Tell whether there is this hook."""
        return name in self._found

    def call(self, name: str, code: str, *arguments: object) -> None:
        """Call a hook on which the start depends; what it raises is a Failure with this code."""
        try:
            self._call(name, arguments)
        except BaseException as error:  # also SystemExit: nothing of it is to get past the hook
            raise Failure(code, self._said(name, error), cause=error) from error

    def ask(self, name: str, *arguments: object) -> None:
        """Call a hook whose exception is the caller's."""
        self._call(name, arguments)

    def tell(self, name: str, code: str, *arguments: object) -> bool:
        """Call a hook that is told something; what it raises is logged. Return whether it raised nothing."""
        try:
            self._call(name, arguments)
        except BaseException as error:
            fields = {"hook": name, "pid": os.getpid(), "code": code}
            report.record("ERROR", "hook failed", trimmed(error), **fields, error=self._said(name, error))
            return False
        return True

    def _call(self, name: str, arguments: tuple[object, ...]) -> None:
        hook = self._found.get(name)
        if hook is not None:
            hook.call(*arguments[: hook.arguments])

    def _said(self, name: str, error: BaseException) -> str:
        """Return `file:line: hook() raised …`, the line in the user's own file."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not internal(frame.filename)]
        own = [frame for frame in frames if os.path.abspath(frame.filename) == self._file] or frames
        at = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
        what = f"called sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"raised {summary(error)}"
        return f"{at}{name}() {what}"
