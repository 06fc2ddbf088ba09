"""How often health is looked at: milliseconds as given, seconds as used."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError, load


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 30), ({"HEALTH_CHECK_INTERVAL": "1000"}, 1), ({"HEALTH_CHECK_INTERVAL": "1500"}, 1.5)],
)
def test_milliseconds_become_seconds(tmp_path: Path, given: dict[str, str], seconds: float) -> None:
    assert load(given, tmp_path).health_check_seconds == seconds


@pytest.mark.parametrize("text", ["999", "3600001", "30s", "-1000", "1e4", "\uff19" * 4, "9" * 30])
def test_what_is_no_such_number_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"HEALTH_CHECK_INTERVAL is .* 1000 to 3600000"):
        load({"HEALTH_CHECK_INTERVAL": text}, tmp_path)
