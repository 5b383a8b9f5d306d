"""The application is imported once; each worker opens connections of its own after the fork."""

import os

bind = f"127.0.0.1:{os.environ['PORT']}"
workers = 2
threads = 2
preload_app = True


def on_starting(server):
    import shop

    server.log.info("imported already: %s", shop.IMPORTED_BY == os.getpid())


def post_fork(server, worker):
    import shop

    shop.database.dispose()
    shop.database = shop.Database()
    server.log.info("reconnected: %s", shop.database.opened_by == worker.pid)


def post_worker_init(worker):
    inner = worker.app.wsgi()

    def with_header(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Worker", str(worker.age > 0))], exc_info)

        return inner(environ, start)

    worker.wsgi = with_header
