"""Flask's hello world, as its quickstart has it."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


def hello() -> str:
    """The one page."""
    return "<p>Hello, World!</p>"


app.add_url_rule("/", view_func=hello)
