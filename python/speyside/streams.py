"""sys.stdout and sys.stderr as the application sees them: what it prints appears at once and in whole lines.

Most callers need install. Every thread assembles its own line, and a line leaves the process with one write(2) as soon
as it is whole: lines of several threads and processes do not mix, also when the streams are pipes, and a killed worker
loses none. A reader that is gone is not the application's fault: print() never raises because of it.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading

ATOMIC = 4096  # PIPE_BUF: the kernel never mixes writes up to this size with others
LONGEST = 65536  # a line without an end is written at this length


class Line:
    """What one thread has written of a line that is not whole yet. A thread that ends leaves it to the output."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.bytes = bytearray()
        self.process = os.getpid()

    def __del__(self) -> None:
        if self.bytes and self.process == os.getpid():
            self.output.write(bytes(self.bytes))


class Output:
    """A descriptor that is written to in whole lines."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._one_writer = threading.RLock()
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._one_writer = threading.RLock()

    def write(self, data: bytes) -> None:
        """Write all of data, lines of up to ATOMIC bytes never in two parts."""
        with self._one_writer:
            while data:
                end = len(data)
                if end > ATOMIC:
                    end = data.rfind(b"\n", 0, ATOMIC) + 1 or data.find(b"\n") + 1 or end
                if not self._write_part(data[:end]):
                    return
                data = data[end:]

    def _write_part(self, part: bytes) -> bool:
        while part:
            try:
                part = part[os.write(self.descriptor, part) :]
            except BlockingIOError:
                writable = select.poll()  # select() would not take a descriptor above 1023
                writable.register(self.descriptor, select.POLLOUT)
                writable.poll()
            except OSError as error:
                if error.errno != errno.EINTR:
                    return False  # the reader is gone, or the disk is full: nobody to tell
        return True


class LineBuffer(io.BufferedIOBase):
    """The binary side of a stream: the `buffer` of sys.stdout."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._output = Output(descriptor)
        self._terminal = os.isatty(descriptor)
        self._lines = threading.local()
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lines = threading.local()

    def _line(self) -> bytearray:
        try:
            line: Line = self._lines.line
        except AttributeError:
            line = self._lines.line = Line(self._output)
        return line.bytes

    def write(self, data: object, /) -> int:
        """Take bytes, and write every line that they complete."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        line = self._line()
        line += view
        end = line.rfind(b"\n", len(line) - len(view)) + 1
        if not end and len(line) > LONGEST:
            end = len(line)
        if end:
            whole = bytes(line[:end])
            del line[:end]
            self._output.write(whole)
        return len(view)

    def flush(self) -> None:
        """Show a line that is not whole yet to a person; a pipe gets it when it is whole."""
        if self._terminal:
            self.finish()

    def finish(self) -> None:
        """Write what this thread has, whole line or not."""
        line = self._line()
        if line:
            rest = bytes(line)
            line.clear()
            self._output.write(rest)

    def close(self) -> None:
        """Write what is left; the descriptor stays open, as it does for sys.stdout of Python."""
        if not self.closed:
            self.finish()
        super().close()

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._output.descriptor

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._terminal


def stream(descriptor: int) -> io.TextIOWrapper:
    """Return a text stream that writes whole lines to the descriptor."""
    return io.TextIOWrapper(
        LineBuffer(descriptor),  # type: ignore[arg-type]
        encoding="utf-8",
        errors="backslashreplace",
        newline="\n",
        write_through=True,
    )


def install() -> None:
    """Put our streams in the place of sys.stdout and sys.stderr."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        before = getattr(sys, name)
        if before is not None:
            before.flush()
        ours = stream(descriptor)
        setattr(sys, name, ours)
        setattr(sys, f"__{name}__", ours)


def capture(descriptor: int) -> None:
    """Have what this process and its children print go to the descriptor from now on."""
    for text in (sys.stdout, sys.stderr):
        if text is not None:
            text.flush()
    finish()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    install()


def finish() -> None:
    """Write what this thread has left in the streams, before the process ends without Python's help."""
    for text in (sys.stdout, sys.stderr):
        buffer = getattr(text, "buffer", None)
        if isinstance(buffer, LineBuffer):
            buffer.finish()
        elif text is not None:
            text.flush()
