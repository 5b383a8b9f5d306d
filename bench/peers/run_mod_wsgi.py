"""Run an application on mod_wsgi-express: PORT WORKERS THREADS MODULE:NAME. It writes its configuration to a
directory of
its own, which goes when it ends."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from launching import together


def readable_by_others(path: Path) -> bool:
    """Whether any user may go there."""
    return all(part.stat().st_mode & 0o5 == 0o5 for part in (path, *path.parents))


def main(port: str, workers: str, threads: str, target: str) -> int:
    """Start it and wait. Apache changes its user when root starts it; the root directory must be that user's to
    read."""
    module, _, name = target.partition(":")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        express = str(Path(sys.executable).parent / "mod_wsgi-express")
        command = [express, "start-server", "--application-type", "module", module, "--callable-object", name]
        command += ["--host", "127.0.0.1", "--port", port, "--processes", workers, "--threads", threads]
        command += ["--server-root", directory, "--working-directory", os.getcwd(), "--python-path", os.getcwd()]
        command += ["--max-clients", "256", "--initial-workers", "1", "--minimum-spare-workers", "1"]
        command += ["--maximum-spare-workers", "1", "--keep-alive-timeout", "75", "--limit-request-body", "0"]
        command += ["--server-name", "127.0.0.1", "--allow-localhost", "--log-to-terminal", "--disable-reloading"]
        if os.geteuid() == 0:
            if not readable_by_others(Path(sys.base_prefix)):
                sys.exit(f"Apache, started by root, runs as www-data, which may not read {sys.base_prefix}")
            command += ["--user", "www-data", "--group", "www-data"]
        extra = Path(directory) / "more.conf"
        extra.write_text("MaxKeepAliveRequests 0\n")
        return together([*command, "--include-file", str(extra)])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
