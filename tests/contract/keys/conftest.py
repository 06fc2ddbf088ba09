"""A running exporter and its database, for tests of API keys."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter


@dataclass(frozen=True)
class Served:
    """The exporter, and how to connect to its database as its owner."""

    exporter: ExporterProcess
    conninfo: str


@pytest.fixture(scope="module")
def served(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the tests of a file."""
    with (
        new_database(postgres) as conninfo,
        running_exporter(tmp_path_factory.mktemp("keys"), conninfo) as exporter,
    ):
        yield Served(exporter, conninfo)
