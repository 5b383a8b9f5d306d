"""Load an application and nothing else: what `speyside --check-config` does after the settings have been read.

Nobody else needs it. It reads what to load from standard input, as JSON, and writes why that cannot be loaded to
descriptor 3; nothing is written there when it can. A script is compiled and not run, since to run it is to serve it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from speyside import _faults, loader, uwsgi
from speyside.failure import Failure, summary

ANSWER = 3


def check(order: dict[str, Any]) -> None:
    """Load what the order names, or raise Failure."""
    os.environ.update(entry.split("=", 1) for entry in order["env"])
    app = order["app"]
    if not order["script"]:
        loader.prepare_path(order["pythonpath"], order["chdir"])
        support = uwsgi.begin(order.get("uwsgi"), os.memfd_create("locks"), 1, 1)
        if support is not None:
            support.prepare()
        loader.load(app, order["paste_global"])
        return
    loader.prepare_path(order["pythonpath"], order["chdir"], app)
    try:
        with open(app, "rb") as file:
            compile(file.read(), os.path.abspath(app), "exec", dont_inherit=True)
    except OSError as error:
        text = f"there is no file {app}" if isinstance(error, FileNotFoundError) else summary(error)
        raise Failure(_faults.SCRIPT_FAILED, text, f"the directory is {os.getcwd()}.") from error
    except (SyntaxError, ValueError) as error:
        raise Failure(_faults.SCRIPT_FAILED, f"compiling {app}: {summary(error)}", "", error) from error


def main() -> int:
    """Check what standard input says; return the exit status."""
    os.set_inheritable(ANSWER, False)
    try:
        check(json.load(sys.stdin))
    except Failure as failure:
        os.write(ANSWER, json.dumps(failure.fact()).encode())
        return 1
    return 0


if __name__ == "__main__":
    # What the import has started is not waited for: threads that never end, or exit handlers of a server.
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
