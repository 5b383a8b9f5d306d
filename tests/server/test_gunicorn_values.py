"""What gunicorn takes for a value, or for a command line, Speyside takes; what it refuses is refused here, too."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from gunicorn import config

from harness import program

# Each is what a file says of every setting at once.
CANDIDATES = [
    "None", "True", "0", "-1", "1.5", "''", "'x'", "' 0x1f '", "'FALSE'", "('a', 'b')", "[1]", "{}", "{1: 2}", "b'x'",
    "int",
]  # fmt: skip
# Of these gunicorn knows more values that are wrong than their kind has: words, addresses, paths that must be there.
KNOWS_MORE = {
    "bind", "chdir", "user", "group", "reload_engine", "reload_extra_files", "statsd_host", "http_protocols",
    "http2_cleartext", "http2_max_concurrent_streams", "http2_initial_window_size", "http2_max_frame_size",
    "header_map", "asgi_loop", "asgi_lifespan", "http_parser", "proxy_protocol", "forwarded_allow_ips",
    "proxy_allow_ips", "uwsgi_allow_ips", "ssl_version",
}  # fmt: skip
SETTINGS = {setting.name: setting for setting in config.KNOWN_SETTINGS if not callable(setting.default)}
APP = "def app(environ, start_response): raise NotImplementedError\n"


def refused_by_gunicorn(value: object) -> set[str]:
    """Return the settings that cannot have the value."""
    cfg, refused = config.Config(), set()
    for name in SETTINGS:
        try:
            cfg.set(name, value)
        except Exception:  # each validator has its own
            refused.add(name)
    return refused


def test_values_are_of_the_right_kind_where_gunicorns_are(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    for candidate in CANDIDATES:
        lines = "".join(f"{name} = value\n" for name in SETTINGS)
        (tmp_path / "conf.py").write_text(f"value = {candidate}\n{lines}")
        ended = program.end_of("gunicorn", "-c", "conf.py", "--check-config", "app:app", cwd=tmp_path)
        ours = set(re.findall(r"^speyside: error: (\w+) is .*: it must be ", ended.stderr, re.MULTILINE))
        stopped = set(re.findall(r"^speyside: error: (?:setting )?(\w+) is ", ended.stderr, re.MULTILINE))
        theirs = refused_by_gunicorn(eval(candidate))  # noqa: S307 - a literal of this file
        assert ours <= theirs | KNOWS_MORE, f"{candidate}: {sorted(ours - theirs)} are refused here alone"
        assert theirs <= stopped | KNOWS_MORE, f"{candidate}: {sorted(theirs - stopped)} are refused by gunicorn alone"


LINES = [
    "app:app",
    "-w3 -t=5 app:app",
    "app:app --work 3",
    "--thr 2 app:app -b 127.0.0.1:0 -b [::1]:0",
    "-b :0 --bind=127.0.0.1:0 --name 'a b' app:app",
    "--name -x app:app",
    "--name '-x y' app:app",
    "-n '' app:app",
    "app:app --proxy-protocol",
    "--proxy-protocol v1 app:app",
    "--proxy-protocol --preload app:app",
    "--preload=yes app:app",
    "--keep-alive 007 app:app",
    "--umask 0022 app:app",
    "--umask 0o22 app:app",
    "-m 9x app:app",
    "--workers --preload app:app",
    "-w -3 app:app",
    "--workres 3 app:app",
    "-z app:app",
    "--limit-request-field_size 100 app:app",
    "--limit-request-field-size 100 app:app",
    "-w 3 -- app:app",
    "--forwarded-allow-ips='*' app:app",
    "--no-sendfile --reuse-port app:app",
    "--log-level debug --max-requests 5 --max-requests-j 3 app:app",
]
SHOWN = ["workers", "threads", "timeout", "bind", "proc_name", "keepalive", "umask", "proxy_protocol", "max_requests",
         "max_requests_jitter", "limit_request_field_size", "preload_app"]  # fmt: skip


KEPT_ALIVE = 2


def parsed_by_gunicorn(line: str) -> dict[str, Any] | None:
    """Return the settings that a command line makes; None when it is refused."""
    cfg = config.Config()
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            found = vars(cfg.parser().parse_args(shlex.split(line)))
            for name, value in found.items():
                if value is not None and name != "args":
                    cfg.set(name, value)
        except (SystemExit, Exception):
            return None
    return {name: getattr(cfg, name) for name in SHOWN}


def shown_by_speyside(text: str) -> dict[str, str]:
    """Return the settings that --print-config shows."""
    found = (re.match(r"(\w+) = (.*?) +# ", line) for line in text.splitlines())
    return {match[1]: match[2].strip('"') for match in found if match}


def in_our_words(name: str, value: Any) -> str:
    """Return a value as --print-config has it."""
    if name == "bind":
        return "[" + ", ".join(f'"{one if not one.startswith(":") else "0.0.0.0" + one}"' for one in value) + "]"
    if name == "preload_app":
        return "on" if value else "off"
    if name in ("timeout", "keepalive") and value:
        return f"{value}s"
    return f"0o{value:o}" if name == "umask" and value else str(value)


@pytest.mark.parametrize("line", LINES)
def test_command_line_means_what_it_means_to_gunicorn(line: str, tmp_path: Path) -> None:
    ended = program.end_of("gunicorn", "--print-config", *shlex.split(line), cwd=tmp_path)
    theirs = parsed_by_gunicorn(line)
    assert (ended.code == 0) == (theirs is not None), ended.stderr
    if theirs is None:
        return
    shown = shown_by_speyside(ended.stdout)
    for name, value in theirs.items():
        if name == "proc_name" and f"{value}" in ("gunicorn", "") or name == "keepalive" and value == KEPT_ALIVE:
            continue  # nobody said it, and the default is ours
        assert shown[{"preload_app": "preload"}.get(name, name)] == in_our_words(name, value), name
