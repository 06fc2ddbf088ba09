"""What the kernel says of this process, as every Prometheus client exposes it."""

import contextlib
import os
import resource
from pathlib import Path

from exporter.catalogue import process_metrics as p
from exporter.catalogue.book import MICRO
from exporter.totals import Totals

# Fields of /proc/PID/stat behind the program's name, proc(5).
_START_TICKS, _VIRTUAL_BYTES, _RESIDENT_PAGES = 19, 20, 21


class ProcessHealth:
    """Writes the standard metrics of the process; on a system without /proc there are none."""

    def __init__(self, health: Totals, proc: Path = Path("/proc")) -> None:
        self._health = health
        self._own = proc / "self"
        self._start_micros: int | None = None
        with contextlib.suppress(OSError):
            self._start_micros = _start_micros(self._fields(), proc / "stat")

    def observe(self) -> None:
        """Bring them up to date; they stay as they were when not even a file can be opened."""
        if self._start_micros is not None:
            with contextlib.suppress(OSError):
                self._read(self._start_micros)

    def _read(self, start_micros: int) -> None:
        fields = self._fields()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        most_fds, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        for metric, value in (
            (p.PROCESS_CPU, round((usage.ru_utime + usage.ru_stime) * MICRO)),
            (p.PROCESS_RESIDENT_MEMORY, int(fields[_RESIDENT_PAGES]) * resource.getpagesize()),
            (p.PROCESS_VIRTUAL_MEMORY, int(fields[_VIRTUAL_BYTES])),
            (p.PROCESS_OPEN_FDS, sum(1 for _ in (self._own / "fd").iterdir())),
            (p.PROCESS_MAX_FDS, most_fds),
            (p.PROCESS_START_TIME, start_micros),
        ):
            self._health.set(metric, (), value)

    def _fields(self) -> list[bytes]:
        """A program's name may hold spaces and parentheses."""
        return (self._own / "stat").read_bytes().rpartition(b")")[2].split()


def _start_micros(fields: list[bytes], stat: Path) -> int:
    """When the process began, since the epoch: so many ticks after the machine."""
    (boot,) = (
        line.split()[1] for line in stat.read_bytes().splitlines() if line.startswith(b"btime ")
    )
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    return int(boot) * MICRO + int(fields[_START_TICKS]) * MICRO // ticks_per_second
