"""server_class= and handler_class= of the script's own, as in many tutorials."""

import socketserver
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def setup_environ(self):
        super().setup_environ()
        self.base_environ["example.key"] = "from setup_environ"


class QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        raise AssertionError("never called by Speyside")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"subclasses {environ['example.key']}".encode()]


server = make_server("127.0.0.1", 0, application, server_class=ThreadingServer, handler_class=QuietHandler)
print(f"listening on {server.server_port}")
server.serve_forever()
server.server_close()
print("after")
