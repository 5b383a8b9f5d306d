"""Speyside: a WSGI server. The program is `speyside`; this package is the Python side of it."""

from speyside._version import __version__ as __version__
