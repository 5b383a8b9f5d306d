"""Puts the application together."""

from flask import Flask, render_template
from werkzeug.exceptions import HTTPException

from . import database, notes, views


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "not a secret: this application only ever answers its own tests"
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    database.register(app)
    app.register_blueprint(views.blueprint)
    app.register_blueprint(notes.blueprint, url_prefix="/notes")
    app.register_error_handler(404, not_found)
    app.register_error_handler(500, broken)
    return app


def not_found(error: HTTPException) -> tuple[str, int]:
    return render_template("404.html"), 404


def broken(error: HTTPException) -> tuple[str, int]:
    return render_template("500.html"), 500
