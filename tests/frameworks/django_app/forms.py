"""The forms of the site."""

# mypy: disable-error-code="import-untyped", allow-subclassing-any
from typing import ClassVar

from django import forms

from .models import Note


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields: ClassVar = ["title", "text"]
