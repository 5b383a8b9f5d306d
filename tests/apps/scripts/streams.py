"""Prints whole and broken lines from several threads on every request."""

import logging
import sys
from wsgiref.simple_server import make_server

logging.basicConfig(level=logging.INFO, format="%(message)s")


def application(environ, start_response):
    name = environ["QUERY_STRING"]
    print("begin", end=" ")
    print(name, end="", flush=True)
    print(" end", "é")
    logging.info("logged %s", name)
    sys.stdout.buffer.write(b"bytes " + name.encode() + b"\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"streams"]


make_server("127.0.0.1", 0, application).serve_forever()
