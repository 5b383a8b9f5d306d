"""Guarded by __main__, with a context manager, and an exit handler."""

import atexit
from wsgiref import simple_server


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"guarded {environ['SERVER_PORT']}".encode()]


if __name__ == "__main__":
    atexit.register(print, "atexit")
    with simple_server.make_server("127.0.0.1", 0, application) as server:
        print(f"listening on {server.server_address[1]}")
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            print("interrupted")
    print("after")
