"""Spans that a thread of each worker exports in batches: it cannot be started before the fork."""

import os
import queue
import threading
from pathlib import Path

bind = [f"127.0.0.1:{os.environ['PORT']}"]
workers = 2
threads = 2
worker_class = "gthread"
exporter = None


class BatchExporter:
    def __init__(self, resource):
        self.resource = resource
        self.spans = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.export, daemon=True)
        self.thread.start()

    def export(self):
        with Path("spans").open("a", buffering=1) as file:
            while (span := self.spans.get()) is not None:
                file.write(f"{self.resource} {span}\n")

    def shutdown(self):
        self.spans.put(None)
        self.thread.join(5)


def post_fork(server, worker):
    global exporter
    exporter = BatchExporter(f"worker.age={worker.age}")
    server.log.info("tracing is set up in %s", worker)


def pre_request(worker, req):
    req.span = f"{req.method} {req.path}"


def post_request(worker, req, environ, resp):
    exporter.spans.put(f"{req.span} {resp.status_code} {resp.sent} {dict(req.headers).get('TRACEPARENT')}")


def worker_exit(server, worker):
    exporter.shutdown()
    worker.log.info("tracing was shut down")
