"""A site of Django in one file."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()


def home(request):
    """Ask the database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select 6 * 7")
        return HttpResponse(f"hello {cursor.fetchone()[0]}", content_type="text/plain")


def echo(request):
    """Return what was sent."""
    return HttpResponse(request.body, content_type="text/plain")


def database(request):
    """Not here."""
    raise Http404


urlpatterns = [path("", home), path("echo", echo), path("database", database)]
application = get_wsgi_application()
