"""A Django project in one file with the applications and middleware that startproject switches on, less the admin.

No database is opened. The page says in a header which process answered.
"""

# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import os

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
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})]},
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    STATIC_URL="static/",
)


def page(request: HttpRequest) -> HttpResponse:
    """Ten paragraphs through the template engine."""
    body = render_to_string("page.html", {"title": "Benchmark", "numbers": range(10)}, request)
    return HttpResponse(body, headers={"X-Worker": str(os.getpid())})


urlpatterns = [path("", page)]
app = get_wsgi_application()
