"""The application that the configurations of this directory serve."""

import os

IMPORTED_BY = os.getpid()


class Database:
    """What must not be shared by processes."""

    def __init__(self):
        self.opened_by = os.getpid()

    def dispose(self):
        self.opened_by = 0


database = Database()


def app(environ, start_response):
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/error":
        raise RuntimeError("as asked")
    status, told = "200 OK", "hello"
    if path == "/echo":
        told = environ["wsgi.input"].read().decode()
    elif path == "/database":
        told = f"mine: {database.opened_by == os.getpid()}"
    elif path == "/seen":
        secret = os.environ.get("SHOP_SECRET")
        told = f"{environ['wsgi.url_scheme']} {environ['SCRIPT_NAME']} {environ['QUERY_STRING']} {secret}"
    elif path != "/":
        status, told = "404 Not Found", "no such page"
    body = told.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


app.__name__ = "app"
application = app
