"""The application as a WSGI callable."""

from ..witness import witness
from .app import create_app

application = witness(create_app())
