"""Every hook writes a line, as the example that comes with gunicorn does."""

import os

bind = f"127.0.0.1:{os.environ['PORT']}"
backlog = 2048
workers = 2
worker_class = "sync"
worker_connections = 1000
timeout = 30
keepalive = 2
spew = False
daemon = False
raw_env = ["SHOP_SECRET=from the configuration", "SHOP_MODE=production"]
pidfile = None
umask = 0
user = None
group = None
tmp_upload_dir = None
errorlog = "-"
loglevel = "info"
accesslog = None
proc_name = None


def on_starting(server):
    server.log.info("starting with %s workers of class %s", server.num_workers, server.cfg.worker_class_str)


def on_reload(server):
    server.log.info("reloading")


def nworkers_changed(server, new_value, old_value):
    server.log.info("from %s to %s workers", old_value, new_value)


def when_ready(server):
    server.log.info("Server is ready. Spawning workers")


def pre_fork(server, worker):
    server.log.info("about to fork %s, number %s", worker, worker.age)


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)


def post_worker_init(worker):
    worker.log.info("ready with %s, and %s", worker.wsgi.__name__, os.environ["SHOP_MODE"])


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")


def worker_exit(server, worker):
    server.log.info("worker %s leaves", worker.age)


def child_exit(server, worker):
    server.log.info("a worker has left")


def on_exit(server):
    server.log.info("bye from %s", server.address[0][0])
