"""A running exporter and its database, for tests of organisations and their alerts."""

from collections.abc import Iterator

import pytest

from exporter.ledger.embedded import EmbeddedServer
from tests.contract.keys.conftest import Served
from tests.support.database import new_database
from tests.support.exporter import running_exporter


@pytest.fixture(scope="module")
def served(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the tests of a file, each of which has organisations of its own."""
    with (
        new_database(postgres) as conninfo,
        running_exporter(tmp_path_factory.mktemp("organizations"), conninfo) as exporter,
    ):
        yield Served(exporter, conninfo)
