"""Metrics of several processes in one directory: whose process has ended is merged by the master."""

import os
from pathlib import Path

bind = f"127.0.0.1:{os.environ['PORT']}"
workers = 2
metrics = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def on_starting(server):
    for left in metrics.glob("*.db"):
        left.unlink()
    server.log.info("metrics are in %s files", len(list(metrics.iterdir())))


def post_worker_init(worker):
    (metrics / f"gauge_livesum_{worker.pid}.db").write_text("1")


def child_exit(server, worker):
    (metrics / f"gauge_livesum_{worker.pid}.db").unlink()
    server.log.info("mark_process_dead(%s), %s left", worker.pid, worker.age and "the others")
