"""The control socket: a fact fits a message, whatever an application has in its source or its exceptions."""

import json
import socket

import pytest

from speyside import _faults
from speyside.channel import LONGEST, Channel
from speyside.failure import Failure


@pytest.mark.parametrize("letter", ["x", "я", "鴉", "🐦", "\udc80", "\n"])
@pytest.mark.parametrize("length", [100, 20_000, 300_000])
def test_fact_with_a_long_text_arrives(letter, length):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(5)
    channel = Channel(ours.detach())
    channel.send("RequestInterrupted", worker=1, slot=2, stack=letter * length + "the innermost", text="said")
    message = theirs.recv(10 * LONGEST)
    fact = json.loads(message)
    assert len(message) <= LONGEST
    assert (fact["type"], fact["worker"], fact["slot"], fact["text"]) == ("RequestInterrupted", 1, 2, "said")
    assert fact["stack"].endswith("the innermost")
    assert length > 100 or fact["stack"] == letter * length + "the innermost"
    channel.close()
    theirs.close()


def test_failure_of_an_application_that_says_much_arrives():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(5)
    channel = Channel(ours.detach())
    cause = ValueError("ж" * 100_000)
    channel.send("ApplicationFailed", **Failure(_faults.IMPORT_FAILED, f"app: {cause}", cause=cause).fact())
    message = theirs.recv(10 * LONGEST)
    fact = json.loads(message)
    assert len(message) <= LONGEST
    assert fact["code"] == _faults.IMPORT_FAILED
    assert "ж" in fact["text"] and "ж" in fact["traceback"]
    channel.close()
    theirs.close()
