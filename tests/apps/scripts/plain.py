"""The classic: make_server and serve_forever, unguarded. Prints what the server said before and after."""

from wsgiref.simple_server import make_server

calls = 0


def application(environ, start_response):
    global calls
    calls += 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"plain {calls}".encode()]


server = make_server("127.0.0.1", 0, application)
print(f"listening on {server.server_port}")
server.serve_forever()
print(f"calls {calls}")
