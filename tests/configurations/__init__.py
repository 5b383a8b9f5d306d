"""Configurations of gunicorn as people have them, under gunicorn and under Speyside."""
