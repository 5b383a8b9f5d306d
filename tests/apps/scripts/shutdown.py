"""shutdown() from another thread, when the application is asked for it: the script goes on."""

import threading
from wsgiref.simple_server import make_server


def application(environ, start_response):
    if environ["PATH_INFO"] == "/shutdown":
        threading.Thread(target=server.shutdown).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shutdown"]


server = make_server("127.0.0.1", 0, application)
print(f"listening on {server.server_port}")
server.serve_forever()
print("after")
