"""What an application has asked to be called in each worker: uwsgi.post_fork_hook, uwsgi.atexit.

Most callers need after_fork. As in uWSGI a hook that raises is told of in the log, and the worker goes on.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from speyside import report
from speyside.failure import trimmed


def after_fork(module: ModuleType) -> None:
    """Call the application's hook in a worker that has just begun, and see to the one for its end."""
    call("post-fork hook raised", module.__dict__.get("post_fork_hook"))
    atexit.register(at_end, module, os.getpid())


def at_end(module: ModuleType, pid: int) -> None:
    """Call the hook for the end of this worker, not of a process that the application has forked."""
    if os.getpid() == pid:
        call("exit hook raised", module.__dict__.get("atexit"))


def call(event: str, hook: Callable[[], Any] | None) -> None:
    """Call one hook, where there is one."""
    if hook is None:
        return
    try:
        hook()
    except (Exception, SystemExit) as error:
        report.record("ERROR", event, trimmed(error), pid=os.getpid(), hook=getattr(hook, "__name__", repr(hook)))
