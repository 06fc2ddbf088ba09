"""What a replica keeps of its ledger in the data folder."""

from pathlib import Path

import pytest
import structlog

from exporter.ledger.highwater import Highwater, Known


def test_the_last_number_survives(tmp_path: Path) -> None:
    first = Highwater(tmp_path / "data", "main")
    assert first.read() is None
    for number in (1, 10**18, 2):
        first.write(Known("one", number))
    first.close()
    first.close()
    assert Highwater(tmp_path / "data", "main").read() == Known("one", 2)
    assert Highwater(tmp_path / "data", "other").read() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"group_no": 1}', '{"ledger_id": 1}', "\xff"])
def test_what_can_not_be_read_is_as_if_it_were_not_there(tmp_path: Path, content: str) -> None:
    (tmp_path / "replica-main.json").write_text(content, encoding="latin-1")
    highwater = Highwater(tmp_path, "main")
    assert highwater.read() is None
    highwater.write(Known("one", 5))
    highwater.close()
    assert highwater.read() == Known("one", 5)


def test_a_folder_that_can_not_be_written_to_stops_nothing_and_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    highwater = Highwater(tmp_path / "file" / "data", "main")
    with structlog.testing.capture_logs() as logs:
        highwater.write(Known("one", 1))
        highwater.write(Known("one", 2))
    assert [line["log_level"] for line in logs] == ["error"]
    assert highwater.read() is None
