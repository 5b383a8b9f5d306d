"""What an application written for uWSGI finds while a uwsgi.ini is in use: the modules `uwsgi` and `uwsgidecorators`.

Most callers need begin, which the zygote calls before it imports the application, and Support.work, which a worker
calls before its first request. Without such a file nothing here is imported, and `import uwsgi` fails as it always did:
applications look for that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from speyside import _faults, report
from speyside.failure import Failure, summary

if TYPE_CHECKING:
    from speyside.loader import Application


def begin(told: object, spool: int, workers: int, threads: int) -> Support | None:
    """Install the modules where an order to load tells of a uwsgi.ini; None where it does not."""
    if not isinstance(told, dict):
        return None
    from speyside.uwsgi import state

    return Support(state.State(told, spool, workers, threads))


class Support:
    """The modules as installed, and what a worker does for them."""

    def __init__(self, state: State) -> None:
        from speyside.uwsgi import api, decorators

        self.state = state
        self.api = api.make(state)
        sys.modules["uwsgi"] = self.api
        sys.modules["uwsgidecorators"] = decorators.make(self.api)
        self._show("zygote")

    def prepare(self) -> None:
        """Do what comes before the application is loaded; raise Failure."""
        if self.state.argv:
            sys.argv[:] = [sys.argv[0] if sys.argv else "uwsgi", *self.state.argv]
        self._imports(self.state.shared_imports)

    def environ(self) -> dict[str, object]:
        """Return what is added to every environ."""
        return {"uwsgi.version": self.api.version, "uwsgi.node": self.api.hostname}

    def be_worker(self, number: int, reload: Callable[[], None]) -> None:
        """Make this process a worker."""
        self.state.be_worker(number, reload)
        self._show(f"worker {number + 1}")

    def work(self, application: Application) -> Application:
        """Do what comes before the first request; return the application as it is to be called."""
        from speyside.uwsgi import gate, hooks

        hooks.after_fork(self.api)
        self._imports(self.state.imports)
        return gate.Gate(application, self.state, self.api)

    def _show(self, role: str) -> None:
        """Have lists of processes say what this one is, where the file wants that."""
        if self.state.title is None:
            return
        from speyside.uwsgi import title

        before, after = self.state.title
        try:
            title.show(f"{before} {role}{after}")
        except OSError as error:  # a process that has changed its user may not write there
            report.record("WARN", "process not named", pid=os.getpid(), role=role, error=error)

    def _imports(self, names: list[str]) -> None:
        import importlib

        for name in names:
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:
                raise Failure(_faults.IMPORT_FAILED, f"importing {name}: {summary(error)}", "", error) from error


if TYPE_CHECKING:
    from speyside.uwsgi.state import State
