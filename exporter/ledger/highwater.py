"""What this replica last knew of its ledger, kept beside it in the data folder."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import structlog

_LENGTH_BYTES = 128
_log = structlog.get_logger(component="ledger")


class Known(NamedTuple):
    """The ledger's id and the number of the last group known to be committed in it."""

    ledger_id: str
    group_no: int


class Highwater:
    """A small file, rewritten after each group. It survives a kill of the process; a machine
    that loses power may leave an older number, which only makes the check less sharp.
    """

    def __init__(self, data_dir: Path, replica: str) -> None:
        self._path = data_dir / f"replica-{replica}.json"
        self._fd: int | None = None
        self._failing = False

    def read(self) -> Known | None:
        """What was written last, None if nothing readable is there."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return Known(str(content["ledger_id"]), int(content["group_no"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, known: Known) -> None:
        """Remember `known`; one write of a fixed length, so that it's never half there.

        A folder that can't be written to is told in the log and stops nothing: only a restore of
        an older ledger would then go unnoticed.
        """
        text = json.dumps({"ledger_id": known.ledger_id, "group_no": known.group_no})
        try:
            if self._fd is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._fd, text.ljust(_LENGTH_BYTES).encode(), 0)
        except OSError as error:
            if not self._failing:
                _log.error(
                    "the number of the last group can't be kept; an older ledger would be taken "
                    "for the newest",
                    path=str(self._path),
                    error=error.strerror,
                )
            self._failing = True
        else:
            self._failing = False

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
