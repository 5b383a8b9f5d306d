"""Why an application cannot be served: a code of docs/errors.md, one line, a hint, and a traceback a user can read.

Most callers need Failure, which the loader raises and the zygote reports, and trimmed, which formats an exception with
only the frames that are not Speyside's.
"""

from __future__ import annotations

import importlib
import os
import traceback

LONGEST = 32768
_OURS = os.path.dirname(__file__) + os.sep
_IMPORTLIB = os.path.dirname(importlib.__file__ or "") + os.sep
_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(32), 127, *range(128, 160)] if chr(code) not in "\t\n"}
_PASTE = f"{os.sep}paste{os.sep}deploy{os.sep}"  # finds what a file of Pyramid's names
_FROZEN = ("<frozen importlib", "<frozen runpy")


class Failure(Exception):  # noqa: N818 - the word is the fact's: ApplicationFailed
    """The application cannot be served."""

    def __init__(self, code: str, text: str, hint: str = "", cause: BaseException | None = None) -> None:
        """Say what happened; the cause is the exception whose traceback helps, if any."""
        super().__init__(text)
        self.code = code
        self.text = text
        self.hint = hint
        self.cause = cause

    def fact(self) -> dict[str, object]:
        """Return the fields of ApplicationFailed."""
        shown = trimmed(self.cause) if self.cause is not None else ""
        return {"code": self.code, "text": self.text, "hint": self.hint, "traceback": shown}


def trimmed(error: BaseException) -> str:
    """Format an exception with its causes, without the frames of Speyside and of what finds the application."""
    told = traceback.TracebackException.from_exception(error, compact=True)
    _trim(told)
    text = "".join(told.format()).translate(_ESCAPES)
    return text if len(text) <= LONGEST else "…" + text[-LONGEST:]


def summary(error: BaseException) -> str:
    """Return the last line of the traceback: `ValueError: no such thing`."""
    lines = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _trim(told: traceback.TracebackException) -> None:
    pending = [told]
    while pending:
        one = pending.pop()
        kept = [frame for frame in one.stack or () if not internal(frame.filename)]
        one.stack = traceback.StackSummary.from_list(kept)
        if not kept:
            one.stack = None  # type: ignore[assignment] # without it the empty list gets a heading
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
        pending += one.exceptions or []


def internal(filename: str) -> bool:
    """Whether a frame is of Speyside, of the import machinery or of PasteDeploy."""
    return filename.startswith((*_FROZEN, _OURS, _IMPORTLIB)) or _PASTE in filename
