"""Answers of an HTTP/1.1 server, read strictly, and what must hold of each."""

import asyncio
import json
from dataclasses import dataclass

from tests.support.soundness import demand

_PROBLEM = {"type", "title", "status", "detail", "remedy", "instance"}


@dataclass(frozen=True)
class Answer:
    """One final answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server said that nothing follows."""
        return self.headers.get("connection", "").lower() == "close"


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer | None:
    """The next final answer; interim ones (1xx) are skipped. None when the connection ended
    before one began. Raises UnsoundError for what isn't HTTP, or ends half way.
    """
    while True:
        if not (line := await _line(reader, may_end=True)):
            return None
        version, _, rest = line.partition(" ")
        code, _, reason = rest.partition(" ")
        demand(version == "HTTP/1.1" and len(code) == 3 and code.isdigit(), f"no status: {line!r}")
        demand(reason.isprintable(), f"the reason {reason!r}")
        status = int(code)
        headers = await _headers(reader)
        if status >= 200:
            body = b"" if method == "HEAD" or status in (204, 304) else await _body(reader, headers)
            return Answer(status, headers, body)


def check_answer(answer: Answer, method: str) -> None:
    """No fault of the server; a refusal is a problem document that names its status. Raises
    UnsoundError.
    """
    status, headers = answer.status, answer.headers
    demand(100 <= status < 500, f"{status} {answer.body[:300]!r}")
    if status < 400 or method == "HEAD":
        return
    media = headers.get("content-type", "")
    demand(media == "application/problem+json", f"{status} as {media}: {answer.body[:100]!r}")
    problem = json.loads(answer.body)
    demand(problem.keys() - {"errors"} == _PROBLEM, f"a problem of {sorted(problem)}")
    demand(problem["status"] == status, f"the problem of a {status} says {problem['status']}")
    demand(problem["type"].startswith("urn:billing-exporter:problem:"), problem["type"])
    for name in ("title", "detail", "remedy"):
        demand(isinstance(problem[name], str) and problem[name], f"a problem without {name}")
    demand(len(problem["detail"]) < 1_000, "a problem that repeats what was sent")


async def _line(reader: asyncio.StreamReader, *, may_end: bool = False) -> str:
    raw = await reader.readline()
    if may_end and not raw:
        return ""
    demand(raw.endswith(b"\r\n"), f"a line that ends half way: {raw[:80]!r}")
    return raw[:-2].decode("latin-1")


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := await _line(reader):
        name, colon, value = line.partition(":")
        token = name.replace("-", "").isalnum()
        demand(bool(colon) and token and name.isascii(), f"no header: {line[:80]!r}")
        demand(value.strip().isprintable(), f"the header {name} has the value {value[:80]!r}")
        demand(name.lower() not in headers, f"the header {name} stands twice")
        headers[name.lower()] = value.strip()
    return headers


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    demand(
        ("content-length" in headers) != ("transfer-encoding" in headers),
        f"an answer of no clear length: {headers}",
    )
    try:
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        pieces = []
        while size := int(await _line(reader), 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        await _line(reader)
        return b"".join(pieces)
    except asyncio.IncompleteReadError as cut:
        demand(False, f"a body that ends half way: {cut.partial[:80]!r}")
        raise
