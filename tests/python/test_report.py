"""Records of the log: readable, on one line, and harmless."""

from __future__ import annotations

import json
import re
import socket

import pytest

from speyside import _faults, failure, loader, report


def test_exception_is_told_with_request_and_trimmed_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("bad\x1b[2J\nvalue")
    except ValueError as error:
        report.Report(3)(_faults.APPLICATION_RAISED, "raised by the call", "GET", '/a b"\n\x1b[2J', error, "boot-7")
    told = capsys.readouterr().err.splitlines()
    at = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"
    request = (
        r'id=boot-7 method=GET path="/a b\\"\\n\\x1b\[2J" worker=3 pid=\d+ code=SPY0301 detail="raised by the call"'
    )
    assert re.fullmatch(f"{at} ERROR application raised {request}", told[0])
    assert told[1] == "    Traceback (most recent call last):"
    assert told[-2:] == ["    ValueError: bad\\x1b[2J", "    value"]
    assert all(line.startswith("    ") for line in told[1:])


def test_record_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        def __init__(self) -> None:
            self.writes: list[str] = []

        def write(self, text: str) -> None:
            self.writes.append(text)

    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    report.record("INFO", "said", "first\nsecond", empty="", number=1)
    assert len(stream.writes) == 1
    assert stream.writes[0].endswith(' INFO  said empty="" number=1\n    first\n    second\n')


def test_causes_are_trimmed_too() -> None:
    with pytest.raises(failure.Failure) as caught:
        loader.load("does_not_exist_at_all")
    shown = failure.trimmed(caught.value)
    assert "loader.py" not in shown
    assert "ModuleNotFoundError: No module named 'does_not_exist_at_all'" in shown


def test_long_traceback_keeps_its_end() -> None:
    shown = failure.trimmed(ValueError("x" * 100_000 + "end"))
    assert len(shown) <= failure.LONGEST + 1
    assert shown.endswith("end\n")


def test_record_is_one_message_where_the_front_writes_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "_relay", report.Relay())
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        assert not report.relayed()
        report.relay(theirs.detach())
        assert report.relayed()
        report.record("INFO", "said", "first\nsecond\x1b", name="a b", number=1)
        message = {
            "level": "INFO",
            "event": "said",
            "fields": [["name", "a b"], ["number", 1]],
            "after": "first\nsecond\x1b",
        }
        assert json.loads(ours.recv(1 << 20)) == message
        report.record("ERROR", "raised", "\u20ac" * 100_000, text="x" * 100_000)
        told = json.loads(ours.recv(1 << 20))
        assert told["event"] == "raised" and len(json.dumps(told)) <= report.Relay.LONGEST
    assert capsys.readouterr().err == ""
    report.record("INFO", "after the end of the front")
    assert capsys.readouterr().err.endswith(" INFO  after the end of the front\n")
