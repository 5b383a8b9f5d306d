"""The clients that people use: kept connections, uploads, streamed downloads and redirects, as each does them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

import requests
from harness import PATIENCE, Server, running

BLOB = random.Random(3).randbytes(3 << 20)
BLOCK = bytes(range(256)) * 256
REDIRECTS = [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("apps.clients", workers=2, threads=4) as made:
        yield made


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def pieces() -> Iterator[bytes]:
    for at in range(0, len(BLOB), 100_000):
        yield BLOB[at : at + 100_000]


async def pieces_later() -> AsyncIterator[bytes]:
    for piece in pieces():
        await asyncio.sleep(0)
        yield piece


def described(body: bytes) -> list[object]:
    return [len(body), hashlib.sha256(body).hexdigest()]


def redirected(status: int, method: str, answer: dict[str, Any]) -> None:
    """Compare what came after a redirect: 307 and 308 repeat the method and the body, the others do not."""
    assert (answer["method"], answer["cookie"]) == (method, "seen=yes"), status
    assert answer["body"] == described(b"form" if method == "POST" else b""), status


def test_requests(url: str, server: Server) -> None:
    with requests.Session() as session:
        seen = [session.get(f"{url}/request", timeout=PATIENCE).json() for _ in range(10)]
        assert len({answer["connection"] for answer in seen}) == 1, "the connection was not kept"
        for data, length in ((BLOB, str(len(BLOB))), (pieces(), str(len(BLOB))), (b"", "0")):
            answer = session.post(f"{url}/request", data=data, timeout=PATIENCE).json()
            assert (answer["method"], answer["length"]) == ("POST", length)
            assert answer["body"] == described(b"" if length == "0" else BLOB)
        answer = session.post(f"{url}/request", files={"file": ("name.bin", BLOB)}, timeout=PATIENCE).json()
        assert (answer["type"], answer["body"][0] > len(BLOB)) == ("multipart/form-data", True)
        with session.get(f"{url}/stream?blocks=30", stream=True, timeout=PATIENCE) as reply:
            assert b"".join(reply.iter_content(70_000)) == BLOCK * 30
        out = server.stdout.mark
        with session.get(f"{url}/endless?name=requests", stream=True, timeout=PATIENCE) as reply:
            assert len(next(reply.iter_content(10_000))) > 0
        server.printed(r"^closed requests$", out)
        assert session.head(f"{url}/", timeout=PATIENCE).headers["Content-Length"] == "6"
    for status, method in REDIRECTS:
        with requests.Session() as session:
            reply = session.post(f"{url}/redirect?status={status}", data=b"form", timeout=PATIENCE)
            redirected(status, method, reply.json())


def test_httpx(url: str, server: Server) -> None:
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        seen = [client.get("/request").json() for _ in range(10)]
        assert len({answer["connection"] for answer in seen}) == 1, "the connection was not kept"
        for content in (BLOB, pieces()):
            answer = client.put("/request", content=content).json()
            assert (answer["method"], answer["length"], answer["body"]) == ("PUT", str(len(BLOB)), described(BLOB))
        with client.stream("GET", "/stream?blocks=30") as reply:
            assert b"".join(reply.iter_bytes()) == BLOCK * 30
        out = server.stdout.mark
        with client.stream("GET", "/endless?name=httpx") as reply:
            assert len(next(reply.iter_bytes())) > 0
        server.printed(r"^closed httpx$", out)
        assert client.request("PROPFIND", "/request").json()["method"] == "PROPFIND"
    for status, method in REDIRECTS:
        with httpx.Client(base_url=url, timeout=PATIENCE, follow_redirects=True) as client:
            redirected(status, method, client.post(f"/redirect?status={status}", content=b"form").json())


def test_aiohttp(url: str, server: Server) -> None:
    asyncio.run(use_aiohttp(url, server))


async def use_aiohttp(url: str, server: Server) -> None:
    timeout = aiohttp.ClientTimeout(PATIENCE)
    cookies = aiohttp.CookieJar(unsafe=True)  # it takes cookies of an address, not of names only
    async with aiohttp.ClientSession(url, timeout=timeout, cookie_jar=cookies) as session:

        async def ask(method: str, target: str, **arguments: Any) -> Any:
            async with session.request(method, target, **arguments) as reply:
                return await reply.json()

        seen = [await ask("GET", "/request") for _ in range(10)]
        assert len({answer["connection"] for answer in seen}) == 1, "the connection was not kept"
        for data in (BLOB, pieces_later()):
            answer = await ask("POST", "/request", data=data)
            assert (answer["length"], answer["body"]) == (str(len(BLOB)), described(BLOB))
        answer = await ask("POST", "/request", data=BLOB, expect100=True)
        assert answer["body"] == described(BLOB)
        together = await asyncio.gather(*(ask("POST", "/request", data=b"%d" % n) for n in range(50)))
        assert [answer["body"] for answer in together] == [described(b"%d" % n) for n in range(50)]
        async with session.get("/stream?blocks=30") as reply:
            assert b"".join([piece async for piece in reply.content.iter_chunked(50_000)]) == BLOCK * 30
        out = server.stdout.mark
        async with session.get("/endless?name=aiohttp") as reply:
            assert await reply.content.readany()
        await asyncio.to_thread(server.printed, r"^closed aiohttp$", out)
        for status, method in REDIRECTS:
            redirected(status, method, await ask("POST", f"/redirect?status={status}", data=b"form"))


def curl(*arguments: str) -> bytes:
    """Run curl, and return what it wrote."""
    program = shutil.which("curl")
    assert program, "curl was not found: install it, the server is tested with it"
    done = subprocess.run(
        [program, "-sS", "--max-time", str(int(PATIENCE)), *arguments], capture_output=True, timeout=PATIENCE + 10
    )
    assert done.returncode == 0, f"curl {arguments} ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


def test_curl(url: str, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(BLOB)
    connections = {json.loads(line)["connection"] for line in curl(*[f"{url}/request"] * 5, "-w", "\\n").splitlines()}
    assert len(connections) == 1, "the connection was not kept"
    for arguments in (
        ["--data-binary", f"@{blob}"],  # large enough for Expect: 100-continue
        ["-H", "Transfer-Encoding: chunked", "--data-binary", f"@{blob}"],
        ["-T", str(blob)],
        ["-0", "--data-binary", f"@{blob}"],
        ["-H", "Expect: 100-continue", "--expect100-timeout", "30", "--data-binary", f"@{blob}"],
    ):
        answer = json.loads(curl(*arguments, f"{url}/request"))
        assert (answer["length"], answer["body"]) == (str(len(BLOB)), described(BLOB)), arguments
    assert curl(f"{url}/stream?blocks=30") == BLOCK * 30
    assert curl("-0", f"{url}/stream?blocks=30") == BLOCK * 30
    assert b"Content-Length: 6\r\n" in curl("-I", f"{url}/")
    answer = json.loads(curl("-F", f"file=@{blob}", f"{url}/request"))
    assert (answer["type"], answer["body"][0] > len(BLOB)) == ("multipart/form-data", True)
    for status, method in REDIRECTS:
        answer = json.loads(curl("-L", "-b", "", "-d", "form", f"{url}/redirect?status={status}"))
        redirected(status, method, answer)
