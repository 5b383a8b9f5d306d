"""Whatever befalls its processes, a server answers every request once, and is whole afterwards.

Ten minutes when SPEYSIDE_SOAK is set (make soak), else some seconds. SPEYSIDE_SEED repeats a run, as far as timing
allows.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from harness.client import request

from harness import PATIENCE, SANITIZED, Server, running, until
from harness.load import Load, long
from harness.processes import descriptors, resident

from .faults import Faults, holds_claimed
from .segment import FREE, STARTED, Inside, Segment, segments

SOAK = bool(os.environ.get("SPEYSIDE_SOAK"))
AGAIN = bool(os.environ.get("SPEYSIDE_AGAIN"))  # the same tests ran on another Python already
SECONDS = float(os.environ.get("SPEYSIDE_SECONDS") or (600 if SOAK else 15))
SEED = int(os.environ.get("SPEYSIDE_SEED") or random.randrange(1 << 16))
CLIENTS = 10
WORKERS = 3
SETTLED = 60.0  # seconds within which everything is as it was: crash loops have backed off meanwhile
GROWTH = 64 << 20  # of the front


def whole(server: Server) -> str:
    """Say what is not as it was; "" when nothing is left of all the faults."""
    found = segments(server)
    if len(found) != 1:
        return f"{len(found)} segments"
    tree = server.tree()
    working = [pid for pid in tree if found[0].has(pid)]
    if len(working) != WORKERS or len(tree) != 2 + WORKERS:
        return f"workers {working} of processes {tree}"
    used = [(number, state) for number, state in enumerate(found[0].states()) if state.kind != FREE]
    return f"slots in use {used}" if used else f"{found[0].blocks()} blocks in use" if found[0].blocks() else ""


def environment(directory: Path) -> dict[str, str]:
    """Return what the application needs, and what has a worker wait between claim and start."""
    library = directory / "claimed.so"
    source = Path(__file__).with_name("claimed.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LEDGER": str(directory), "CLAIMED": str(directory / "claimed"), "LD_PRELOAD": str(library)}


@pytest.mark.skipif(SANITIZED, reason="only one library can be loaded before the others")
def test_worker_that_comes_late_writes_nothing_into_a_slot_that_another_has(tmp_path: Path) -> None:
    with (
        running("apps.ledger:application", workers=2, threads=1, env=environment(tmp_path)) as server,
        server.connect() as client,
    ):
        (tmp_path / "claimed").touch()
        client.send(request("GET", long("a")))
        workers = server.workers().values()
        late = until(lambda: next(filter(holds_claimed, workers), 0), "a worker between claim and start", PATIENCE)
        os.kill(late, SIGSTOP)
        (tmp_path / "hold").touch()
        (tmp_path / "claimed").unlink()
        until(lambda: (tmp_path / "starts").read_text(), "its start in the other worker", PATIENCE)
        (tmp_path / "hold").unlink()
        segment = Segment.of_worker(late)
        (slot,) = (number for number, state in enumerate(segment.states()) if state.kind == STARTED)
        thread = segment.thread(slot)
        os.kill(late, SIGCONT)
        assert int(server.get("/?name=b").text.split()[2]) == late  # by then it has seen that it came too late
        assert segment.thread(slot) == thread
        (tmp_path / "gate").touch()
        name, _, pid, _ = client.reply().text.split()
        assert name == "a" and int(pid) in set(workers) - {late}


@pytest.mark.skipif(SANITIZED or AGAIN, reason="timing under sanitizers is another; one Python is enough")
def test_every_request_is_accounted_for_whatever_befalls(tmp_path: Path) -> None:
    seed = f"SPEYSIDE_SEED={SEED}"
    print(seed)
    with running(
        "apps.ledger:application",
        "--timeout=2",
        "--timeout-grace=1",
        "--graceful-timeout=10",
        workers=WORKERS,
        threads=2,
        env=environment(tmp_path),
        provoked=True,
    ) as server:
        before, size = descriptors(server.front), resident(server.front)
        load = Load(server, tmp_path, CLIENTS, SEED)
        faults = Faults(server, load, tmp_path, SEED)
        try:
            faults.run(SECONDS)
        finally:
            faults.let_go()
            load.finish()
            (tmp_path / "stderr").write_text(server.stderr.text())  # the whole of it, for whoever looks why
        wrong, excused = load.account(faults.stopped)
        print(f"{dict(load.outcomes())} beside {dict(faults.done)}; {len(excused)} died before their first line")
        print(*excused, sep="\n")
        assert not wrong, f"{seed}: {len(wrong)} of {len(load.asked())} requests\n" + "\n".join(wrong[:20])
        try:
            until(lambda: not whole(server), "", SETTLED)
        except AssertionError as error:
            raise AssertionError(f"{seed}: {whole(server)}\n{server.stderr.text()[-3000:]}") from error
        until(lambda: not Inside(server).holding().spooled, f"{seed}: the end of what was spooled", SETTLED)
        until(
            lambda: descriptors(server.front) <= before + 1, f"{seed}: {before} descriptors of the front again", SETTLED
        )
        grown = resident(server.front) - size
        print(f"the front grew by {grown >> 20} MiB")
        assert grown < GROWTH, f"{seed}: the front grew by {grown} bytes"
