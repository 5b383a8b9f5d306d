"""serve_forever in a thread; the main thread goes on, and is woken by Ctrl-C."""

import threading
import time
from wsgiref.simple_server import make_server


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"in_thread {threading.current_thread().name}".encode()]


server = make_server("127.0.0.1", 0, application)
thread = threading.Thread(target=server.serve_forever, name="serving")
thread.start()
print(f"listening on {server.server_port}")
try:
    while True:
        time.sleep(3600)
except KeyboardInterrupt:
    print("interrupted")
thread.join()
print("after")
