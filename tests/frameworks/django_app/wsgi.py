"""The site as a WSGI application."""

# mypy: disable-error-code="import-untyped"
import os

from django.core.wsgi import get_wsgi_application

from ..witness import witness

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "frameworks.django_app.settings")
application = witness(get_wsgi_application())
