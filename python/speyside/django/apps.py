"""The app, as Django's registry wants it."""

# mypy: disable-error-code="import-untyped,import-not-found", allow-subclassing-any
from __future__ import annotations

from django.apps import AppConfig


class SpeysideConfig(AppConfig):
    """Brings the command runspeyside; it has no models."""

    name = "speyside.django"
    label = "speyside"
    verbose_name = "Speyside"
