"""The one table of the site."""

# mypy: disable-error-code="import-untyped", allow-subclassing-any
from django.db import models


class Note(models.Model):
    """A note about a river."""

    title = models.CharField(max_length=80)
    text = models.TextField(blank=True)
