"""Notes on SQLite: one connection for each request, closed at its end."""

import os
import sqlite3

from flask import Flask, g


def connection() -> sqlite3.Connection:
    """The connection of this request."""
    if "connection" not in g:
        g.connection = sqlite3.connect(os.environ["FRAMEWORKS_DATABASE"])
        g.connection.row_factory = sqlite3.Row
    kept: sqlite3.Connection = g.connection
    return kept


def close(error: BaseException | None) -> None:
    if kept := g.pop("connection", None):
        kept.close()


def register(app: Flask) -> None:
    app.teardown_appcontext(close)
