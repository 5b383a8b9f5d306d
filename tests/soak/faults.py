"""Every fault that can befall a server, injected again and again; which and when, a seed decides."""

from __future__ import annotations

import os
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGKILL, SIGSTOP

from harness import PATIENCE, Server, processes, until
from harness.load import Load

from .segment import CLAIMED, Segment

WEIGHTS = {
    "kill": 10,
    "kill_claimed": 8,
    "stop_claimed": 4,
    "stop": 6,
    "kill_zygote": 2,
    "stop_zygote": 1,
    "segfault": 2,
    "exit": 2,
    "suicide": 2,
    "hog": 2,
    "reload": 5,
    "storm": 1,
    "broken": 2,
    "slow": 1,
    "unforked": 1,
    "hanging": 2,
}


class Faults:
    """Injects faults into one server."""

    def __init__(self, server: Server, load: Load, directory: Path, seed: int) -> None:
        self.server, self.load, self.directory = server, load, directory
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.stopped: dict[int, float] = {}  # how long each process was
        self._hanging: list[socket.socket] = []

    def run(self, seconds: float) -> None:
        """Inject faults for so long, with pauses in which the server may recover or not."""
        end = time.monotonic() + seconds
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        order = self.chance.sample(names, len(names))  # each once, then as the weights say
        while time.monotonic() < end:
            name = order.pop() if order else self.chance.choices(names, weights)[0]
            if getattr(self, name)():
                self.done[name] += 1
            time.sleep(self.chance.choice((0, 0.05, 0.5, 1.5)))
            stuck = self.load.stuck(45)
            assert not stuck, f"requests wait for ever: {stuck[:3]}"
        self.let_go()

    def let_go(self) -> None:
        """Close what hangs."""
        for client in self._hanging:
            client.close()
        self._hanging.clear()

    # Workers

    def _workers(self) -> list[int]:
        return [pid for pid in self.server.tree() if pid != self.server.front and pid not in self._zygotes()]

    def _zygotes(self) -> list[int]:
        return [pid for pid in processes.children(self.server.front) if processes.children(pid)]

    def _some(self, pids: list[int]) -> int:
        return self.chance.choice(pids) if pids else 0

    def kill(self) -> bool:
        """SIGKILL, whatever a worker is at."""
        return signal(self._some(self._workers()), SIGKILL)

    def kill_claimed(self) -> bool:
        """SIGKILL between claim and start."""
        pid = self._stop_claimed()
        return signal(pid, SIGKILL)

    def stop_claimed(self) -> bool:
        """SIGSTOP between claim and start, and SIGCONT when another worker has it."""
        pid = self._stop_claimed()
        return bool(pid) and self._go_on(pid, self.chance.uniform(1.0, 1.6))

    def _stop_claimed(self) -> int:
        """Stop a worker that has claimed a request and not started it; 0 when none was met."""
        with self.told("claimed"):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                for pid in self._workers():
                    if holds_claimed(pid) and signal(pid, SIGSTOP):
                        until(partial(processes.stopped, pid), "a worker that is stopped", PATIENCE)
                        if holds_claimed(pid):
                            return pid
                        self._go_on(pid, 0)  # any request is claimed for some µs: it has been started since
        return 0

    def stop(self) -> bool:
        """SIGSTOP anywhere, and SIGCONT before or after it is given up."""
        pid = self._some(self._workers())
        stopped = signal(pid, SIGSTOP)
        return stopped and self._go_on(pid, self.chance.choice((0.02, 0.2, 1.2, 3.0)))

    def _go_on(self, pid: int, seconds: float) -> bool:
        """SIGCONT after a while; true also when it was given up meanwhile."""
        began = time.monotonic()
        time.sleep(seconds)
        signal(pid, SIGCONT)
        self.stopped[pid] = self.stopped.get(pid, 0) + time.monotonic() - began
        return True

    def segfault(self) -> bool:
        """The application dies in C code."""
        return self._ask("segfault")

    def exit(self) -> bool:
        """The application ends its process."""
        return self._ask("exit")

    def suicide(self) -> bool:
        """The application is killed by itself."""
        return self._ask("kill")

    def hog(self) -> bool:
        """The application uses all the memory it may have."""
        return self._ask("hog")

    def _ask(self, kind: str) -> bool:
        self.load.ask(kind, self.chance)
        return True

    # The zygote

    def kill_zygote(self) -> bool:
        """SIGKILL."""
        return signal(self._some(self._zygotes()), SIGKILL)

    def stop_zygote(self) -> bool:
        """SIGSTOP while a worker dies, and SIGCONT."""
        pid = self._some(self._zygotes())
        stopped = signal(pid, SIGSTOP)
        self.kill()
        time.sleep(self.chance.uniform(0.1, 1.0))
        signal(pid, SIGCONT)
        return stopped

    def unforked(self) -> bool:
        """No process can be made while a worker dies."""
        with self.told("unforked"):
            self.kill()
            time.sleep(self.chance.uniform(0.2, 1.5))
        return True

    # Reloads

    def reload(self) -> bool:
        """Reload, and go on at once."""
        self.server.interrupt(SIGHUP)
        return True

    def storm(self) -> bool:
        """Reload every 100 ms."""
        for _ in range(self.chance.randint(5, 20)):
            self.server.interrupt(SIGHUP)
            time.sleep(0.1)
        return True

    def broken(self) -> bool:
        """Reload an application that cannot be imported."""
        return self._reload("broken", r"reload failed ")

    def slow(self) -> bool:
        """Reload an application that takes its time."""
        return self._reload("slow", r"took over ")

    def _reload(self, how: str, outcome: str) -> bool:
        self._settle()
        with self.told(how):
            mark = self.server.stderr.mark
            self.server.interrupt(SIGHUP)
            self.server.log(rf"reload failed |{outcome}", mark)
        return True

    def _settle(self) -> None:
        """Wait until no reload is under way."""

        def settled() -> bool:
            text = self.server.stderr.text()
            begun = re.findall(r"reload began generation=(\d+)", text)
            ended = re.findall(r"(?:took over|reload failed) generation=(\d+)", text)
            return not begun or max(map(int, begun)) <= max(map(int, ended), default=1)

        until(settled, "the end of the reload", PATIENCE)

    @contextmanager
    def told(self, how: str) -> Iterator[None]:
        """Tell the application how to behave."""
        (self.directory / how).touch()
        try:
            yield
        finally:
            (self.directory / how).unlink()

    # The control socket

    def hanging(self) -> bool:
        """Clients of the control socket that say nothing, half of what they want, or do not read."""
        names = re.findall(rf"@(speyside\.{self.server.front}\.\w+)$", Path("/proc/net/unix").read_text(), re.MULTILINE)
        if not names:
            return False
        if len(self._hanging) > 20:
            self.let_go()
        for said in (b"", b"GET /st", b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n"):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(PATIENCE)
            client.connect("\0" + names[0])
            try:
                client.sendall(said)
            except OSError:  # there are enough
                pass
            self._hanging.append(client)
        return True


def signal(pid: int, number: int) -> bool:
    """Send a signal to a process that may be gone; 0 is none."""
    if not pid:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def holds_claimed(pid: int) -> bool:
    """Say whether a worker has claimed a request and not started it."""
    try:
        segment = Segment.of_worker(pid)
        number = segment.number(pid)
        return any(state.kind == CLAIMED and state.worker == number for state in segment.states(64))
    except (OSError, LookupError):
        return False
