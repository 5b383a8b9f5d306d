"""Measures the worker's side of a request: python tests/gateway/measure.py [rounds]

64 slots are filled and served again and again by serve(), with nobody on the other side; what is printed is the CPU
time of one request from claim to done, application included, for a few shapes. The first line is what Python alone
takes to call the application with a start_response that does nothing.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import conftest  # noqa: F401  (finds the extension)
from front import SIZES, Front, N
from speyside import _gateway

SLOTS = 64
WRK = [(b"Host", b"127.0.0.1:8000")]
BROWSER = [
    (b"Host", b"127.0.0.1:8000"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Connection", b"keep-alive"),
    (b"Cookie", b"sessionid=0123456789abcdef0123456789abcdef"),
    (b"Upgrade-Insecure-Requests", b"1"),
    (b"Sec-Fetch-Dest", b"document"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Sec-Fetch-Site", b"none"),
    (b"Sec-Fetch-User", b"?1"),
]


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello World !"]


def hello_length(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello World !"]


def stream(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    yield b"Hello World !"


def measure(front: Front, application: Any, rounds: int, **request: Any) -> float:
    """Nanoseconds per request, the median of the rounds."""
    window = front.at["WindowAt"]
    for slot in range(SLOTS):
        front.fill(slot, port=b"%d" % (50000 + slot), **request)
    first, last = front.at["SlotsAt"], front.at["SlotsAt"] + SLOTS * SIZES["Slot"]
    filled = front.memory[first:last]
    homes = front.at["HomesAt"], front.at["HomesAt"] + SLOTS * N.HomeSize
    heads = front.memory[homes[0] : homes[1]]
    for slot in range(SLOTS):
        front.push(slot)
    tail = front.get("Window", window, "Tail")
    times = []
    for _ in range(rounds):
        front.memory[first:last] = filled
        front.memory[homes[0] : homes[1]] = heads
        front.put("Window", window, "Head", tail - SLOTS)
        start = time.perf_counter_ns()
        _gateway.serve(application, 0, 0, SLOTS)
        times.append((time.perf_counter_ns() - start) / SLOTS)
    assert front.state(0) == N.StateDone and not front.reports, front.reports
    return statistics.median(times)


def bare(rounds: int) -> float:
    environ: dict[str, object] = {}
    start_response = dict[object, object]().pop  # a function in C that takes two arguments and does next to nothing
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        for _ in range(SLOTS):
            hello(environ, start_response)
        times.append((time.perf_counter_ns() - start) / SLOTS)
    return statistics.median(times)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    front = Front(slots=SLOTS, window=SLOTS).attach()
    print(f"{bare(rounds):7.0f} ns  python alone")
    shapes: list[tuple[str, Any, dict[str, Any]]] = [
        ("hello", hello, dict(fields=WRK)),
        ("hello with a length", hello_length, dict(fields=WRK)),
        ("generator with a length", stream, dict(fields=WRK)),
        ("hello, a browser's headers", hello, dict(fields=BROWSER, target=b"/some/path?with=query")),
        ("hello, POST of 100 bytes", hello, dict(fields=WRK, method=b"POST", body=b"x" * 100)),
    ]
    for name, application, request in shapes:
        print(f"{measure(front, application, rounds, **request):7.0f} ns  {name}")


if __name__ == "__main__":
    main()
