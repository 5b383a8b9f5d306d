"""What importing an application has left behind that does not survive a fork: threads, sockets and event loops.

Most callers need found, which the zygote asks after the import, with what before() said. A thread does not exist in a
forked worker; a connection or an event loop would be shared by all of them, and mix what they say. A native thread of
a library that stops its threads for a fork, as numpy's do, is none.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
import warnings
from collections.abc import Set

TASKS, DESCRIPTORS = "/proc/self/task", "/proc/self/fd"
STREAMS = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)  # a datagram is whole, whoever sends it


def before() -> Set[tuple[int, str]]:
    """Return the descriptors that are there already."""
    return set(_descriptors())


def found(known: Set[tuple[int, str]]) -> list[str]:
    """Return what is left behind, each as a few words for the operator."""
    ours = [_told(thread) for thread in threading.enumerate() if thread is not threading.main_thread()]
    theirs = [
        text for number, link in _descriptors() if (number, link) not in known and (text := _descriptor(number, link))
    ]
    return ours + theirs + _native()


def _told(thread: threading.Thread) -> str:
    function = getattr(thread, "_target", None) or getattr(thread, "function", None)  # the latter is a Timer's
    code = getattr(function, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno} {function.__qualname__})" if function and code else ""
    return f"thread {thread.name}{where}"


def _descriptors() -> list[tuple[int, str]]:
    open_now = []
    for name in os.listdir(DESCRIPTORS):
        try:
            open_now.append((int(name), os.readlink(f"{DESCRIPTORS}/{name}")))
        except OSError:
            continue  # that of the list itself
    return sorted(open_now)


def _descriptor(number: int, link: str) -> str:
    """Return what a descriptor is, "" when every worker may have it."""
    if link == "anon_inode:[eventpoll]":
        return "an event loop (epoll)"
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return ""
        with socket.socket(fileno=os.dup(number)) as one:
            if one.type not in STREAMS:
                return ""
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return f"a socket that listens on {_address(one.getsockname())}"
            return f"a connection to {_address(one.getpeername())}"
    except OSError:
        return ""  # it is not connected


def _address(address: object) -> str:
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return str(address) or "itself"


def _native() -> list[str]:
    """Return the threads that Python does not know, if they are still there after a fork."""
    if not _unknown():
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking with threads is what is tried here
        child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return [f"native thread {name}" for name in _unknown()]


def _unknown() -> list[str]:
    known = {os.getpid(), *(thread.native_id for thread in threading.enumerate())}
    names = []
    for task in os.listdir(TASKS):
        if int(task) not in known:
            try:
                with open(f"{TASKS}/{task}/comm") as file:
                    names.append(file.read().strip())
            except OSError:
                continue  # it has just ended
    return names
