"""Run an application on uWSGI behind nginx: PORT WORKERS THREADS MODULE:NAME."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from launching import together

NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    client_max_body_size 1g;
    client_body_temp_path {directory}/body;
    uwsgi_temp_path {directory}/uwsgi;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            uwsgi_pass unix:{directory}/uwsgi.sock;
            uwsgi_param QUERY_STRING $query_string;
            uwsgi_param REQUEST_METHOD $request_method;
            uwsgi_param CONTENT_TYPE $content_type;
            uwsgi_param CONTENT_LENGTH $content_length;
            uwsgi_param REQUEST_URI $request_uri;
            uwsgi_param PATH_INFO $document_uri;
            uwsgi_param SERVER_PROTOCOL $server_protocol;
            uwsgi_param REQUEST_SCHEME $scheme;
            uwsgi_param REMOTE_ADDR $remote_addr;
            uwsgi_param REMOTE_PORT $remote_port;
            uwsgi_param SERVER_PORT $server_port;
            uwsgi_param SERVER_NAME $server_name;
        }}
    }}
}}
"""


def main(port: str, workers: str, threads: str, target: str) -> int:
    """Start both and wait."""
    with tempfile.TemporaryDirectory() as directory:
        # nginx's workers are not root even when we are.
        Path(directory).chmod(0o755)
        configuration = Path(directory) / "nginx.conf"
        configuration.write_text(NGINX.format(directory=directory, port=port))
        uwsgi = [str(Path(sys.executable).parent / "uwsgi"), "--socket", f"{directory}/uwsgi.sock"]
        uwsgi += ["--chmod-socket=666", "--master", "--processes", workers, "--threads", threads, "--disable-logging"]
        uwsgi += ["--need-app", "--die-on-term", "--listen", "1024", "--buffer-size", "65535"]
        uwsgi += ["--chdir", ".", "--module", target]
        return together(uwsgi, ["nginx", "-c", str(configuration)])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
