"""Behind nginx on the same machine, by a socket that its group may use."""

import os
from pathlib import Path

here = Path.cwd()
bind = f"unix:{here / 's'}"
umask = 0o007
workers = 2
pidfile = str(here / "pid")
accesslog = str(here / "access.log")
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}


def when_ready(server):
    (here / "ready").touch()
    server.log.info(
        "listening on %s, mode %s", server.address[0].rpartition("/")[2], oct(os.stat(here / "s").st_mode & 0o777)
    )


def on_exit(server):
    (here / "ready").unlink()
