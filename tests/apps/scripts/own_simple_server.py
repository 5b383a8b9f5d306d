"""A script written for speyside.simple_server: under `python` it starts a front, under `speyside` it has one."""

from speyside.simple_server import make_server


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"own_simple_server"]


with make_server("127.0.0.1", 0, application) as server:
    server.serve_forever()
print("after")
