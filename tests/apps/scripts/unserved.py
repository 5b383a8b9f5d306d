"""Ends without having served: `application` is served, not `app`."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"unserved {__name__}".encode()]


app = None
