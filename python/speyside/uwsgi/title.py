"""How a process is called in lists of processes: what `ps` and `pgrep -f` show in the place of its command line.

Most callers need show. The kernel shows the memory that the arguments came in, so a name has no more room than
they had.
"""

from __future__ import annotations

ARGUMENTS = 45  # where in /proc/PID/stat their memory begins; behind the name of the program, counted from 0


def show(text: str) -> None:
    """Have lists of processes show this; raise OSError where the kernel does not let us."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[ARGUMENTS]), int(fields[ARGUMENTS + 1])
    room = end - start
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(text.encode()[: room - 1].ljust(room, b"\0"))
