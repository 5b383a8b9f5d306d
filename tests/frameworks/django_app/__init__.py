"""A small Django site: notes on SQLite, an account, forms with CSRF tokens, uploads and downloads."""
