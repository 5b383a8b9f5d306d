"""Every setting of the newest gunicorn has a row with its flags, its default and what it takes.

The rows are those of internal/config/gunicorn/rows.go; the generator writes their facts beside this file.
"""

from __future__ import annotations

import argparse
import enum
import json
import os
from pathlib import Path
from typing import Any

import pytest
from gunicorn import config

ROWS: dict[str, dict[str, Any]] = {
    row["name"]: row for row in json.loads(Path(__file__).with_name("gunicorn_settings.json").read_text())
}
KNOWN: dict[str, Any] = {setting.name: setting for setting in config.KNOWN_SETTINGS}
ACTIONS = {None: "", "append": "append", "store_true": "on", "store_const": "off"}
KINDS = {
    "validate_string": "text",
    "validate_chdir": "text",
    "validate_statsd_address": "text",
    "validate_reload_engine": "text",
    "validate_http_protocols": "text",
    "validate_header_map_behaviour": "text",
    "validate_asgi_loop": "text",
    "validate_asgi_lifespan": "text",
    "validate_http_parser": "text",
    "validate_http2_cleartext": "word",
    "validate_proxy_protocol": "word",
    "validate_pos_int": "count",
    "validate_http2_stream_limit": "count",
    "validate_http2_window_size": "count",
    "validate_http2_frame_size": "count",
    "validate_bool": "switch",
    "validate_list_string": "texts",
    "validate_list_of_files_or_patterns": "texts",
    "validate_string_to_list": "commas",
    "validate_string_to_addr_list": "commas",
    "validate_dict": "dict",
    "validate_class": "class",
    "validate_user": "account",
    "validate_group": "account",
    "_validate_callable": "function",
    "validate_post_request": "function",
    "validate_ssl_version": "anything",
}


def test_every_setting_has_a_row_and_no_row_is_without_one() -> None:
    assert len(KNOWN) == len(config.KNOWN_SETTINGS) >= 120
    assert sorted(ROWS) == sorted(KNOWN)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_row_says_what_gunicorn_does(name: str) -> None:
    setting, row = KNOWN[name], ROWS[name]
    assert row["section"] == setting.section
    assert row["flags"] == list(setting.cli or [])
    assert row["action"] == ("optional" if setting.nargs == "?" else ACTIONS[setting.action])
    assert row["kind"] == KINDS[setting.validator.__name__]
    default = setting.default
    if callable(default) and not isinstance(default, enum.Enum):
        assert row["kind"] == "function"
        default = None
    if isinstance(default, enum.Enum):
        default = default.value
    varies = {
        "bind": ["127.0.0.1:8000"],
        "workers": 1,
        "forwarded_allow_ips": "127.0.0.1,::1",
        "chdir": None,
        "user": None,
        "group": None,
        "control_socket": None,
    }
    assert row["varies"] == (name in varies)
    assert row["default"] == varies.get(name, default)
    if name in varies and not {"PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"} & set(os.environ):
        here = {"chdir": os.getcwd(), "user": os.geteuid(), "group": os.getegid()}
        assert default == here.get(name, row["default"] or default)


def test_the_flag_that_may_stand_alone_means_what_ours_does_then() -> None:
    alone = [name for name, row in ROWS.items() if row["action"] == "optional"]
    assert [(name, KNOWN[name].const) for name in alone] == [("proxy_protocol", "auto")]
    assert [name for name, row in ROWS.items() if row["action"] == "off"] == ["sendfile"]
    assert KNOWN["sendfile"].const is False
    parser = config.Config().parser()
    known = {flag for action in parser._actions for flag in action.option_strings}
    assert {flag for row in ROWS.values() for flag in row["flags"]} | {"-h", "--help", "-v", "--version"} == known
    assert isinstance(parser, argparse.ArgumentParser)
