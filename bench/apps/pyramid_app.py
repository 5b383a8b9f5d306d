"""Pyramid's hello world, as its documentation has it."""

# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response


def hello(request: Request) -> Response:
    """The one page."""
    return Response("<p>Hello, World!</p>")


with Configurator() as config:
    config.add_route("hello", "/")
    config.add_view(hello, route_name="hello")
    app = config.make_wsgi_app()
