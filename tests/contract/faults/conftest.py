"""Exporters that a whole file of tests shares."""

from collections.abc import Iterator

import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter


@pytest.fixture(scope="module")
def shared(
    postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExporterProcess]:
    """One running exporter for the tests of a file."""
    with (
        new_database(postgres) as database_url,
        running_exporter(tmp_path_factory.mktemp("shared"), database_url) as exporter,
    ):
        yield exporter
