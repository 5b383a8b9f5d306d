"""The page of django_app, without middleware, applications and database."""

# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path

PAGE = "<!doctype html><title>{{ title }}</title>{% for n in numbers %}<p>{{ n }}</p>{% endfor %}"

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})]},
        }
    ],
)


def page(request: HttpRequest) -> HttpResponse:
    """Ten paragraphs through the template engine. Without CommonMiddleware nobody else sets the length."""
    body = render_to_string("page.html", {"title": "Benchmark", "numbers": range(10)}, request).encode()
    return HttpResponse(body, headers={"Content-Length": str(len(body))})


urlpatterns = [path("", page)]
app = get_wsgi_application()
