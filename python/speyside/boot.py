"""What the front starts Python with: `python -P -m speyside.boot`, with the descriptors of PROTOCOL.md, section 9.

Nobody else needs it. It keeps the descriptors from programs that the application starts, and tells the front when this
Python has no extension; the rest is the zygote's.
"""

from __future__ import annotations

import json
import os
import sys
from typing import NamedTuple, NoReturn

from speyside import _faults, streams
from speyside.channel import Channel, Order
from speyside.failure import Failure

CONTROL, FIRST_PORT = 3, 6
ORDER = "SPEYSIDE_ORDER"  # what the program before this one, in the same process, was told


class Origin(NamedTuple):
    """How the process was started."""

    directory: str
    environment: dict[str, str]
    line: list[str]

    def begin_again(self, order: Order, descriptors: range) -> NoReturn:
        """Replace the program by a fresh one that does not import the application; whatever the import left is gone."""
        fields = {**order.fields, "preload": "off"}
        streams.finish()
        os.chdir(self.directory)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        os.closerange(descriptors.stop, 1 << 20)
        os.execve(sys.executable, self.line, {**self.environment, ORDER: json.dumps(fields)})


def main() -> int:
    """Be the zygote; return the exit status."""
    origin = Origin(os.getcwd(), dict(os.environ), list(sys.orig_argv))
    ports = int(os.environ.pop("SPEYSIDE_PORTS"))
    again = os.environ.pop(ORDER, "")
    for descriptor in range(CONTROL, FIRST_PORT + 2 * ports):
        os.set_inheritable(descriptor, False)
    channel = Channel(CONTROL)
    channel.send("ZygoteBooted")
    streams.install()
    order = Order("LoadApplication", json.loads(again), []) if again else channel.receive()
    if order is None or order.type != "LoadApplication":
        return 0
    try:
        try:
            from speyside import zygote
        except ImportError as error:
            text = f"{sys.executable} cannot import Speyside's extension: {error}"
            raise Failure(_faults.EXTENSION_MISSING, text) from error
        try:
            return zygote.run(channel, order, ports)
        except zygote.LeftBehind:
            origin.begin_again(order, range(CONTROL, FIRST_PORT + 2 * ports))
    except Failure as failure:
        channel.send("ApplicationFailed", **failure.fact())
        return 1


if __name__ == "__main__":
    sys.exit(main())
