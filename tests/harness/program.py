"""The program under test: where it is, how it is started, and what it must never write.

Environment:
    SPEYSIDE          the program; by default `speyside` beside this Python
    SANITIZER_LIBRARY  a sanitizer's library; the extension under test was built with that sanitizer
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import processes

NOT_TAKEN = ("PORT", "WEB_CONCURRENCY", "PYTHONPATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV")
TESTS = Path(__file__).resolve().parent.parent
MARK = "MARK_OF_THE_TEST"
PRELOAD = os.environ.get("SANITIZER_LIBRARY", "")
SANITIZED = bool(PRELOAD)
PATIENCE = 60.0 if SANITIZED else 20.0

# Whatever a client or an application does, a server never writes this.
NEVER = re.compile(
    r"^panic: |^fatal error: |^goroutine \d+ \[|^runtime: |unexpected fault address|front panicked|front failed"
    r"|AddressSanitizer|: runtime error: |UndefinedBehavior|^Segmentation fault|^Fatal Python error"
    r"|worker failed|misspoke|exit handler failed|cleanup failed|Exception ignored in|sys\.unraisablehook"
    r"|zygote did not|SPY0403|SPY0404",
    re.MULTILINE,
)
# Nor this, unless the test provokes it.
UNLESS_PROVOKED = re.compile(r"^ *Traceback \(most recent call last\)|^\S+ \S+ \S+ (ERROR|WARN ) ", re.MULTILINE)


def find() -> str:
    """Return the program's path."""
    beside = Path(sys.executable).parent / "speyside"  # not resolved: a virtual environment links its Python
    found = os.environ.get("SPEYSIDE") or (str(beside) if os.access(beside, os.X_OK) else shutil.which("speyside"))
    assert found, "the speyside program was not found: install it beside this Python, or name it in $SPEYSIDE"
    return str(Path(found).absolute())


def command(*arguments: str) -> list[str]:
    """Return the command line."""
    return [find(), *arguments]


def environment(changes: Mapping[str, str | None], mark: str) -> dict[str, str]:
    """Return what the program is started with: no setting of the caller's, and the changes (None removes)."""
    clean = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean.get('PATH', os.defpath)}"
    clean[MARK] = mark
    if PRELOAD:
        clean["LD_PRELOAD"] = PRELOAD
        clean["PYTHONMALLOC"] = "malloc"
        clean["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1:handle_segv=0:quarantine_size_mb=16"
        clean["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:abort_on_error=1"
    for name, value in changes.items():
        clean.pop(name, None)
        if value is not None:
            clean[name] = value
    return clean


def _is_setting(name: str) -> bool:
    return name.startswith("SPEYSIDE") or name in NOT_TAKEN


def new_mark() -> str:
    """Return what the processes of one server are known by."""
    return uuid.uuid4().hex


def left(mark: str) -> list[int]:
    """Return the processes of a server that are still there."""
    return processes.marked(MARK, mark)


@dataclass(frozen=True)
class Ended:
    """A program that has ended by itself."""

    code: int
    stdout: str
    stderr: str


def end_of(
    *arguments: str, env: Mapping[str, str | None] | None = None, cwd: Path = TESTS, seconds: float = PATIENCE
) -> Ended:
    """Run the program until it ends by itself; fail when it does not, or has left a process behind."""
    mark = new_mark()
    process = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(env or {}, mark),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"{arguments} did not end:\n{(stdout + stderr).decode()}") from error
    ended = Ended(process.returncode, stdout.decode(), stderr.decode())
    check(ended.stdout + ended.stderr, provoked=True)
    assert not left(mark), f"processes were left behind: {left(mark)}"
    return ended


def check(text: str, provoked: bool) -> None:
    """Fail when the server wrote what it should not have."""
    for pattern in (NEVER,) if provoked else (NEVER, UNLESS_PROVOKED):
        found = pattern.search(text)
        assert not found, f"the server wrote {found.group()!r}:\n{text[max(0, found.start() - 2000) :][:12000]}"


def spawn(
    arguments: Sequence[str],
    env: Mapping[str, str | None],
    mark: str,
    cwd: Path,
    within: Sequence[str] = (),
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own; `within` is a command that runs it, the descriptors are inherited."""
    return subprocess.Popen(
        [*within, *command(*arguments)],
        pass_fds=descriptors,
        cwd=cwd,
        env=environment(env, mark),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
