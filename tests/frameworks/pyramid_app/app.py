"""Puts the application together: routes, renderers, sessions, CSRF."""

# mypy: disable-error-code="import-untyped"
import os
import sqlite3
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator
from pyramid.session import SignedCookieSessionFactory

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SECRET = "not a secret: this application only ever answers its own tests"
ROUTES = {
    "index": "/",
    "hello": "/hello/{name}",
    "item": r"/items/{number:\d+}",
    "rest": "/files/*rest",
    "search": "/search",
    "notes": "/notes",
    "new_note": "/notes/new",
    "note": r"/notes/{number:\d+}",
    "login": "/login",
    "account": "/account",
    "logout": "/logout",
    "counter": "/counter",
    "form": "/form",
    "json": "/json",
    "raw": "/raw",
    "upload": "/upload",
    "stream": "/stream",
    "binary": "/binary",
    "nothing": "/nothing",
    "download": "/download",
    "attachment": "/attachment",
    "conditional": "/condition",
    "cookies": "/cookies",
    "headers": "/headers",
    "environ": "/environ",
    "reason": "/reason",
    "moved": "/moved",
    "forbidden": "/forbidden",
    "boom": "/boom",
}


def create_app() -> "WSGIApplication":
    with Configurator(settings={"jinja2.directories": "frameworks.pyramid_app:templates"}) as config:
        config.include("pyramid_jinja2")
        # Reissued only when changed: by default that hangs on whether a second has passed.
        config.set_session_factory(SignedCookieSessionFactory(SECRET, reissue_time=None))
        config.set_default_csrf_options(require_csrf=True)
        config.add_request_method(connection, "db", reify=True)
        for name, pattern in ROUTES.items():
            config.add_route(name, pattern)
        config.scan("frameworks.pyramid_app", ignore=[".seed", ".wsgi"])
        application: WSGIApplication = config.make_wsgi_app()
        return application


def connection(request: Any) -> sqlite3.Connection:
    """The connection of this request, closed at its end."""
    opened = sqlite3.connect(os.environ["FRAMEWORKS_DATABASE"])
    opened.row_factory = sqlite3.Row
    request.add_finished_callback(lambda request: opened.close())
    return opened
