"""A Django app: with "speyside.django" in INSTALLED_APPS, `python manage.py runspeyside` is runserver on Speyside.

Nothing else of Speyside imports it, and it imports nothing of Django before Django imports it.
"""
