"""A Django site behind nginx, as many tutorials have it: threads, recycled workers, logs on the standard streams."""

import os

bind = "127.0.0.1:" + os.environ.get("PORT", "8000")
worker_class = "gthread"
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
threads = int(os.environ.get("GUNICORN_THREADS", "4"))
worker_tmp_dir = "/dev/shm"  # noqa: S108 - as the tutorials have it
timeout = 60
graceful_timeout = 30
keepalive = 2
max_requests = 1000
max_requests_jitter = 50
wsgi_app = "site_of_django:application"
accesslog = "-"
errorlog = "-"
loglevel = "info"
proc_name = "shop"


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)


def worker_exit(server, worker):
    from django.db import connections

    connections.close_all()
    worker.log.info("closed the connections of %s", worker.pid)
