"""A small Pyramid application: notes on SQLite, Jinja2 templates, sessions with CSRF tokens, uploads and downloads."""
