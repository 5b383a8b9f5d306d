"""Speyside: a WSGI server. The program is `speyside`; this package is the Python side of it."""

__version__ = "0.1.0"
