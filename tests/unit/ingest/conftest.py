"""What the reading of telemetry is tested with."""

from datetime import UTC, datetime

import pytest

from exporter.catalogue.book import Catalogue
from exporter.ingest.telemetry import Telemetry

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def telemetry() -> Telemetry:
    """At noon of the last day of January, with the shipped configuration."""
    return Telemetry(Catalogue(), "usd", True, 90, lambda: NOW)
