"""Thresholds of the alerts in rules/alerts/exporter.py."""

from exporter.settings.thresholds.model import Threshold

NO_DATA_EXPECTED = Threshold(
    "no_data_expected_events",
    10,
    "events in an hour",
    "Where ten were to be expected, none at all in an hour is no chance; where fewer were, it is.",
    3,
    1_000_000,
)
THRESHOLDS: tuple[Threshold, ...] = (NO_DATA_EXPECTED,)
