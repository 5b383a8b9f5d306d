"""Early hints from a view of Flask and of Django."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from flask import Flask, request

HINTS = [("Link", "</style.css>; rel=preload; as=style")]

flask_app = Flask(__name__)


@flask_app.route("/")
def flask_view() -> str:
    """Answer."""
    request.environ["wsgi.early_hints"](HINTS)
    return f"flask {request.environ['speyside.client_disconnected']()}"


def django_view(request: HttpRequest) -> HttpResponse:
    """Answer."""
    request.META["wsgi.early_hints"](HINTS)
    return HttpResponse(f"django {request.META['speyside.client_disconnected']()}")


urlpatterns = [path("", django_view)]
if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test")
django_app = get_wsgi_application()
