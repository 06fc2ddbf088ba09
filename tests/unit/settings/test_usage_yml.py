"""The part `usage` of billing.yml: every number has bounds, and says them."""

from pathlib import Path

import pytest

from exporter.settings import SettingsError, UsageConfig, read_config


def read(folder: Path, text: str) -> UsageConfig:
    file = folder / "billing.yml"
    file.write_text(f"usage:\n  {text}\n")
    return read_config(file).usage


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("spike_percent: 0", "must be 1 to 100000 percent."),
        ("spike_least_minor: -1", "must be 0 to 9007199254740992 minor units."),
        ("anomaly_deviations: 0", "must be 1 to 1000 deviations."),
        ("anomaly_least_units: 0", "must be 1 to 9007199254740992 units."),
        ("anomaly_least_minor: 0", "must be 1 to 9007199254740992 minor units."),
        ("exhaustion_days: 367", "must be 1 to 366 days."),
        ("silence_hours: 0", "must be 1 to 672 hours."),
        ("low_credits: -1", "must be 0 to 9007199254740992 credits."),
        ("top_organizations: 51", "must be 0 to 50 organisations."),
    ],
)
def test_a_number_out_of_bounds_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert f"billing.yml:2: usage.{text.partition(':')[0]}: {told}" in str(caught.value)


def test_numbers_within_their_bounds_are_taken(tmp_path: Path) -> None:
    usage = read(tmp_path, "low_credits: 0\n  silence_hours: 672\n  spike_percent: 100000")
    assert usage == UsageConfig(low_credits=0, silence_hours=672, spike_percent=100_000)
