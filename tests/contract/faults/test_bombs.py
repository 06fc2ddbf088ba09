"""Row 39: bodies that are small on the wire and huge once unpacked are refused unread."""

import gzip
import zlib
from pathlib import Path

import pytest

from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.refusals import EVENTS, STRIPE, assert_problem, nothing_counted
from tests.support.stripe import sign

MIB = 1024 * 1024
UNPACKED_BYTES = 256 * MIB
MOST_GROWTH_BYTES = 16 * MIB


def zstd_bomb(size_bytes: int) -> bytes:
    """A zstd frame of blocks that each say: this byte, 128 KiB of it (RFC 8878, RLE blocks)."""
    block_bytes = 128 * 1024
    block = (block_bytes << 3 | 1 << 1).to_bytes(3, "little") + b" "
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"}"
    window_of_a_mebibyte = b"\x50"
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + window_of_a_mebibyte
    return frame + block * (size_bytes // block_bytes) + last


def brotli_bomb() -> bytes:
    """The head of a brotli stream with a window of 16 MiB; nobody may read further than that."""
    return b"\xcf\xff\xff\x7f\xf8\x27\x00\xe2\xb1\x40\x20\xf0" * 1_000


SPACES = b" " * UNPACKED_BYTES
BOMBS = {
    "gzip": gzip.compress(SPACES, 9),
    "deflate": zlib.compress(SPACES, 9),
    "zstd": zstd_bomb(UNPACKED_BYTES),
    "br": brotli_bomb(),
    "gzip, gzip": gzip.compress(gzip.compress(SPACES, 9), 9),
    "x-gzip": gzip.compress(SPACES, 9),
}
del SPACES


def peak_bytes(target: ExporterProcess) -> int:
    """The most memory that the process ever held since it was asked to forget."""
    lines = Path(f"/proc/{target.process.pid}/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kibibytes) * 1024


def forget_peak(target: ExporterProcess) -> None:
    """Let the peak begin at what is held now."""
    Path(f"/proc/{target.process.pid}/clear_refs").write_text("5")


@pytest.mark.parametrize("path", [EVENTS, STRIPE])
@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_is_refused_and_costs_no_memory(
    shared: ExporterProcess, path: str, coding: str
) -> None:
    body = BOMBS[coding]
    assert len(body) < 2 * MIB
    headers = {
        "Authorization": f"Bearer {ADMIN_KEY}",
        "Content-Type": "application/json",
        "Content-Encoding": coding,
        "Stripe-Signature": sign(body),
    }
    rises = {"unsupported_media": 1} if path == STRIPE else {}
    with nothing_counted(shared, **rises):
        forget_peak(shared)
        before = peak_bytes(shared)
        answer = shared.session.post(shared.url + path, body, headers=headers, timeout=30)
        assert_problem(answer, 415, path)
        assert peak_bytes(shared) - before < MOST_GROWTH_BYTES


def test_a_coding_of_the_transfer_is_not_undone(shared: ExporterProcess) -> None:
    """`Transfer-Encoding: gzip, chunked`: refused, or read as the bytes that it is."""
    body = BOMBS["gzip"]
    headers = {
        "Authorization": f"Bearer {ADMIN_KEY}",
        "Content-Type": "application/json",
        "Transfer-Encoding": "gzip, chunked",
    }
    with nothing_counted(shared):
        forget_peak(shared)
        before = peak_bytes(shared)
        pieces = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
        answer = shared.session.post(shared.url + EVENTS, pieces, headers=headers, timeout=30)
        assert answer.status_code == 400
        assert peak_bytes(shared) - before < MOST_GROWTH_BYTES
