"""The part `alerts` of billing.yml: from how many on one message stands for all."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError, read_config


@pytest.mark.parametrize("number", [1, 1000])
def test_a_number_from_which_on_alerts_are_summarised_is_read(tmp_path: Path, number: int) -> None:
    file = tmp_path / "billing.yml"
    file.write_text(f"alerts:\n  summarise_above: {number}\n")
    assert read_config(file).alerts.summarise_above == number


@pytest.mark.parametrize("number", ["0", "1001", "-5", "many", "1.5"])
def test_one_that_can_not_be_is_refused_with_its_line(tmp_path: Path, number: str) -> None:
    file = tmp_path / "billing.yml"
    file.write_text(f"alerts:\n  summarise_above: {number}\n")
    with pytest.raises(SettingsError, match=r"billing\.yml:2: alerts\.summarise_above"):
        read_config(file)
