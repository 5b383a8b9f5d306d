"""The command `flask --app x speyside`, which Flask finds by itself where speyside is installed.

Only Flask imports this module. With one worker the application is served by the process of the command, as Flask has
loaded it; with more, workers load it as Flask does: see load.
"""

from __future__ import annotations

import os

import click
from flask import Flask
from flask.cli import ScriptInfo, pass_script_info

from speyside.api import serve
from speyside.front import FrontRefused

APP = "FLASK_APP"  # where Flask looks for the name of the application


@click.command("speyside", short_help="Run a Speyside server.")
@click.option("--host", "-h", default="127.0.0.1", show_default=True, help="The interface to listen on.")
@click.option("--port", "-p", default=5000, show_default=True, help="The port to listen on; 0 is one that is free.")
@click.option("--workers", "-w", default=1, show_default=True, type=click.IntRange(1, 1024), help="Worker processes.")
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 1024), help="Threads of each worker.")
@pass_script_info
def command(info: ScriptInfo, host: str, port: int, workers: int, threads: int) -> None:
    """Serve the application with Speyside, until Ctrl-C.

    For all settings, run `speyside` itself, which finds the application in the same places.
    """
    bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    application = info.load_app()
    try:
        if workers == 1:
            serve(application, bind=bind, threads=threads)
            return
        if info.app_import_path is not None:
            os.environ[APP] = info.app_import_path
        serve("speyside.flask:load()", bind=bind, workers=workers, threads=threads)
    except (OSError, FrontRefused) as error:
        raise click.ClickException(str(error)) from error


def load() -> Flask:
    """Return the application that FLASK_APP names, or that is in wsgi.py or app.py, as the flask command does."""
    return ScriptInfo(app_import_path=os.environ.get(APP)).load_app()
