"""Tries the next address when one is refused."""

from wsgiref.simple_server import make_server


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"port_taken"]


try:
    server = make_server("192.0.2.1", 80, application)
except OSError as error:
    print(f"refused {error.errno}")
    server = make_server("127.0.0.1", 0, application)
print(f"listening on {server.server_port}")
server.serve_forever()
print("after")
