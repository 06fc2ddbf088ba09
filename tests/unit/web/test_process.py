"""The process' own figures, where the system can't tell them, and after it could."""

import shutil
from pathlib import Path

from exporter.catalogue.book import Catalogue
from exporter.catalogue.process_metrics import (
    PROCESS_CPU,
    PROCESS_METRICS,
    PROCESS_START_TIME,
)
from exporter.totals import Totals
from exporter.web.process import ProcessHealth

# A name with everything that may be in one; the process began 50 ticks after the machine.
STAT = b"7 (a) b (c) S " + b"0 " * 18 + b"50 4096000 100 " + b"0 " * 20
MACHINE = b"cpu  1 2 3\nbtime 1700000000\nprocesses 5\n"


def make_proc(folder: Path) -> Path:
    """A /proc with one process, which has two open files."""
    (folder / "self" / "fd").mkdir(parents=True)
    (folder / "stat").write_bytes(MACHINE)
    (folder / "self" / "stat").write_bytes(STAT)
    for number in range(2):
        (folder / "self" / "fd" / str(number)).touch()
    return folder


def told(health: Totals) -> dict[str, int]:
    return {
        metric.name: numbers[0]
        for metric in PROCESS_METRICS
        for numbers in health.counts(metric).values()
    }


def test_a_system_without_proc_tells_nothing(tmp_path: Path) -> None:
    health = Totals(Catalogue(), PROCESS_METRICS)
    ProcessHealth(health, tmp_path).observe()
    assert told(health) == {}


def test_what_proc_tells_is_read_by_its_fields(tmp_path: Path) -> None:
    health = Totals(Catalogue(), PROCESS_METRICS)
    ProcessHealth(health, make_proc(tmp_path)).observe()
    found = told(health)
    assert found.keys() == {metric.name for metric in PROCESS_METRICS}
    assert found["process_virtual_memory_bytes"] == 4_096_000
    assert found["process_resident_memory_bytes"] % 100 == 0
    assert found["process_open_fds"] == 2
    ((start_micros,),) = health.counts(PROCESS_START_TIME).values()
    assert 1_700_000_000_000_000 < start_micros < 1_700_000_010_000_000


def test_a_file_that_can_not_be_opened_leaves_the_figures_as_they_were(tmp_path: Path) -> None:
    health = Totals(Catalogue(), PROCESS_METRICS)
    process = ProcessHealth(health, make_proc(tmp_path))
    process.observe()
    before = told(health)
    shutil.rmtree(tmp_path / "self")
    process.observe()
    assert told(health) == before
    assert health.counts(PROCESS_CPU)
