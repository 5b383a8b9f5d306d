"""WSGIServer without make_server."""

from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"direct"]


server = WSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(application)
assert server.get_app() is application
print(f"listening on {server.socket.getsockname()[1]}")
server.serve_forever()
print("after")
