"""Servers and databases that tests share."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.postgres import reachable_folder

# A machine that is busy with something else is no fault of the example at hand.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """One PostgreSQL for the whole run; every test gets a database of its own in it."""
    with reachable_folder() as folder, EmbeddedServer.open(folder / "shared") as server:
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """The connection string of a new, empty database that the exporter's role owns."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def exporter(tmp_path: Path, database_url: str) -> Iterator[ExporterProcess]:
    """A running exporter with a database of its own."""
    with running_exporter(tmp_path / "main", database_url) as process:
        yield process
