"""The coverage-guided half: each target in turn, in a process that libFuzzer drives."""

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.corpus import seeds

# How much of the time each target gets.
SHARES = {"events": 3, "stripe": 4, "alerts": 1, "json": 1, "signature": 1, "config": 1}
_PROJECT = Path(__file__).parents[1]
_LONGEST_INPUT_BYTES = 32_768
_HANG_SECONDS = 10
# Until the first input: the exporter's modules are instrumented.
_START_SECONDS = 3
_MOST_CRASHES = 5
_PULSE = re.compile(r"#(\d+)\s.*\bcov: (\d+)")

Progress = Callable[[str], None]


class FuzzerMissingError(Exception):
    """Atheris can't be imported; names the remedy."""


@dataclass
class Guided:
    """What fuzzing one target came to. `edges` are branches of the exporter that were reached;
    `finds` the files of inputs that crashed it or made it hang.
    """

    name: str
    seconds: float = 0.0
    inputs: int = 0
    edges: int = 0
    finds: list[Path] = field(default_factory=list)

    @property
    def hangs(self) -> int:
        """How many inputs took longer than any may."""
        return sum("-timeout-" in file.name for file in self.finds)

    @property
    def crashes(self) -> int:
        """How many inputs broke a promise, or the process."""
        return len(self.finds) - self.hangs


def demand_atheris() -> None:
    """Raise FuzzerMissingError if there is no coverage-guided fuzzer."""
    if importlib.util.find_spec("atheris") is None:
        raise FuzzerMissingError(
            "atheris is not installed. `make fuzz` installs it (the extra `fuzz`); it is there for "
            "CPython 3.11 to 3.14 on Linux x86-64 and no other: use one of these, or run the "
            "routes alone with --routes-only."
        )


def fuzz_target(
    name: str, seconds: float, seed: int, crashes: Path, tell: Progress = lambda _: None
) -> Guided:
    """Fuzz a target for so long. Inputs that break it are kept below `crashes`."""
    found = Guided(name)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="billing-corpus-") as folder:
        start, grown = Path(folder) / "start", Path(folder) / "grown"
        start.mkdir()
        grown.mkdir()
        for number, raw in enumerate(seeds(name)):
            (start / f"{number}").write_bytes(raw)
        while (left := seconds - (time.monotonic() - begun)) >= 1:
            flags = [
                f"-max_total_time={max(1, int(left - _START_SECONDS))}",
                f"-seed={seed + len(found.finds)}",
                f"-max_len={_LONGEST_INPUT_BYTES}",
                f"-timeout={_HANG_SECONDS}",
                f"-artifact_prefix={crashes}/{name}-",
            ]
            before = set(crashes.iterdir())
            status = _run([name, folder, *flags, str(grown), str(start)], found, tell)
            fresh = sorted(set(crashes.iterdir()) - before)
            found.finds += fresh
            if status == 0 or len(found.finds) >= _MOST_CRASHES:
                break
            if not fresh:
                raise RuntimeError(f"the fuzzer of {name} ended with {status} and found nothing")
    found.seconds = time.monotonic() - begun
    return found


def _run(arguments: list[str], found: Guided, tell: Progress) -> int:
    """Run the child to its end; its counts are added to `found`, its last words told if it
    crashed.
    """
    command = [sys.executable, "-m", "fuzz.child", *arguments]
    earlier = found.inputs
    last: list[str] = []
    with subprocess.Popen(
        command, cwd=_PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as child:  # fmt: skip
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if not line.startswith("#"):
                    last = [*last[-29:], line.rstrip()]
                if pulse := _PULSE.match(line):
                    found.inputs = earlier + int(pulse[1])
                    found.edges = max(found.edges, int(pulse[2]))
                    tell(f"{found.name}: {found.inputs} inputs, {found.edges} edges")
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        print("\n".join(last), file=sys.stderr)
    return child.returncode
