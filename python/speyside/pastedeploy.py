"""Applications of PasteDeploy files: `development.ini`, `development.ini#name`, `config:FILE#name`.

Most callers need load, which the loader calls. PasteDeploy itself comes from the application's environment, where
Pyramid has brought it. Logging is set up as the file says before the application is there, as pserve does.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from speyside import _faults
from speyside.failure import Failure, summary

PREFIX = "config:"


def names_one(name: str) -> bool:
    """Tell whether an application is named by a PasteDeploy file."""
    return name.startswith(PREFIX) or name.partition("#")[0].endswith(".ini")


def load(name: str, variables: Mapping[str, str]) -> object:
    """Return the application of this name, or raise Failure; the variables are the file's global configuration."""
    path, _, application = name.removeprefix(PREFIX).partition("#")
    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise Failure(_faults.IMPORT_FAILED, f"there is no file {path}", f"the directory is {os.getcwd()}.")
    deploy = _paste_deploy(path)
    defaults = {"here": os.path.dirname(full), "__file__": full, **variables}
    try:
        _set_up_logging(full, defaults)
    except Exception as error:
        text = f"setting up logging as {path} says: {summary(error)}"
        raise Failure(_faults.IMPORT_FAILED, text, "", error) from error
    try:
        return deploy.loadapp(PREFIX + quote(full), name=application or "main", global_conf=defaults)
    except (Exception, SystemExit) as error:
        if isinstance(error, RecursionError) and _in_a_circle(error):
            text = f"loading {name}: sections that `use` each other in a circle"
            hint = "follow the lines `use =` from the application's section on."
            raise Failure(_faults.IMPORT_FAILED, text, hint) from error
        raise Failure(_faults.IMPORT_FAILED, f"loading {name}: {summary(error)}", "", error) from error


def _in_a_circle(error: RecursionError) -> bool:
    """Tell whether it is PasteDeploy that called itself, and not the application."""
    frames = traceback.extract_tb(error.__traceback__)
    return sum(frame.name == "get_context" for frame in frames) > len(frames) // 8


def _paste_deploy(path: str) -> Any:
    try:
        return importlib.import_module("paste.deploy")
    except ModuleNotFoundError as error:
        if error.name not in ("paste", "paste.deploy"):
            raise Failure(_faults.IMPORT_FAILED, f"importing paste.deploy: {summary(error)}", "", error) from error
        text = f"{path} is loaded by PasteDeploy, which is not installed for {sys.executable}"
        install = f"{sys.executable} -m pip install PasteDeploy"
        hint = f"install it there: {install}; or name the environment that has it with --venv."
        raise Failure(_faults.IMPORT_FAILED, text, hint) from error


def _set_up_logging(path: str, defaults: Mapping[str, str]) -> None:
    import configparser
    import logging.config

    parser = configparser.RawConfigParser(strict=False)
    parser.read(path)
    if parser.has_section("loggers"):
        logging.config.fileConfig(path, dict(defaults), disable_existing_loggers=False)
    else:
        logging.basicConfig()
