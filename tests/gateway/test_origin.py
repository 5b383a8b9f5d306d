"""What a proxy says of a request becomes keys of the environ, and words of the slot that cannot be are not believed."""

from typing import Any

import pytest

from front import Front, N, base_environ

HEAD = b"GET /shop/a%20b HTTP/1.1\r\n"
FIELDS = [(b"Host", b"inner"), (b"X-Host", b"a.example"), (b"SCRIPT_NAME", b"/shop")]
HOST_AT = len(HEAD) + len(b"Host: inner\r\nX-Host: ")
SCRIPT_AT = HOST_AT + len(b"a.example\r\nSCRIPT_NAME: ")


def seen(front: Front, flags: int = 0, target: bytes = b"/shop/a%20b", base: str = "", **words: Any) -> dict[str, Any]:
    """Attach, and return the environ of one request with these words."""
    front.attach([base_environ(SCRIPT_NAME=base)])
    words = {"HostAt": 0, "HostLen": 0, "HostName": 0, "ScriptAt": 0, "ScriptLen": 0, "ServerPort": 0} | words
    return front.environ(target=target, fields=FIELDS, flags=N.FlagOrigin, OriginFlags=flags, peer=b"10.0.0.1", **words)


def test_client_and_peer_are_told_apart(front: Front) -> None:
    environ = seen(front, addr=b"2001:db8::1", port=b"")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("2001:db8::1", "")
    assert environ["speyside.peer_addr"] == "10.0.0.1"
    environ = seen(front, addr=b"", port=b"")
    assert (environ["REMOTE_ADDR"], environ["speyside.peer_addr"]) == ("", "10.0.0.1")
    assert (environ["HTTP_HOST"], environ["SERVER_PORT"]) == ("inner", base_environ()["SERVER_PORT"])


def test_host_and_port_take_the_place_of_the_listeners(front: Front) -> None:
    host = {"HostAt": HOST_AT, "HostLen": 9, "HostName": 9, "ServerPort": 8443}
    environ = seen(front, N.OriginHost, **host)
    assert [environ[key] for key in ("HTTP_HOST", "SERVER_NAME", "SERVER_PORT")] == ["a.example", "a.example", "8443"]
    environ = seen(front, N.OriginHost | N.OriginHostPort, **host)
    assert (environ["HTTP_HOST"], environ["SERVER_NAME"]) == ("a.example:8443", "a.example")
    environ = seen(front, ServerPort=8443)
    assert (environ["HTTP_HOST"], environ["SERVER_PORT"]) == ("inner", "8443")


@pytest.mark.parametrize(
    ("flags", "length", "target", "base", "script", "path"),
    [
        (N.OriginScript, 5, b"/shop/a%20b", "", "/shop", "/a b"),
        (N.OriginScript, 5, b"/shop/a%20b", "/other", "/shop", "/a b"),
        (N.OriginScript, 0, b"/shop/a%20b", "/shop", "", "/shop/a b"),
        (N.OriginScript, 5, b"/shopping/%20", "", "/shop", "/shopping/ "),
        (N.OriginScript | N.OriginWholePath, 5, b"/shop/a%20b", "", "/shop", "/shop/a b"),
        (N.OriginWholePath, 0, b"/shop/a%20b", "/shop", "/shop", "/shop/a b"),
        (0, 0, b"/shop/a%20b", "/shop", "/shop", "/a b"),
    ],
)
def test_mount_is_cut_off_the_path(
    flags: int, length: int, target: bytes, base: str, script: str, path: str, front: Front
) -> None:
    at = SCRIPT_AT + len(target) - len(b"/shop/a%20b")
    environ = seen(front, flags, target=target, base=base, ScriptAt=at, ScriptLen=length)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)
    assert environ["RAW_URI"] == target.decode()


@pytest.mark.parametrize(
    "words",
    [
        {"HostAt": 60000, "HostLen": 9},
        {"HostAt": 0, "HostLen": 60000},
        {"HostLen": 3, "HostName": 4},
        {"ScriptAt": 60000, "ScriptLen": 60000},
        {"PeerAddrLen": 49},
    ],
)
def test_words_outside_of_the_head_are_answered_without_the_application(words: dict[str, int], front: Front) -> None:
    front.attach()
    called: list[int] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        called.append(1)
        return []

    reply = front.ask(application, flags=N.FlagOrigin, OriginFlags=N.OriginHost | N.OriginScript, **words)
    assert reply.failed and not called
    assert [report[0] for report in front.reports] == ["SPY0404"]
