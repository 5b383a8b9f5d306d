"""python -m speyside: find the speyside program that belongs to this Python, and become it."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig


def places() -> list[str]:
    """Return where the program may be, in the order of preference."""
    directories = [
        sysconfig.get_path("scripts"),  # pip in a virtual environment
        os.path.dirname(sys.executable),  # a Python that was moved together with its scripts
        sysconfig.get_path("scripts", scheme="posix_user"),  # pip install --user
    ]
    found = [os.path.join(directory, "speyside") for directory in directories if directory]
    on_path = shutil.which("speyside")
    return list(dict.fromkeys([*found, *([on_path] if on_path else [])]))


def variables(given: list[str], environment: dict[str, str]) -> dict[str, str]:
    """Say which Python to use, unless the user has: with a variable, since any command may be the first argument."""
    said = any(one.partition("=")[0] in ("--python", "--venv") for one in given)
    if said or not environment.keys().isdisjoint(("SPEYSIDE_PYTHON", "SPEYSIDE_VENV")):
        return {}
    return {"SPEYSIDE_PYTHON": sys.executable}


def main() -> None:
    """Become the program, in the same process."""
    given = sys.argv[1:]
    for path in places():
        if os.access(path, os.X_OK):
            os.execve(path, [path, *given], {**os.environ, **variables(given, dict(os.environ))})
    print("speyside: error: the speyside program was not found", file=sys.stderr)
    for path in [*places(), "PATH"]:
        print(f"speyside:   looked for {path}", file=sys.stderr)
    print(f"speyside: hint: install it with {sys.executable} -m pip install speyside", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
