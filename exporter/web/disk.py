"""How full the disk is that the data folder is on."""

import contextlib
import os
from pathlib import Path

from exporter.catalogue import own_metrics as own
from exporter.totals import Totals


class DiskHealth:
    """Writes the size of the folder's disk and what is free on it. It is asked at each scrape and
    not by a periodic job: on a full disk the database, which those need, is the first to stop.
    """

    def __init__(self, health: Totals, folder: Path) -> None:
        self._health = health
        self._folder = folder

    def observe(self) -> None:
        """Bring them up to date; they stay as they were while the folder can't be looked at."""
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._folder)
            self._health.set(own.DISK_FREE, (), disk.f_bavail * disk.f_frsize)
            self._health.set(own.DISK_SIZE, (), disk.f_blocks * disk.f_frsize)
