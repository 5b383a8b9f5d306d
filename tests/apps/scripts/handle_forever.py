"""handle_request in an endless loop: only Ctrl-C ends it."""

from wsgiref.simple_server import make_server


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"handle_forever"]


server = make_server("127.0.0.1", 0, application)
print(f"listening on {server.server_port}")
try:
    while True:
        server.handle_request()
except KeyboardInterrupt:
    print("interrupted")
print("after")
