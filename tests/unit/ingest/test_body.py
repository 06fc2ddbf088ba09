"""Reading a body: within its limit, within its time, and from a client that is still there."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.errors import BodyTooLarge, ClientGone, Timeout, UnsupportedMedia
from exporter.ingest.body import Message, Receive, read_body, send_json

LIMIT = 100


def receiving(*chunks: bytes, ends: bool = True) -> Receive:
    """What a client sends; without an end it says nothing more."""
    last = len(chunks) - 1
    messages: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": chunk, "more_body": not ends or number < last}
            for number, chunk in enumerate(chunks)
        ]
    )

    async def receive() -> Message:
        for message in messages:
            return message
        return await asyncio.Future()

    return receive


def scope(**headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": pairs}


@pytest.mark.parametrize("chunks", [(b"",), (b"a" * LIMIT,), (b"a",) * LIMIT, (b"", b"a", b"")])
async def test_a_body_up_to_its_limit_is_read_whole(chunks: tuple[bytes, ...]) -> None:
    assert await read_body(scope(), receiving(*chunks), LIMIT) == b"".join(chunks)


@pytest.mark.parametrize(
    "chunks", [(b"a" * (LIMIT + 1),), (b"a",) * (LIMIT + 1), (b"a" * LIMIT, b"", b"a")]
)
@pytest.mark.parametrize("told", ["0", "1", "100", "999999999999"])
async def test_a_byte_more_is_too_large_whatever_the_length_says(
    chunks: tuple[bytes, ...], told: str
) -> None:
    with pytest.raises(BodyTooLarge, match="larger than 100 bytes"):
        await read_body(scope(content_length=told), receiving(*chunks), LIMIT)


async def test_a_little_more_is_taken_and_thrown_away_and_a_flood_is_not() -> None:
    taken = 0

    async def flood() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"a" * LIMIT, "more_body": True}

    with pytest.raises(BodyTooLarge):
        await read_body(scope(), flood, LIMIT)
    assert taken == 9


@pytest.mark.parametrize("chunks", [(), (b"a",), (b"a", b"", b"b"), (b"a" * (LIMIT + 1),)])
async def test_a_body_that_never_ends_times_out(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(Timeout, match=r"within 0\.05 s") as timeout:
        await read_body(scope(), receiving(*chunks, ends=False), LIMIT, within_seconds=0.05)
    assert timeout.value.status == 408


async def test_a_body_that_trickles_times_out_however_often_it_moves() -> None:
    async def trickle() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"a", "more_body": True}

    with pytest.raises(Timeout):
        await read_body(scope(), trickle, 10**6, within_seconds=0.1)


async def test_a_client_that_left_is_told_nothing() -> None:
    async def leave() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await read_body(scope(), leave, LIMIT)


@pytest.mark.parametrize(
    "encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "x", "identity, gzip"]
)
async def test_a_compressed_body_is_not_read(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia):
        await read_body(scope(content_encoding=encoding), receiving(b"a"), LIMIT)


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", " "])
async def test_a_body_that_is_not_compressed_is_read(encoding: str) -> None:
    assert await read_body(scope(content_encoding=encoding), receiving(b"a"), LIMIT) == b"a"


async def test_an_answer_tells_its_length() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await send_json(send, 202, {"outcome": "é"})
    start, body = sent
    assert start["status"] == 202
    assert dict(start["headers"]) == {
        b"content-type": b"application/json",
        b"content-length": str(len(body["body"])).encode(),
    }
    assert body["body"] == '{"outcome":"é"}'.encode()
