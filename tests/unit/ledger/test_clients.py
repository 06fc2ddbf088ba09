"""PostgreSQL's own programs: of the right version, and told no password in view of others."""

import os
from pathlib import Path

import pytest

from exporter.errors import BackupError
from exporter.ledger.binaries import choose_binaries
from exporter.ledger.clients import Clients, find_clients


def test_a_password_is_in_no_command_line() -> None:
    major = choose_binaries(None, None).major
    url = "postgresql://someone:very-secret@127.0.0.1:1/ledger?sslmode=disable"
    clients = find_clients(
        url, major, None, {"PATH": "/usr/bin", "PGSSLROOTCERT": "x", "OTHER": "y"}
    )
    command = " ".join(clients.command("pg_dump", "--format=custom"))
    assert "very-secret" not in command + repr(clients)
    assert "host=127.0.0.1" in command
    assert "sslmode=disable" in command
    assert clients.environment["PGPASSWORD"] == "very-secret"
    assert clients.environment["PGSSLROOTCERT"] == "x"
    assert "OTHER" not in clients.environment
    with pytest.raises(BackupError, match="sslpassword"):
        find_clients("host=a sslpassword=b", major, None, {})


def test_parameters_that_older_programs_refuse_are_left_out() -> None:
    conninfo = "host=a require_auth=scram-sha-256 sslmode=disable"
    told = {
        major: " ".join(Clients(Path("bin"), major, conninfo, {}).command("psql"))
        for major in (15, 16)
    }
    assert "require_auth" not in told[15]
    assert "require_auth=scram-sha-256" in told[16]
    assert all("sslmode=disable" in command for command in told.values())


def test_missing_programs_are_named_with_their_package(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="Install the package postgresql-client-99"):
        find_clients("host=a", 99, tmp_path, {"PATH": os.defpath})
