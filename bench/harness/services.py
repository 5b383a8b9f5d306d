"""What runs beside the servers of a scenario: a PostgreSQL server of our own, and the programs of the floors.

Callers need `postgres`, a context manager that answers the environment variables by which the application finds it,
`build_floors`, and `Missing`, raised with the reason when something cannot be had on this machine.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FLOORS = Path(__file__).parent.parent / "floors"
DEBIAN = Path("/usr/lib/postgresql")
ROWS = 100
TABLE = f"""
create table item (id integer primary key, name text not null, price integer not null);
insert into item select n, 'item ' || n, n * 100 from generate_series(1, {ROWS}) n;
analyze item;
"""


class Missing(Exception):
    """Something that a scenario needs is not on this machine; the message says what to do."""


def postgres_programs() -> Path:
    """The directory of initdb and pg_ctl: where Debian has the newest version, or on PATH."""
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb")
    if not versions and not found:
        raise Missing("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    return (versions[-1] if versions else Path(str(found)).resolve()).parent


def said(command: list[str | Path], user: str | None, **more: str) -> None:
    """Run a program to its end; Missing with its last line when it failed. PostgreSQL refuses to run as root."""
    done = subprocess.run(
        command, user=user, cwd="/", capture_output=True, text=True, check=False, env=os.environ | more, timeout=60
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(f"{Path(command[0]).name} failed: {words[-1] if words else 'it said nothing'}")


@contextlib.contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """A server with one table, on a Unix socket in a directory of its own, with Debian's settings; both go at the
    end."""
    programs = postgres_programs()
    user = None
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as directory:
        if os.geteuid() == 0:
            user = "postgres"
            try:
                os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
            except KeyError as error:
                raise Missing("there is no user postgres to run PostgreSQL as; it refuses to run as root") from error
        data = f"{directory}/data"
        # Any local user may connect: the applications' servers run as others than the database.
        os.chmod(directory, 0o755)
        said([programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"], user)
        options = f"-k {directory} -c listen_addresses='' -c max_connections=200"
        said([programs / "pg_ctl", "-D", data, "-w", "-l", f"{data}/log", "-o", options, "start"], user)
        try:
            said([programs / "psql", "-h", directory, "-U", "bench", "-q", "-c", TABLE, "postgres"], user)
            yield {"BENCH_DATABASE": directory}
        finally:
            said([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], user)


@cache
def build_floors(directory: Path) -> dict[str, str]:
    """Build the floors into a directory; answer name → reason for those that could not be."""
    directory.mkdir(parents=True, exist_ok=True)
    commands = {
        "epoll": ["cc", "-O2", "-o", str(directory / "epoll"), "epoll.c"],
        "net-http": ["go", "build", "-o", str(directory / "net-http"), "./net-http"],
        "fasthttp": ["go", "build", "-o", str(directory / "fasthttp"), "./fasthttp"],
    }
    failures: dict[str, str] = {}
    for name, command in commands.items():
        try:
            done = subprocess.run(command, cwd=FLOORS, capture_output=True, text=True, check=False, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            failures[name] = f"{command[0]}: {error}"
            continue
        if done.returncode:
            failures[name] = f"could not be built: {done.stderr.strip().splitlines()[-1:]}"
    return failures
