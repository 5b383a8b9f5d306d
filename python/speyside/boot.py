"""What the front starts Python with: `python -P -m speyside.boot`, with the descriptors of PROTOCOL.md, section 9.

Nobody else needs it. It reads a configuration that is written in Python, when it is told to, keeps the descriptors from
programs that the application starts, and tells the front when this Python has no extension; the rest is the zygote's.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from speyside import _faults, identity, streams
from speyside.channel import Channel, Order
from speyside.failure import Failure

if TYPE_CHECKING:
    from speyside.gunicorn.reader import Configuration

CONTROL = 3
ORDER = "SPEYSIDE_ORDER"  # what the program before this one, in the same process, was told


class Origin(NamedTuple):
    """How the process was started."""

    directory: str
    environment: dict[str, str]
    line: list[str]

    def begin_again(self, load: Order, reading: Order | None) -> NoReturn:
        """Replace the program by a fresh one that does not import the application; whatever the import left is gone."""
        told = {
            "load": {**load.fields, "preload": "off"},
            "descriptors": load.descriptors,
            "reading": reading.fields if reading is not None else None,
        }
        streams.finish()
        os.chdir(self.directory)
        kept = sorted([CONTROL, *load.descriptors])
        for descriptor, following in zip(kept, [*kept[1:], 1 << 20], strict=True):
            os.set_inheritable(descriptor, True)
            os.closerange(descriptor + 1, following)
        os.execve(sys.executable, self.line, {**self.environment, ORDER: json.dumps(told)})


class Orders:
    """What the front orders before there is a zygote; after begin_again, what it had ordered."""

    def __init__(self, channel: Channel, told: str) -> None:
        self.channel = channel
        self._again = json.loads(told) if told else None
        self.reading: Order | None = None
        self.configuration: Configuration | None = None

    def load(self) -> Order | None:
        """Return the order to load; None when the front has closed its end, or wanted no more than a configuration."""
        if self._again is not None:
            if self._again["reading"] is not None:
                self._read(Order("ReadConfiguration", self._again["reading"], []))
            for descriptor in self._again["descriptors"]:
                os.set_inheritable(descriptor, False)
            return Order("LoadApplication", self._again["load"], self._again["descriptors"])
        order = self.channel.receive()
        if order is not None and order.type == "ReadConfiguration":
            self.channel.send("ConfigurationRead", **self._read(order).told())
            order = self.channel.receive()
        return order if order is not None and order.type == "LoadApplication" else None

    def _read(self, order: Order) -> Configuration:
        from speyside.gunicorn import reader

        self.reading = order
        self.configuration = reader.read(
            order.text("dir"),
            order.text("file"),
            order.text("module"),
            order.texts("names"),
            order.number("limit") / 1000,
        )
        return self.configuration


def main() -> int:
    """Be the zygote; return the exit status."""
    origin = Origin(os.getcwd(), dict(os.environ), list(sys.orig_argv))
    orders = Orders(Channel(CONTROL), os.environ.pop(ORDER, ""))
    orders.channel.send("ZygoteBooted")
    streams.install()
    load: Order | None = None
    try:
        load = orders.load()
        if load is None:
            vanish(0)
        return _serve(origin, orders, load)
    except Failure as failure:
        orders.channel.send("ApplicationFailed" if load is not None else "ConfigurationFailed", **failure.fact())
        if load is None:
            vanish(1)
        return 1


def _serve(origin: Origin, orders: Orders, load: Order) -> int:
    os.environ["SPEYSIDE_GENERATION"] = str(load.number("generation"))
    for name, _, value in (variable.partition("=") for variable in load.texts("environment")):
        os.environ[name] = value
    identity.become(load.fields.get("identity"))
    refuse_free_threaded()
    try:
        from speyside import zygote
    except ImportError as error:
        identity.check_python()
        text = f"{sys.executable} cannot import Speyside's extension: {error}"
        raise Failure(_faults.EXTENSION_MISSING, text) from error
    try:
        return zygote.run(orders.channel, load, orders.configuration)
    except zygote.LeftBehind:
        origin.begin_again(load, orders.reading)


def refuse_free_threaded() -> None:
    """Raise Failure where there is no GIL: such a Python loads the extension, and may crash in it."""
    if "t" not in sys.abiflags:
        return
    raise Failure(
        _faults.EXTENSION_MISSING,
        f"{sys.executable} is a free-threaded Python, which Speyside's extension does not run on",
        "name the ordinary build of Python with --python, or make the virtual environment with that.",
    )


def vanish(status: int) -> NoReturn:
    """End the process at once, whatever threads a configuration has started; only what was printed is kept."""
    streams.finish()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
