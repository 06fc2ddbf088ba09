"""How full the data folder's disk is, and what is told of a folder that has gone."""

import os
from pathlib import Path

from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.totals import Totals
from exporter.web.disk import DiskHealth


def test_what_was_told_last_stays_when_the_folder_has_gone(tmp_path: Path) -> None:
    health = Totals(Catalogue(), own.OWN_METRICS)
    folder = tmp_path / "data"
    folder.mkdir()
    disk = DiskHealth(health, folder)
    disk.observe()
    sizes = health.counts(own.DISK_SIZE).copy()
    assert sizes == {(): [os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize]}
    folder.rmdir()
    disk.observe()
    assert health.counts(own.DISK_SIZE) == sizes


def test_a_folder_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    health = Totals(Catalogue(), own.OWN_METRICS)
    DiskHealth(health, tmp_path / "none").observe()
    assert health.counts(own.DISK_FREE) == {}
    assert health.counts(own.DISK_SIZE) == {}
