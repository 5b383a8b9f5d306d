"""Who this process runs as: the user that the front has become meanwhile (PROTOCOL.md, section 9).

Most callers need become, before the application is loaded. A process that the front has started since is that user from
its birth; only one that was started as root before, to read a configuration, has something to change.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from speyside import _faults
from speyside.failure import Failure

_SET_DUMPABLE = 4  # PR_SET_DUMPABLE of prctl(2)


def become(identity: object) -> None:
    """Take over user and groups; nothing to do without one, or where this process is that user already."""
    if not isinstance(identity, Mapping) or os.geteuid() != 0:
        return
    uid, gid, groups = identity["uid"], identity["gid"], identity["groups"]
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return
    try:
        os.setgroups([gid, *groups])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise Failure(_faults.USER_NOT_CHANGED, f"Python could not become the user {uid}: {error}") from error
    _be_seen()


def check_python() -> None:
    """Raise Failure where this process has become a user who may not read its Python; for an import that failed."""
    if not os.access(os.__file__, os.R_OK):
        text = f"the user {os.geteuid()} may not read this Python: {os.path.dirname(os.__file__)}"
        hint = "name one that everybody may run with --python, or let the user search the directories above it."
        raise Failure(_faults.USER_NOT_CHANGED, text, hint)


def _be_seen() -> None:
    """Have /proc show this process and its workers to their own user, as it shows one that never was root's."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 1, 0, 0, 0)
