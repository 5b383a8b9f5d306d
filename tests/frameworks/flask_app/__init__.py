"""A small Flask application: notes on SQLite, signed cookie sessions, uploads and downloads."""
