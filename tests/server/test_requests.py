"""Every case of tests/requests against the whole server: what its verdict implies and its reply block says."""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from urllib.parse import unquote_to_bytes

import pytest
from harness.client import request
from harness.corpus import SECTION, Case, Expected, cases, unescape

from harness import PATIENCE, Client, Reply, Server, running

Split = Callable[[bytes], list[bytes]]
CASES = cases()
CONNECTIONS = 16  # at the same time
ROUNDS = 5  # of random splits

# What RFC 9110 and 9112 ask of an origin server, by the heading under which its verdict is.
NOUNS = """
content-length/A body · content-length/Twice and different · content-length/A list · content-length/A plus sign
content-length/Leading zeros · transfer-encoding/With Content-Length after it · transfer-encoding/chunked in two fields
transfer-encoding/A coding we do not have · chunk/Extensions are ignored · trailer/Fields after the last chunk
line-end/Bare LF after a field · line-end/Bare CR in a value · field/A folded value · field/Space before the colon
field/Whitespace around a value · field/An empty value · field/The same name twice · host/Missing · host/Twice
target/Absolute form · target/Absolute form of HTTP/1.0 · target/Absolute form still needs Host
target/Origin form with a query · target/Asterisk form · version/HTTP/1.0
connection/keep-alive in HTTP/1.0 · version/A higher minor version · version/HTTP/2 without its preface
head/HEAD has no content and the length of GET · status/1xx from an application
early-hints/103 before the final reply · early-hints/103 is not for HTTP/1.0 · status/204 · status/205
status/304 · connection/Other options · connection/Upgrade is ignored · date/Date
error/Kept after an error of the application · error/Closed after a refusal · half-close/A request and the end
lingering-close/A refusal before the body has come · method/A method nobody knows · method/Case counts · method/CONNECT
expect/100 before the body · expect/The final status instead · expect/413 instead
expect/100-continue in HTTP/1.0
expect/100-continue with the body begun · expect/Another expectation
"""

# Their value is the point: a number written otherwise, and the other order of two codings.
VALUE_MATTERS = {"content-length/Leading zeros", "transfer-encoding/Another field after chunked"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.corpus", workers=2, threads=4, provoked=True) as made:
        yield made


def test_corpus_is_all_there() -> None:
    assert len(CASES) >= 250, f"tests/requests has {len(CASES)} cases: where are the others?"
    names = {case.name for case in CASES}
    wanted = {noun.strip() for noun in re.split(r"[·\n]", NOUNS) if noun.strip()}
    assert wanted <= names, f"no heading for {sorted(wanted - names)}"


def test_every_case_quotes_its_rfc() -> None:
    silent = [case.name for case in CASES if not SECTION.search(case.text)]
    assert not silent, f"{len(silent)} cases quote no section: {silent}"


def test_no_two_cases_differ_only_in_a_value() -> None:
    """Cases of the same verdict must differ in more than the words and numbers of field values."""
    shapes = defaultdict(list)
    for case in CASES:
        lines = re.sub(r"(.)\1{9,}", r"\1\1", b"|".join(case.pieces).decode("latin-1"), flags=re.DOTALL).split("\r\n")
        parts = [line.partition(":") for line in lines]
        shape = tuple(name + colon + re.sub("[A-Za-z0-9]+", "w", value) for name, colon, value in parts)
        verdict = [(kind, lines if kind == "refused" else "") for item in case.requests for kind, lines in item.items()]
        if case.name not in VALUE_MATTERS:
            shapes[shape, str(verdict), str([reply.status for reply in case.replies])].append(case.name)
    same = [names for names in shapes.values() if len(names) > 1]
    assert not same, f"cases that differ only in a value: {same}"


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_case_is_answered_as_written(case: Case, server: Server) -> None:
    play(server, case, uncut)


def test_random_splits_over_parallel_connections_are_answered_the_same(server: Server) -> None:
    def one(turn: int, case: Case) -> str:
        chance = random.Random(f"{case.name} {turn}")
        try:
            play(server, case, lambda data: cut(data, chance))
        except (AssertionError, OSError) as error:
            return f"{case.name}, round {turn}: {error}"
        return ""

    work = [(turn, case) for turn in range(ROUNDS) for case in CASES]
    random.Random(4).shuffle(work)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        failures = [failure for failure in pool.map(lambda item: one(*item), work) if failure]
    assert not failures, "\n".join(failures[:5])


def uncut(data: bytes) -> list[bytes]:
    return [data]


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Return data in up to eight pieces."""
    places = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(chance.randint(1, 7)) if data)})
    return [data[start:end] for start, end in pairwise(places)]


def play(server: Server, case: Case, split: Split) -> None:
    """Be the client of a case, and compare what comes."""
    with server.connect(patience=PATIENCE) as client:
        got = exchange(client, case, split)
        whole = split is uncut
        for reply, expected in zip(got, with_interim(case, got, whole), strict=True):
            compare(case, reply, expected)
        finish(client, case)


def exchange(client: Client, case: Case, split: Split) -> list[Reply]:
    """Send all pieces, read every final reply that is expected, and whatever comes before it."""
    got: list[Reply] = []
    finals = [expected for expected in case.replies if not interim(expected.status)]
    for number, piece in enumerate(case.pieces):
        if number:
            got.append(client.reply(case.method(final_count(got))))
        for part in split(piece):
            client.send(part)
            if part != piece:
                time.sleep(0.0005)  # the client's pace: the pieces should not come together
    if case.half_close or case.end == "waiting":
        client.half_close()
    while final_count(got) < len(finals) or len(got) < len(case.replies):
        got.append(client.reply(case.method(final_count(got))))
    return got


def interim(status: str) -> bool:
    return status.startswith("HTTP/1.1 1")


def final_count(replies: list[Reply]) -> int:
    return sum(reply.status >= 200 for reply in replies)


def with_interim(case: Case, got: list[Reply], whole: bool) -> list[Expected]:
    """Return the expected replies; in pieces, 100 may come before a reply to a request that asked for it."""
    asked = any(item.get("continue") == ["yes"] for item in case.requests)
    if whole or not asked:
        return case.replies
    expected = [reply for reply in case.replies if not reply.status.startswith("HTTP/1.1 100")]
    return [expected.pop(0) if reply.status != 100 else Expected("HTTP/1.1 100 Continue") for reply in got]


def compare(case: Case, reply: Reply, expected: Expected) -> None:
    told = f"HTTP/1.1 {reply.status} {reply.reason}"
    if expected.status.count(" ") == 1:
        told = told[: len(expected.status)]
    assert told == expected.status, f"{told}: {reply.text}"
    for name, value in expected.fields:
        assert reply.get(name) is not None and value in ("*", reply.get(name)), f"{name} of {reply.fields}"
    for name in expected.absent:
        assert reply.get(name) is None, f"{name} in {reply.fields}"
    if expected.body is not None:
        assert reply.body == expected.body
    if expected.refusal is not None:
        assert expected.refusal in reply.text and reply.closes, f"{expected.refusal}: {reply}"
    if expected.request is not None:
        compare_request(reply, expected.request)


def compare_request(reply: Reply, wanted: dict[str, list[str]]) -> None:
    """Compare what the application was given with the verdict."""
    method, target, version = (text(part) for part in wanted["served"][0].split(" "))
    assert reply.get("X-Method") == method
    assert reply.closes == (wanted.get("keep-alive", ["no" if version == "HTTP/1.0" else "yes"]) == ["no"])
    if method == "HEAD":
        return
    seen = reply.json["environ"]
    assert (seen["REQUEST_METHOD"], seen["RAW_URI"], seen["SERVER_PROTOCOL"]) == (method, target, version)
    for kind, key in (("query", "QUERY_STRING"), ("host", "HTTP_HOST")):
        if kind in wanted:
            assert seen.get(key, "") == text(wanted[kind][0])
    if "path" in wanted:
        assert seen["PATH_INFO"].encode("latin-1") == unquote_to_bytes(text(wanted["path"][0]).encode("latin-1"))
    if "body" in wanted:
        assert reply.json["body"] == text(wanted["body"][0])
    if "field" in wanted:
        assert {name: value for name, value in seen.items() if name.startswith("HTTP_")} == environ(wanted["field"])


def environ(fields: list[str]) -> dict[str, str]:
    """Return the keys of the environ that these fields become."""
    made: dict[str, str] = {}
    for line in fields:
        name, _, value = line.partition(":")
        key = "HTTP_" + name.upper().replace("-", "_")
        value = text(value.strip())
        made[key] = f"{made[key]}{'; ' if key == 'HTTP_COOKIE' else ', '}{value}" if key in made else value
    for key in ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_PROXY"):
        made.pop(key, None)
    return made


def text(escaped: str) -> str:
    return b"".join(unescape(escaped)[0]).decode("latin-1")


def finish(client: Client, case: Case) -> None:
    """See that the connection is as the case leaves it."""
    if case.end == "kept":
        client.send(request("GET", "/afterwards"))
        assert client.reply().json["environ"]["PATH_INFO"] == "/afterwards"
    elif case.end == "closed":
        assert client.rest() == b""
    else:
        assert client.gone(), "something was answered to a request that had not come"
