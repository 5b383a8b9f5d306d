"""Three requests, then the end: the script decides when it is over."""

from wsgiref.simple_server import make_server

seen = []


def application(environ, start_response):
    seen.append(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"handle_request {len(seen)}".encode()]


server = make_server("127.0.0.1", 0, application)
print(f"listening on {server.server_port}")
for _ in range(3):
    server.handle_request()
    print("served", seen[-1])
server.server_close()
print("after", *seen)
