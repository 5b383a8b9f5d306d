"""The module `uwsgidecorators`: postfork, lock, thread and harakiri.

Most callers need make. The others of uWSGI's decorators raise an error that says what to use instead, where they are
used.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from speyside.uwsgi import hooks, missing
from speyside.uwsgi.api import Module

Function = Callable[..., Any]


class Decorators(ModuleType):
    """A module that says what is not there, and why."""

    def __getattr__(self, name: str) -> Any:
        raise missing.error("uwsgidecorators", name)


def make(uwsgi: Module) -> ModuleType:
    """Return the module, for a module `uwsgi`."""
    module = Decorators("uwsgidecorators", "uWSGI's decorators, as far as Speyside has them.")
    chain: list[Function] = []

    def run_chain() -> None:
        for function in chain:
            hooks.call("post-fork hook raised", function)

    def postfork(wanted: Function | int) -> Function:
        """Call a function in each worker before its first request; with a number, in that worker alone."""
        if callable(wanted):
            chain.append(wanted)
            return wanted
        worker = int(wanted)

        def chosen(function: Function) -> Function:
            @functools.wraps(function)
            def in_that_worker() -> Any:
                return function() if uwsgi.worker_id() == worker else None

            chain.append(in_that_worker)
            return function

        return chosen

    def lock(function: Function) -> Function:
        """Have one thread of all workers at a time in a function."""

        @functools.wraps(function)
        def locked(*args: Any, **keywords: Any) -> Any:
            uwsgi.lock()
            try:
                return function(*args, **keywords)
            finally:
                uwsgi.unlock()

        return locked

    def thread(function: Function) -> Function:
        """Call a function in a thread of its own, which does not keep the worker alive."""

        @functools.wraps(function)
        def threaded(*args: Any, **keywords: Any) -> threading.Thread:
            started = threading.Thread(target=function, args=args, kwargs=keywords, daemon=True)
            started.start()
            return started

        return threaded

    def harakiri(seconds: int) -> Function:
        """Have a request end when a function takes longer than so many seconds."""

        def limited(function: Function) -> Function:
            @functools.wraps(function)
            def within(*args: Any, **keywords: Any) -> Any:
                uwsgi.set_user_harakiri(seconds)
                try:
                    return function(*args, **keywords)
                finally:
                    uwsgi.set_user_harakiri(0)

            return within

        return limited

    module.__dict__.update(
        postfork=postfork, lock=lock, thread=thread, harakiri=harakiri, postfork_chain=chain, uwsgi=uwsgi
    )
    uwsgi.__dict__["post_fork_hook"] = run_chain
    return module
