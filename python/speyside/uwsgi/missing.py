"""What uWSGI has and Speyside has not: the names, and what to use instead.

Most callers need error, which makes the exception for a name. hasattr(uwsgi, NAME) is False for all of them, so that
applications that look before they use find out.
"""

from __future__ import annotations

GROUPS = {
    "run a task queue beside the server (Celery, RQ, Huey); the spooler and mules come later": (
        "spool send_to_spooler spooler spool_free set_spooler_frequency spooler_jobs spooler_pid spooler_pids "
        "spooler_get_task SPOOL_OK SPOOL_RETRY SPOOL_IGNORE spoolraw spoolforever i_am_the_spooler "
        "mule_msg mule_get_msg mule mulefunc mule_msg_dispatcher mule_msg_hook mule_loop mulemsg farm_msg farm_get_msg "
        "farm farm_loop in_farm install_mule_msg_hook manage_spool_request"
    ),
    "let a systemd timer, cron or the task queue call it; timers, cron and signals come later": (
        "add_timer add_rb_timer add_ms_timer add_cron timer rbtimer cron add_file_monitor filemon register_signal "
        "signal signal_wait signal_registered signal_received erlang"
    ),
    "use Redis, memcached or the cache of your framework; uWSGI's cache comes later": (
        "cache_get cache_set cache_update cache_del cache_exists cache_clear cache_inc cache_dec cache_mul cache_div "
        "cache_keys cache_num queue_get queue_set queue_push queue_pull queue_pop queue_slot queue_pull_slot "
        "queue_last queue_size sharedarea_read sharedarea_write sharedarea_inc64 sharedarea_dec64 sharedarea_rlock "
        "sharedarea_wlock sharedarea_unlock sharedarea_memoryview sharedarea_object SharedArea"
    ),
    "use HTTP, or the task queue": "rpc register_rpc rpc_list call",
    "use prometheus_client, or `speyside status --json`": (
        "metric_get metric_set metric_inc metric_dec metric_mul metric_div metric_set_max metric_set_min alarm"
    ),
    "a WSGI application has no WebSockets here: serve them by an ASGI server beside this one": (
        "websocket_handshake websocket_recv websocket_recv_nb websocket_send websocket_send_binary"
    ),
    "return wsgi.file_wrapper, which the front sends without a worker": "sendfile offload",
    "return an iterable: what it yields is sent at once": (
        "send recv recv_block recv_frame chunked_read chunked_read_nb"
    ),
    "use threads: a worker has several": (
        "green_schedule async_connect async_sleep connect is_connected close connection_fd wait_fd_read wait_fd_write "
        "ready_fd suspend loop start_response disconnect"
    ),
    "use `speyside stop`, or os.kill(uwsgi.masterpid(), signal.SIGTERM)": "stop",
    "use the routes of the application": "route internal_route add_var cl",
    "read the file with the library for its format": "parsefile extract embedded_data",
    "the log of the server has every request": "set_warning_message log_this_request logsize",
}


class NotThereError(AttributeError):
    """An application has asked for what uWSGI has and Speyside has not."""


def _instead() -> dict[str, str]:
    return {name: instead for instead, names in GROUPS.items() for name in names.split()}


INSTEAD = _instead()


def error(module: str, name: str) -> AttributeError:
    """Return the exception for a name that a module does not have."""
    instead = INSTEAD.get(name)
    if instead is None:
        return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    return NotThereError(f"{module}.{name} is not there under Speyside: {instead}", name=name)
