"""speyside.client_disconnected says whether the client has left, and is left alone by those who only look at it."""

import gc
import os
from typing import Any

import pytest
from django.template import Context, Engine

from front import Front, N

KEY = "speyside.client_disconnected"


def leave(front: Front, slot: int = 0) -> None:
    front.put("Slot", front.slot_at(slot), "ClientLeft", 1)


def test_it_looks_at_the_slot_of_its_request(front: Front) -> None:
    said = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        left = environ[KEY]
        said.append(left())
        leave(front)
        said.append(left())
        start_response("200 OK", [])
        return [b""]

    front.ask(application, ClientLeft=0)
    assert said == [False, True]


def test_an_abandoned_request_has_no_client(front: Front) -> None:
    said = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        said.append(environ[KEY]())
        state = front.get("Slot", front.slot_at(0), "State")
        front.put("Slot", front.slot_at(0), "State", state & ~0xFF | N.StateAbandoned)
        said.append(environ[KEY]())
        return []

    front.ask(application, ClientLeft=0)
    assert said == [False, True] and not front.reports[1:]


def test_after_the_request_it_keeps_its_value(front: Front) -> None:
    stays = front.environ(ClientLeft=0)[KEY]
    gone = front.environ(ClientLeft=1)[KEY]
    front.environ(ClientLeft=0)
    assert (stays(), gone()) == (False, True)
    leave(front)
    assert (stays(), gone()) == (False, True)


def test_in_a_child_it_keeps_its_value(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        pid = os.fork()
        if pid == 0:
            os._exit(int(environ[KEY]()))
        assert os.waitpid(pid, 0)[1] == 0
        start_response("200 OK", [])
        return [b""]

    assert front.ask(application, ClientLeft=0).status == b"200 OK"


def test_it_is_the_same_object_until_somebody_keeps_it(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(id(environ[KEY]))
        if len(seen) == 5:
            kept.append(dict(environ))
        start_response("200 OK", [])
        return [b""]

    seen: list[int] = []
    kept: list[dict[str, Any]] = []
    with front.serving(application, limit=10) as serving:
        for _ in range(10):
            front.push(front.fill(0))
            while front.state(0) != N.StateDone:
                pass
    assert serving.served == 10
    assert len(set(seen[:5])) == 1 and seen[5] != seen[4] and len(set(seen[5:])) == 1


def test_what_is_kept_in_a_cycle_is_collected(front: Front) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["itself"] = environ
        start_response("200 OK", [])
        return [b""]

    front.ask(application)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        front.ask(application)
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_templates_and_debuggers_leave_it_alone(front: Front) -> None:
    left = front.environ(ClientLeft=1)[KEY]
    assert left.do_not_call_in_templates is True and repr(left) == "<speyside.client_disconnected>"
    shown = Engine().from_string("{{ left }}").render(Context({"left": left}))
    assert shown == "&lt;speyside.client_disconnected&gt;"


def test_it_takes_no_arguments_and_cannot_be_made(front: Front) -> None:
    left = front.environ()[KEY]
    for arguments, named in (((1,), {}), ((), {"a": 1})):
        with pytest.raises(TypeError, match="without arguments"):
            left(*arguments, **named)
    with pytest.raises(TypeError):
        type(left)()
