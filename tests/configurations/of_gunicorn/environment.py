"""Everything comes from the environment, the number of workers from the CPUs."""

import json
import multiprocessing
import os

workers_per_core = float(os.getenv("WORKERS_PER_CORE", "1"))
cores = multiprocessing.cpu_count()
default_web_concurrency = workers_per_core * cores
web_concurrency_str = os.getenv("WEB_CONCURRENCY", None)
if web_concurrency_str:
    web_concurrency = int(web_concurrency_str)
    assert web_concurrency > 0
else:
    web_concurrency = max(int(default_web_concurrency), 2)
host = os.getenv("HOST", "127.0.0.1")
bind_env = os.getenv("BIND", None)
use_bind = bind_env if bind_env else f"{host}:{os.getenv('PORT', '80')}"
use_loglevel = os.getenv("LOG_LEVEL", "info")
accesslog_var = os.getenv("ACCESS_LOG", "-")
use_accesslog = accesslog_var or None

loglevel = use_loglevel
workers = web_concurrency
bind = use_bind
errorlog = os.getenv("ERROR_LOG", "-") or None
accesslog = use_accesslog
graceful_timeout = int(os.getenv("GRACEFUL_TIMEOUT", "120"))
timeout = int(os.getenv("TIMEOUT", "120"))
keepalive = int(os.getenv("KEEP_ALIVE", "5"))

# For whoever looks at it while it runs.
log_data = {
    "loglevel": loglevel,
    "workers": workers,
    "graceful_timeout": graceful_timeout,
    "timeout": timeout,
    "keepalive": keepalive,
    "errorlog": errorlog,
    "accesslog": accesslog,
    "workers_per_core": workers_per_core,
}


def when_ready(server):
    server.log.info(json.dumps(log_data))
