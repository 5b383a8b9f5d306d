"""Executes a configuration file as gunicorn does, and tells what it says.

Most callers need read, and Configuration.told for the fact about it. The file is the module `__config__`, executed in
the directory that the server was started in, which is first on sys.path meanwhile. It is the user's program: it may do
anything, but a file that does not come to its end in time, or cannot be one, is a Failure with file and line.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType
from typing import Any, NamedTuple

from speyside import _faults
from speyside.failure import Failure, internal, summary
from speyside.gunicorn import hooks, tell
from speyside.gunicorn.hooks import Hook

LARGEST = 1 << 20  # bytes of a file; a configuration has some thousands
MODULE = "__config__"
BYTECODE = ".pyc"


class Configuration(NamedTuple):
    """What was read."""

    file: str  # absolute; "" for a module that has none
    names: dict[str, Any]  # everything at the top level
    hooks: dict[str, Hook]
    settings: Sequence[str]  # the names that count

    def told(self) -> dict[str, object]:
        """Return the fields of ConfigurationRead."""
        return tell.fields(self.file, self.names, self.hooks, self.settings)


class TooLong(BaseException):
    """The time is over; no `except Exception` of the file's is to swallow it."""


def read(directory: str, file: str, module: str, settings: Sequence[str], limit: float) -> Configuration:
    """Execute a file, or import a module, in a directory and within so many seconds; raise Failure if that fails.

    The directory is named because it may be behind a link that leads elsewhere since the server was started.
    """
    directory, process = directory or os.getcwd(), os.getpid()
    try:
        os.chdir(directory)
    except OSError as error:
        raise Failure(_faults.CONFIGURATION_FAILED, f"{directory} cannot be entered: {error.strerror}") from error
    if directory not in sys.path:
        sys.path.insert(0, directory)
    spelled = file or module
    try:
        with _limited(limit):
            found = _execute(file) if file else importlib.import_module(module)
            known = hooks.find(vars(found), settings)
    except hooks.Unfit as unfit:
        text = _at(unfit, spelled, unfit.name) + str(unfit)
        hint = "docs/migrating-gunicorn.md says what each hook is given."
        raise Failure(_faults.CONFIGURATION_FAILED, text, hint) from unfit
    except BaseException as error:  # also SystemExit, and what interrupts from outside
        raise _failure(error, spelled, limit) from error
    finally:
        if os.getpid() != process:
            os._exit(0)  # a child that the file has forked and let go on
        os.chdir(directory)  # gunicorn changes to its `chdir` afterwards, too
    path = getattr(found, "__file__", None)
    return Configuration(os.path.abspath(path) if path else "", vars(found), known, settings)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TooLong in the main thread when the time is over, and again each second where that was swallowed."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) is ring:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from source that has been read already, and leaves no bytecode beside it."""

    def __init__(self, path: str, source: bytes) -> None:
        super().__init__(MODULE, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source."""
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _execute(file: str) -> ModuleType:
    """Execute the file as gunicorn does."""
    if file.endswith(BYTECODE):
        spec = importlib.util.spec_from_file_location(MODULE, file)
    else:
        spec = importlib.util.spec_from_file_location(MODULE, file, loader=_Loader(file, _source(file)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be executed")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def _source(file: str) -> bytes:
    with open(file, "rb") as opened:
        source = opened.read(LARGEST + 1)
    if len(source) > LARGEST:
        text = f"{file} is larger than {LARGEST >> 20} MiB, which no configuration is"
        raise Failure(_faults.CONFIGURATION_FAILED, text, "name the configuration file with --config.")
    return source


def _failure(error: BaseException, spelled: str, limit: float) -> Failure:
    """Say in one line what is wrong with the file, and where."""
    if isinstance(error, Failure):
        return error
    at = _at(error, spelled)
    hint = ""
    cause: BaseException | None = error
    if isinstance(error, TooLong):
        text, hint = f"was not done after {limit:g} s", "start nothing in a configuration that does not end."
    elif isinstance(error, SystemExit):
        text, hint = f"called sys.exit({error.code!r})", "a configuration is executed to its end."
    elif isinstance(error, OSError) and at == f"{spelled}: " and error.strerror:
        text, cause = error.strerror[:1].lower() + error.strerror[1:], None
    else:
        text = summary(error)
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "gunicorn":
            hint = "the configuration imports gunicorn itself: install it beside speyside, or leave that import out."
    return Failure(_faults.CONFIGURATION_FAILED, at + text, hint, cause)


def _at(error: BaseException, spelled: str, name: str = "") -> str:
    """Return `file:line: ` of what went wrong: the innermost line of the file itself, else of the user's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 0}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not internal(frame.filename)]
    own = [frame for frame in frames if frame.filename == spelled] or frames
    if own:
        return f"{own[-1].filename}:{own[-1].lineno}: "
    line = tell.lines_of(spelled).get(name, 0)
    return f"{spelled}:{line}: " if line else f"{spelled}: "
