"""Scrapes of the past as OpenMetrics with timestamps, made into blocks by promtool."""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import groupby
from pathlib import Path

from history.past import Past
from tests.support.tools import find_tool

# As long as the blocks that promtool makes: of longer files each would be read once a block.
_PIECE_SECONDS = 2 * 3600
_AT_ONCE = 2
_SCRAPE_SECONDS = 0.004


class BackfillError(Exception):
    """promtool could not make blocks; says what it wrote."""


def promtool(*arguments: str | Path) -> None:
    """Run `promtool tsdb create-blocks-from`. Raises BackfillError."""
    command = [find_tool("promtool"), "tsdb", "create-blocks-from", *arguments]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        raise BackfillError(f"promtool failed:\n{(answer.stdout + answer.stderr)[-2000:]}")


def write_scrapes(
    past: Past,
    target: Mapping[str, str],
    times: Iterable[int],
    scratch: Path,
    data: Path,
    *,
    reached: Callable[[int], None] = lambda _: None,
) -> int:
    """Blocks in `data` with a scrape at each of these times, in Unix seconds and in their order;
    `target` are the labels that Prometheus gives the target. `reached` is told the time up to
    which they are scraped. Returns how many samples they have.
    """
    text = _Text(target)
    samples = 0
    running: set[Future[None]] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for piece, moments in groupby(times, lambda at: at // _PIECE_SECONDS):
            file = scratch / f"scrapes-{piece}.om"
            with file.open("wb") as written:
                for at in moments:
                    past.advance(at)
                    lines = text.scrape(past.expose(), at)
                    samples += len(lines)
                    written.writelines(lines)
                written.write(b"# EOF\n")
            reached(at)
            if len(running) == _AT_ONCE:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
            running.add(pool.submit(_make_blocks, file, data))
        for future in running:
            future.result()
    return samples


def _make_blocks(file: Path, data: Path) -> None:
    try:
        promtool("openmetrics", file, data)
    finally:
        file.unlink()


class _Text:
    """Puts the target's labels and the time to each line. What a line without its time looks like
    is kept, as most are the same at the next scrape.
    """

    def __init__(self, target: Mapping[str, str]) -> None:
        pairs = (f'{name}="{value}"' for name, value in sorted(target.items()))
        self._target = ",".join(pairs).encode()
        self._known: dict[bytes, bytes] = {}
        self._piece = 0

    def scrape(self, body: bytes, at_seconds: int) -> list[bytes]:
        """The lines of a scrape, and of what Prometheus tells of it."""
        if at_seconds // _PIECE_SECONDS != self._piece:
            self._known.clear()
            self._piece = at_seconds // _PIECE_SECONDS
        known, ending = self._known, b"%d\n" % at_seconds
        found = [line for line in body.splitlines() if not line.startswith(b"#")]
        lines = [
            (known.get(line) or known.setdefault(line, self._labelled(line))) + ending
            for line in found
        ]
        return lines + [self._labelled(line) + ending for line in _about_scrape(len(found))]

    def _labelled(self, line: bytes) -> bytes:
        series, _, value = line.rpartition(b" ")
        name, _, labels = series.removesuffix(b"}").partition(b"{")
        return b"%b{%b%b%b} %b " % (name, labels, b"," * bool(labels), self._target, value)


def _about_scrape(samples: int) -> Iterator[bytes]:
    """The series that Prometheus itself adds to each scrape."""
    yield b"up 1"
    yield b"scrape_duration_seconds %f" % _SCRAPE_SECONDS
    yield b"scrape_samples_scraped %d" % samples
    yield b"scrape_samples_post_metric_relabeling %d" % samples
    yield b"scrape_series_added 0"
