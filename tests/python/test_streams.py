"""What is printed leaves the process at once, and in whole lines."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import threading

from speyside import streams


def read(descriptor: int) -> bytes:
    """Return what has arrived and was not read yet."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        return os.read(descriptor, 1 << 20)
    return b""


def test_line_leaves_when_it_is_whole() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    print("a", "é", end="", file=out)
    out.flush()
    assert read(reader) == b""
    print("\nb", file=out)
    assert read(reader) == "a é\nb\n".encode()
    out.buffer.write(b"bytes\n")
    assert read(reader) == b"bytes\n"


def test_terminal_sees_a_line_that_is_not_whole_when_flushed() -> None:
    controller, terminal = pty.openpty()
    out = streams.stream(terminal)
    assert out.isatty()
    print("password: ", end="", flush=True, file=out)
    assert read(controller) == b"password: "


def test_threads_do_not_break_into_lines_of_others() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    received = bytearray()

    def collect() -> None:
        while part := os.read(reader, 65536):
            received.extend(part)

    def write(name: int) -> None:
        for number in range(200):
            print(name, end=" ", file=out)
            print(number, "x" * (number * 40), name, file=out)

    collector = threading.Thread(target=collect)
    collector.start()
    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(writer)
    collector.join()
    lines = received.decode().splitlines()
    assert len(lines) == 800
    for line in lines:
        first, number, *middle, last = line.split(" ")
        assert first == last
        assert "".join(middle) == "x" * (int(number) * 40)


def test_what_a_thread_leaves_is_written_when_it_ends() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    thread = threading.Thread(target=lambda: print("rest", end="", file=out))
    thread.start()
    thread.join()
    del thread
    assert read(reader) == b"rest"


def test_child_does_not_repeat_what_its_parent_began() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    print("parent", end="", file=out)
    pid = os.fork()
    if pid == 0:
        print("child", file=out)
        os._exit(0)
    os.waitpid(pid, 0)
    assert read(reader) == b"child\n"
    print("", file=out)
    assert read(reader) == b"parent\n"


def test_reader_that_is_gone_is_not_the_application_s_fault() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    os.close(reader)
    print("nobody reads this", file=out)


def test_full_pipe_that_does_not_block_is_waited_for() -> None:
    reader, low = os.pipe()
    writer = fcntl.fcntl(low, fcntl.F_DUPFD, 1024)  # as in an application that has many files open
    os.close(low)
    os.set_blocking(writer, False)
    out = streams.stream(writer)
    thread = threading.Thread(target=lambda: print("x" * 300_000, file=out))
    thread.start()
    received = 0
    while received < 300_001:
        received += len(os.read(reader, 65536))
    thread.join()


def test_text_that_is_not_utf8_is_escaped() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    print("\udc80", file=out)
    assert read(reader) == b"\\udc80\n"
    assert (out.encoding, out.errors, out.fileno()) == ("utf-8", "backslashreplace", writer)


def test_line_without_an_end_does_not_grow_for_ever() -> None:
    reader, writer = os.pipe()
    out = streams.stream(writer)
    thread = threading.Thread(target=lambda: out.write("x" * (streams.LONGEST + 1)))
    thread.start()
    received = 0
    while received <= streams.LONGEST:
        received += len(os.read(reader, 65536))
    thread.join()
