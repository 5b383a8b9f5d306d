"""Development servers of frameworks that a script starts at its end: the call returns at once, and Speyside serves.

Most callers need take_over. Flask's app.run() ends in werkzeug's run_simple, which is replaced when it is
imported; nothing is imported on behalf of a script that does not. Bottle and others go through wsgiref, which
script_server.py replaces.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NamedTuple

from speyside.loader import Application


class Recorded(NamedTuple):
    """A server that the script wanted."""

    host: str
    port: int
    application: Application


Patch = Callable[[ModuleType], None]


class PatchAfterImport(MetaPathFinder):
    """Changes modules right after they have been imported."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as if we were not there, and put the patch behind its execution."""
        patch = self._patches.pop(fullname, None)
        if patch is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def take_over(record: Callable[[Recorded], None]) -> None:
    """Have record called in the place of a development server."""

    def run_simple(hostname: str, port: int, application: Application, *args: object, **options: object) -> None:
        record(Recorded(hostname, port, application))

    def patch_serving(module: ModuleType) -> None:
        module.__dict__["run_simple"] = run_simple

    def patch_cli(module: ModuleType) -> None:
        module.__dict__["show_server_banner"] = lambda *args, **options: None

    sys.meta_path.insert(0, PatchAfterImport({"werkzeug.serving": patch_serving, "flask.cli": patch_cli}))
