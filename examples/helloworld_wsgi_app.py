"""Hello world, as PEP 3333 describes it.

    speyside examples/helloworld_wsgi_app.py     serves it with Speyside
    python examples/helloworld_wsgi_app.py       serves it with wsgiref

Either way: http://localhost:5000
"""

from wsgiref.simple_server import make_server


def helloworld_app(environ, start_response):
    """Answer every request with a greeting."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello World !"]


if __name__ == "__main__":
    with make_server("", 5000, helloworld_app) as server:
        print("Serving on port 5000...")
        server.serve_forever()
