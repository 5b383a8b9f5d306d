"""Run an application on Twisted: PORT THREADS MODULE:NAME. Its command line cannot set the size of the thread pool."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from launching import application


def main(port: int, threads: int, target: str) -> None:
    """Serve until SIGTERM, which Twisted's reactor handles."""
    reactor: Any = import_module("twisted.internet.reactor")
    pools: Any = import_module("twisted.python.threadpool")
    server: Any = import_module("twisted.web.server")
    wsgi: Any = import_module("twisted.web.wsgi")
    pool = pools.ThreadPool(minthreads=threads, maxthreads=threads)
    pool.start()
    reactor.addSystemEventTrigger("after", "shutdown", pool.stop)
    resource = wsgi.WSGIResource(reactor, pool, application(target))

    class Quiet(server.Site):  # type: ignore[misc]
        """A site without a line per request."""

        def log(self, request: Any) -> None:
            """Nothing."""

    reactor.listenTCP(port, Quiet(resource, timeout=75), backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
