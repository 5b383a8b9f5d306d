"""A Django page that reads twenty rows from PostgreSQL. BENCH_DATABASE is the directory of the server's socket."""

# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path

PAGE = "<!doctype html><title>Items</title>{% for name, price in items %}<p>{{ name }}: {{ price }}</p>{% endfor %}"

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"items.html": PAGE})]},
        }
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "bench",
            "HOST": os.environ["BENCH_DATABASE"],
            # A connection per thread that stays open, as Django's documentation advises for production.
            "CONN_MAX_AGE": None,
        }
    },
)


def page(request: HttpRequest) -> HttpResponse:
    """The first twenty items."""
    with connection.cursor() as cursor:
        cursor.execute("select name, price from item order by id limit %s", [20])
        items = cursor.fetchall()
    return HttpResponse(render_to_string("items.html", {"items": items}, request))


urlpatterns = [path("", page)]
app = get_wsgi_application()
