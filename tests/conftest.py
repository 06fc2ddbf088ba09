"""Servers and databases that tests share."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from exporter.ledger.embedded import EmbeddedServer
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.postgres import reachable_folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """One PostgreSQL for the whole run; every test gets a database of its own in it."""
    with reachable_folder() as folder, EmbeddedServer.open(folder / "shared") as server:
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """The connection string of a new, empty database that the exporter's role owns."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER billing").format(sql.Identifier(name)))
        yield psycopg.conninfo.make_conninfo(postgres.conninfo(), dbname=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def exporter(tmp_path: Path, database_url: str) -> Iterator[ExporterProcess]:
    """A running exporter with a database of its own."""
    with running_exporter(tmp_path / "main", database_url) as process:
        yield process
