"""wsgiref.validate around every application of tests/apps, on every path: the server keeps to PEP 3333 with each.

An application, or a path of one, is either asked here or named with the reason why it cannot be; one that is in neither
list fails the test.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from harness.client import request

from harness import TESTS, running

SHAPES = """list-of-none list-of-nothing list-of-one list-of-two tuple-of-one generator generator-of-none
generator-of-nothing iterator one-item old-style closing""".split()
OPS = "read,read:3,read:0,readline,readline:2,readlines,readlines:5,iterate,pieces:7"
OPEN = "gate=/dev/null"  # a gate that is there already

# What each application is asked, one request a line; a third word is the body. Its paths are those of the source.
ASKED = {
    "clients": "POST /request body · PUT /request · GET /redirect?status=303",
    "corpus": "GET /any?query · POST / body · GET /reply?body=x&body=y&field=Content-Type:a/b&pause",
    "environs": "GET /path?query · OPTIONS *",
    "files": " · ".join(
        f"GET /{path}?path={TESTS}/conftest.py" for path in ("file", "wrapped", "written", "subclass", "open")
    ),
    "forks": "GET /",
    "hinting": "GET /hints · HEAD /hints · GET /hints-late",
    "identities": "GET /",
    "inputs": f"""POST /read?ops={OPS} one\ntwo · POST /echo body · POST /ignore body · POST /keep longer · GET /kept
        · POST /echo {"x" * 70_000} · POST /read?ops=iterate {"line" * 9}\n{"x" * 40_000}""",
    "leaving": f"GET /keep?name=a&{OPEN} · GET /kept",
    "outputs": "GET /each?name=a · GET /many?name=1&lines=5",
    "processes": "GET / · GET /sleep · GET /signal · GET /thread",
    "replies": f"""GET / · HEAD / · GET /pid · GET /gated?{OPEN} · GET /name?name=a · GET /status?of=204%20None
        · GET /status?of=304%20Same · GET /status-with-body?of=204%20None · GET /length · HEAD /length · GET /fields
        · GET /write?{OPEN} · HEAD /write · GET /write-only · GET /steps?{OPEN} · GET /lazy · GET /again-before
        · GET /stream?blocks=5 · GET /large?blocks=5 · GET /after-the-last?{OPEN}
        · {" · ".join(f"GET /shape?of={shape}" for shape in SHAPES)}""",
    "streamed": """POST /lines one\ntwo\n · POST /environ body · POST /environ/small body · POST /unread body
        · GET /now · POST /later body · GET /now · POST /begun body · POST /leaves body""",
    "timeouts": f"GET / · GET /gated?{OPEN} · GET /blocks · GET /large?3",
    "validated": "GET / · POST / body · POST /?write body · HEAD /",
    "warming": "GET /",
    "witness": "GET /seen",
    "workers": f"""GET / · GET /who · GET /gated?name=a&{OPEN} · GET /count?name=a · GET /subprocess · GET /shell
        · GET /faults · GET /signal · GET /sqlite · GET /asyncio""",
}

NOT_ASKED = {
    "faults": "breaks PEP 3333 in every way: that is what it is for",
    "routes": "has no application: the others' table of paths",
    "framework_files": "has Django's and Flask's application, which test_files asks",
    "corpus/raise": "raises",
    "ledger": "notes what becomes of each request while everything fails: test_faults.py asks it",
    "hinting_frameworks": "has applications of frameworks, which test_frameworks.py validates",
    "hinting/hints-raise": "raises",
    "leaving/watch": "ends when its client leaves: test_leaving.py has it",
    "leaving/watch-late": "ends when its client leaves: test_leaving.py has it",
    "outputs/last-words": "kills its worker",
    "processes/kill": "kills its worker",
    "processes/exit": "ends its worker",
    "processes/broken": "breaks sys.stdout, and so the lines that the server waits for",
    "replies/endless": "never ends: test_endless_reply_is_closed has it",
    "replies/write-endless": "ends with what write() raised when its client had gone",
    "timeouts/spin": "takes too long: test_timeouts.py has it",
    "timeouts/swallow": "takes too long",
    "timeouts/sleep": "takes too long",
    "timeouts/gil": "takes too long",
    "timeouts/stalled": "takes too long",
    "warming/slow": "is for a request of the server's own",
    "warming/broken": "is for a request of the server's own",
    "workers/abort": "ends its worker",
    "workers/hog": "ends its worker",
    "workers/segfault": "ends its worker",
    "workers/exit": "ends its worker",
    "workers/exit-begun": "ends its worker",
}

STREAMED = {"streamed": ["--stream-request=on"]}
PATHS = r'''@application\.add\("(/[^"]*)"\)|PATH_INFO"\](?: == |\.startswith\()"(/[^"]+)"|action == "(\w+)"'''


def asked(app: str) -> list[tuple[str, str, bytes | None]]:
    """Return method, target and body of each request."""
    found = []
    for line in ASKED[app].split("·"):
        method, target, *body = line.strip().split(" ", 2)
        found.append((method, target, body[0].encode() if body else None))
    return found


def test_every_application_is_asked_or_named() -> None:
    sources = {path.stem: path.read_text() for path in (TESTS / "apps").glob("[!_]*.py")}
    assert set(sources) >= {"corpus", "faults", "replies"}
    for name, source in sources.items():
        assert (name in ASKED) != (name in NOT_ASKED), f"apps.{name} belongs in ASKED, or with a reason in NOT_ASKED"
        if name not in ASKED:
            continue
        paths = {"/" + "".join(found).strip("/") for found in re.findall(PATHS, source)}
        reached = {target.partition("?")[0] for _, target, _ in asked(name)}
        named = {other.removeprefix(name) for other in NOT_ASKED if other.startswith(name + "/")}
        assert paths <= reached | named, f"apps.{name}: nobody asks {sorted(paths - reached - named)}"
        assert named <= paths, f"apps.{name} has no {sorted(named - paths)} any more"


@pytest.mark.parametrize("app", ASKED)
def test_validator_finds_nothing(app: str) -> None:
    """A finding is an exception in the application: 500, and a traceback that the harness does not let pass."""
    spelled = "apps.validated" if app == "validated" else f"apps.validated:around({app!r})"
    with running(spelled, *STREAMED.get(app, []), workers=1, threads=1) as server, server.connect() as client:
        for method, target, body in asked(app):
            client.send(request(method, quote(target, safe="/?&=:%,*"), body=body))
            reply = client.reply(method)
            assert reply.status < 400 or reply.reason == "Replaced", f"{method} {target}: {reply}"
        assert "WSGIWarning" not in server.stderr.text()


def test_endless_reply_is_closed() -> None:
    """The validator fails when an iterator is thrown away that was not closed."""
    with running("apps.validated:around('replies')", workers=1, threads=1) as server:
        with server.connect() as client:
            client.send(request("GET", "/endless?name=validated"))
            reply = client.head()
            assert next(client.pieces(reply))
        server.printed(r"^closed validated$")
        assert server.get("/").status == 200
