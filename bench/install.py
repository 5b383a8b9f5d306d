"""Make the virtual environment that the benchmark's peers and applications live in.

Use: ``python bench/install.py DIRECTORY``. Callers need `install` and `FAILURES`, the file beside the environment in
which a requirement that could not be installed is written down with its reason, for run.py to report by name.
It installs no system package: it prints which one is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
FAILURES = "failures.json"
STAMP = "installed.txt"
HINTS = {
    "bjoern": "bjoern is built against libev; on Debian: apt-get install libev-dev",
    "mod_wsgi": "mod_wsgi is built against Apache; on Debian: apt-get install apache2 apache2-dev",
}
# Linked against the Python that built them: a wheel that pip kept from another one of the same version does not do.
LINKED = {"mod_wsgi", "uWSGI"}


def requirements(text: str) -> list[str]:
    """Lines of a requirements file without comments and blank lines."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def reason(output: str) -> str:
    """The line of pip's output that says most: the compiler's first error, else pip's own."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in ("fatal error:", "ERROR:", "error:"):
        for line in lines:
            if mark in line:
                return line
    return lines[-1] if lines else "pip said nothing"


def install(directory: Path) -> dict[str, str]:
    """Install every requirement into directory; answer name → reason for those that could not be."""
    text = REQUIREMENTS.read_text()
    stamp = directory / STAMP
    wanted = f"{sys.version}\n{text}"
    if stamp.exists() and stamp.read_text() == wanted:
        return {}
    venv.EnvBuilder(with_pip=True, symlinks=True, clear=True).create(directory)
    python = str(directory / "bin" / "python")
    failures: dict[str, str] = {}
    for requirement in requirements(text):
        print(f"bench: installing {requirement}", flush=True)
        name = requirement.partition("==")[0].partition("[")[0]
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", "-q", requirement]
        command += ["--no-cache-dir"] if name in LINKED else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            failures[name] = reason(done.stdout + done.stderr)
            print(f"bench: {name} could not be installed: {failures[name]}")
            if name in HINTS:
                print(f"bench: hint: {HINTS[name]}")
    (directory / FAILURES).write_text(json.dumps(failures, indent=2) + "\n")
    if not failures:
        stamp.write_text(wanted)
    return failures


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/install.py DIRECTORY")
    install(Path(sys.argv[1]).absolute())
