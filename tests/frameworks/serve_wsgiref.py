"""Serves `module:callable` with wsgiref.simple_server: python -m frameworks.serve_wsgiref PORT NAME.

It is the first reference, so wsgiref is used as it stands: nothing of it is overridden.
"""

import sys
from importlib import import_module
from wsgiref.simple_server import make_server


def main(port: str, name: str) -> None:
    module, _, attribute = name.partition(":")
    application = getattr(import_module(module), attribute)
    with make_server("127.0.0.1", int(port), application) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
