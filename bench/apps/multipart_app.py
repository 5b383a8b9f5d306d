"""A form with a file, parsed by Flask."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from flask import Flask, request

app = Flask(__name__)


def upload() -> str:
    """The title, and how large the file is."""
    return f"{request.form['title']} {len(request.files['file'].read())}"


app.add_url_rule("/", view_func=upload, methods=["POST"])
