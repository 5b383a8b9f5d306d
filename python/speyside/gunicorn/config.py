"""What a hook sees as `server.cfg` and `worker.cfg`: every setting of gunicorn as an attribute.

Most callers need Config. The values are those in effect, from the file, the command line and the environment; what only
Python can have, such as a class, is the file's own.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Mapping
from typing import Any

from speyside import report
from speyside.gunicorn.hooks import ARGUMENTS, Hook

DEFAULT_PORT = 8000
LOG_CONFIGURATIONS = ("logconfig", "logconfig_dict", "logconfig_json")


class Setting:
    """One setting: `cfg.settings["bind"]`."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value

    def get(self) -> Any:
        """Return the value."""
        return self.value


class Config:
    """All settings. What a hook sets here other hooks see; the server itself has read it before."""

    def __init__(self, values: Mapping[str, Any], own: Mapping[str, Any], hooks: Mapping[str, Hook]) -> None:
        """Take what the front says is in effect, what the file has by itself, and the hooks."""
        known: dict[str, Any] = {name: _does_nothing for name in ARGUMENTS}
        known |= own
        known |= {name: value for name, value in values.items() if value is not None or name not in known}
        known |= {name: hook.call for name, hook in hooks.items()}
        known["user"] = _number(known.get("user"), os.geteuid(), lambda name: pwd.getpwnam(name).pw_uid)
        known["group"] = _number(known.get("group"), os.getegid(), lambda name: grp.getgrnam(name).gr_gid)
        self.settings = {name: Setting(name, value) for name, value in known.items()}
        self.env_orig = dict(os.environ)

    def __getattr__(self, name: str) -> Any:
        """Return the value of a setting."""
        if name == "settings" or name not in self.settings:
            raise AttributeError(f"there is no setting {name!r}")
        return self.settings[name].value

    def set(self, name: str, value: object) -> None:
        """Change what hooks see."""
        if name not in self.settings:
            raise AttributeError(f"there is no setting {name!r}")
        report.record(
            "WARN", "setting not changed", setting=name, why="a hook set it when the server had read it already"
        )
        self.settings[name].value = value

    def value(self, name: str, default: Any = None) -> Any:
        """Return the value of a setting, or the default when there is none."""
        found = self.settings[name].value if name in self.settings else None
        return default if found is None else found

    @property
    def env(self) -> dict[str, str]:
        """What `raw_env` sets."""
        pairs = (entry.partition("=") for entry in self.value("raw_env", []))
        return {name: value for name, _, value in pairs}

    @property
    def proc_name(self) -> str:
        """The name of the processes."""
        return str(self.value("proc_name") or self.value("default_proc_name", ""))

    @property
    def address(self) -> list[Any]:
        """What `bind` says: pairs of host and port, and paths."""
        bound = self.value("bind", [])
        return [_address(str(one)) for one in ([bound] if isinstance(bound, str) else bound)]

    @property
    def uid(self) -> int:
        """The user that workers are."""
        return int(self.value("user", os.geteuid()))

    @property
    def gid(self) -> int:
        """The group that workers are of."""
        return int(self.value("group", os.getegid()))

    @property
    def worker_class_str(self) -> str:
        """The name of the worker class; `sync` with threads is gthread."""
        name = self.value("worker_class", "sync")
        name = name if isinstance(name, str) else name.__name__
        is_sync = name == "sync" or name.endswith("SyncWorker")
        return "gthread" if is_sync and int(self.value("threads", 1)) > 1 else name

    @property
    def is_ssl(self) -> bool:
        """Whether the server has a certificate."""
        return bool(self.value("certfile") or self.value("keyfile"))

    @property
    def logs_access(self) -> bool:
        """Whether lines for requests go through the user's loggers, which only Python has."""
        return any(self.value(name) for name in LOG_CONFIGURATIONS)

    def __str__(self) -> str:
        """Return one line for each setting."""
        widest = max(map(len, self.settings), default=0)
        return "\n".join(
            f"{name:{widest}} = {_shown(setting.value)}" for name, setting in sorted(self.settings.items())
        )


def _does_nothing(*arguments: object) -> None:
    """Be a hook that is not there."""


def _number(value: object, own: int, find: Callable[[str], int]) -> object:
    """Return the number of a user or group, as gunicorn has it; the front has refused what there is not."""
    text = "" if value is None else str(value)
    if text.isdecimal():
        return int(text)
    try:
        return find(text) if text else own
    except KeyError:  # it was there when the front looked
        return value


def _shown(value: object) -> object:
    return f"<{value.__qualname__}()>" if isinstance(value, Callable) and hasattr(value, "__qualname__") else value  # type: ignore[arg-type]


def _address(text: str) -> Any:
    if text.startswith("unix:"):
        return text.removeprefix("unix:").removeprefix("//")
    if text.startswith("fd://"):
        return int(text.removeprefix("fd://"))
    text = text.removeprefix("tcp://")
    if not text:
        return "0.0.0.0", DEFAULT_PORT  # noqa: S104 - what no address means
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    return host.strip("[]").lower(), int(port)
