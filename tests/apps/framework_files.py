"""How Django and Flask send files: their own classes for it, and nothing else."""

from __future__ import annotations

import os

import django
import flask
from django.conf import settings
from django.core.files import File
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest
from django.urls import path

FILE = os.environ["FILE"]
settings.configure(SECRET_KEY="not one", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
django.setup()


def plain(request: HttpRequest) -> FileResponse:
    """Send an open file."""
    return FileResponse(open(FILE, "rb"))  # noqa: SIM115 - Django closes it


def wrapped(request: HttpRequest) -> FileResponse:
    """Send what a FileField gives."""
    return FileResponse(File(open(FILE, "rb")))  # noqa: SIM115


urlpatterns = [path("plain", plain), path("wrapped", wrapped)]
of_django = get_wsgi_application()
of_flask = flask.Flask(__name__)


@of_flask.get("/plain")
def send() -> flask.Response:
    """Send a file by its name; Flask answers conditions and ranges."""
    return flask.send_file(FILE)
