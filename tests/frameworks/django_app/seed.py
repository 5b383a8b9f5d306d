"""Makes the database that every server gets a copy of: python -m frameworks.django_app.seed."""

# mypy: disable-error-code="import-untyped"
import os

import django
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "frameworks.django_app.settings")
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)

    get_user_model().objects.create_user("ann", password="spey-1824")
    notes = apps.get_model("django_app", "Note").objects
    notes.create(title="Spey", text="Scotland's fastest river")
    notes.create(title="Livet <&>", text="Flows into the Avon")


if __name__ == "__main__":
    main()
