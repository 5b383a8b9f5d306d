"""Raises before it serves."""

import wsgiref.simple_server


def connect():
    raise RuntimeError("no database")


connect()
wsgiref.simple_server.make_server("127.0.0.1", 0, lambda environ, start_response: []).serve_forever()
