"""What the front starts Python with: `python -P -m speyside.boot`, with the descriptors of PROTOCOL.md, section 9.

Nobody else needs it. It keeps the descriptors from programs that the application starts, and tells the front when this
Python has no extension; the rest is the zygote's.
"""

from __future__ import annotations

import os
import sys

from speyside import _faults, streams
from speyside.channel import Channel
from speyside.failure import Failure

CONTROL, FIRST_PORT = 3, 6


def main() -> int:
    """Be the zygote; return the exit status."""
    ports = int(os.environ.pop("SPEYSIDE_PORTS"))
    for descriptor in range(CONTROL, FIRST_PORT + 2 * ports):
        os.set_inheritable(descriptor, False)
    channel = Channel(CONTROL)
    channel.send("ZygoteBooted")
    streams.install()
    order = channel.receive()
    if order is None or order.type != "LoadApplication":
        return 0
    try:
        try:
            from speyside import zygote
        except ImportError as error:
            text = f"{sys.executable} cannot import Speyside's extension: {error}"
            raise Failure(_faults.EXTENSION_MISSING, text) from error
        return zygote.run(channel, order, ports)
    except Failure as failure:
        channel.send("ApplicationFailed", **failure.fact())
        return 1


if __name__ == "__main__":
    sys.exit(main())
