"""The worker's side of the server, in C (ext/): claims requests from the segment and runs the application.

A process is one worker: attach in the zygote, before the forks; configure; after_fork in the child; then one serve per
thread. The functions of the module are about that worker, and the module can be loaded once. A process that starts
fronts of its own has a Gateway for each of them.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

_Report: TypeAlias = Callable[[str, str, str, str, BaseException | None, str], object]

def attach(segment: int, spool: int, ports: Sequence[int], sockets: Sequence[int]) -> None:
    """Map the segment and remember the descriptors; they stay the caller's, and must stay open.

    segment is a memfd sealed against shrinking and growing, spool the file with bodies that did not fit, ports one
    eventfd per port, sockets one SOCK_SEQPACKET socket per port to pass files over. The header is checked here
    (PROTOCOL.md, layout.txt) and never read again. Called once, before any fork; again it replaces the segment.

    Raises OSError when mapping fails, ValueError when it is no segment of this version or not as large as it says,
    RuntimeError while a thread serves.
    """

def configure(
    environs: Sequence[dict[str, object]], report: _Report, file_wrapper: type | None = None, boot: str = ""
) -> None:
    """Take one base environ per listener, in the order of SpawnWorker, and the function that is told of faults.

    A base environ has what is the same for every request: SERVER_NAME, SERVER_PORT, SCRIPT_NAME, SERVER_SOFTWARE, and
    the wsgi.* keys but wsgi.input. It is copied now, and again for every request, which adds REQUEST_METHOD, PATH_INFO,
    QUERY_STRING, RAW_URI, SERVER_PROTOCOL, REMOTE_ADDR, REMOTE_PORT, wsgi.input, CONTENT_TYPE and CONTENT_LENGTH when
    the request has them, HTTP_*, and wsgi.url_scheme when the client came by https. REMOTE_ADDR and REMOTE_PORT are ''
    on a Unix socket. PATH_INFO is what follows SCRIPT_NAME, where the path begins with it.

    Every environ has a speyside.request_id, the identifier that the front's records have: boot, which has at most 15
    characters, a hyphen, and the front's count in hexadecimal digits.

    report(code, detail, method, path, exception, identifier) is called once for every fault, before the reply is
    ended: code is a SPY code, detail names the rule of PEP 3333, path is PATH_INFO, exception is None when none was
    raised. Not a fault: BrokenPipeError from write(), and ConnectionResetError from wsgi.input, when the client has
    gone. What report itself raises goes to sys.unraisablehook.

    What the application returns of the type file_wrapper itself is asked for its part(): descriptor, offset and length
    of a regular file, which the front then sends, or None for something that has to be iterated.

    Raises TypeError, and ValueError when boot is too long.
    """

def serve(application: Callable[..., Any], worker: int, thread: int, limit: int = 0, seconds: float = -1) -> int:
    """Claim and serve requests in this thread; return how many were served.

    Returns when stop() was called (what was started is finished first), with a limit after so many requests, and when
    seconds (if not negative) have passed and no request is there.
    While it waits, it runs signal handlers if this is the main thread; what they raise comes out of here after the
    request at hand was cut and closed. What the application raises never does, SystemExit and KeyboardInterrupt
    included: it is reported, the client gets 500 (or a cut reply), and the worker lives on.

    The application may fork, but a child that returns from it does not serve: there serve raises what the
    application raised, or RuntimeError, and the parent answers the request.

    Raises RuntimeError before attach and configure, or when the thread number is taken; ValueError for numbers that the
    segment does not have.
    """

def running(slot: int, filling: int) -> int:
    """Return the identifier of the thread that runs the application for this filling of a slot; 0 when none does."""

def interrupt(slot: int, filling: int, exception: type[BaseException]) -> bool:
    """Raise an exception class in the thread that runs the application for this filling of a slot.

    It comes as soon as the thread runs Python code, and never in another request: what has not come by the end of this
    one is taken back. close() of the reply is called all the same. That the application lets it out is not reported.
    False when no thread runs it any more, or it was interrupted before. Raises TypeError for what is no exception
    class.
    """

def limit(tenths: int, /) -> bool:
    """Have the front end the request that this thread serves after so many tenths of seconds, 0 for no more.

    It counts from the front's next look, up to 0.1 s later. The client then gets what it gets at the end of `timeout`,
    and this thread a RequestTimeout. False when this thread serves none, or its reply is complete.
    """

def adapt_switch_interval(wanted: bool, /) -> None:
    """Set sys.setswitchinterval() to 0.5 ms while a request of this process computes beside others, else leave it.

    Whoever begins with a request looks at the others: one that has run for some ms, and uses CPU time, computes. What
    Python or the application had set comes back 0.1 s after the last one; what the application sets meanwhile stays.
    """

def stop() -> None:
    """Make every serve() of this process return soon, also those that begin later, until after_fork().

    May be called in any thread and in signal handlers.
    """

def after_fork(worker: int, /) -> None:
    """Make this process a worker: forget an earlier stop(), write the pid to the worker table.

    A fork alone resets stop() too, and forgets the threads of the parent. Called again in a process that serves in
    turns, it lets serve() run again after a stop().

    Raises ValueError when the segment has no such worker, RuntimeError while a thread serves.
    """

class Gateway:
    """The worker's side of a front that this process has started for itself.

    Its methods are the functions of the module, about its own segment; the segment is let go with the object, which
    serve() keeps.
    """

    def attach(self, segment: int, spool: int, ports: Sequence[int], sockets: Sequence[int]) -> None: ...
    def configure(
        self,
        environs: Sequence[dict[str, object]],
        report: _Report,
        file_wrapper: type | None = None,
        boot: str = "",
    ) -> None: ...
    def serve(
        self, application: Callable[..., Any], worker: int, thread: int, limit: int = 0, seconds: float = -1
    ) -> int: ...
    def running(self, slot: int, filling: int) -> int: ...
    def interrupt(self, slot: int, filling: int, exception: type[BaseException]) -> bool: ...
    def stop(self) -> None: ...
    def resume(self, worker: int, /) -> None:
        """Forget an earlier stop(), and say which process the worker is: after_fork() of the module."""

    def abandon(self) -> None:
        """Abandon every request that is being served, as the front does: for when the front is gone.

        write() raises BrokenPipeError from then on, reading a streamed body ConnectionResetError, and no thread waits
        for room any more.
        """
