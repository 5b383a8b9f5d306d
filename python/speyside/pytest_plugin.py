"""The fixture `speyside_server` of pytest, which finds it by itself where speyside is installed.

Only pytest imports this module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def speyside_server() -> Iterator[Callable[..., object]]:
    """Start servers with `speyside_server(app)`, as speyside.testing.serve() does; they end with the test."""
    from speyside import testing

    with contextlib.ExitStack() as servers:
        yield lambda app, **settings: servers.enter_context(testing.serve(app, **settings))
