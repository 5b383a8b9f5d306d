"""One JSON object for each line of any logger, as log collectors want it."""

import json
import logging
import os

bind = f"127.0.0.1:{os.environ['PORT']}"
workers = 2
accesslog = "-"


class JSONFormatter(logging.Formatter):
    def format(self, record):
        told = {
            "logger": record.name,
            "severity": record.levelname,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.name == "gunicorn.access":
            atoms = record.args
            told["http"] = {
                "status": atoms["s"],
                "request": atoms["r"],
                "agent": atoms["a"],
                "id": atoms["{x-request-id}i"],
            }
        return json.dumps(told)


logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JSONFormatter}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
    },
}


def when_ready(server):
    server.log.info("ready for %s", server.proc_name)


def post_worker_init(worker):
    logging.getLogger("shop").warning("the application's own logger, too")
