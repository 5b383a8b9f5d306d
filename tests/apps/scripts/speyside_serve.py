"""A script that calls speyside.serve() itself, instead of make_server()."""

import speyside

calls = 0


def application(environ, start_response):
    global calls
    calls += 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"speyside_serve {calls}".encode()]


speyside.serve(application, bind="127.0.0.1:0")
print(f"calls {calls}")
