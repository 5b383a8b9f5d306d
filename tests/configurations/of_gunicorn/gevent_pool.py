"""Greenlets for an application that waits most of the time."""

import os

bind = f"127.0.0.1:{os.environ['PORT']}"
workers = 1
worker_class = "gevent"
worker_connections = 100
keepalive = 65
accesslog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s'


def post_fork(server, worker):
    server.log.info("a pool of %s", worker.cfg.worker_connections)
