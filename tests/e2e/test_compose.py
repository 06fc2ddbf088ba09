"""The exporter with what compose.yaml gives it: database, roles, secrets, configuration."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.ledger.embedded import EmbeddedServer
from tests.support.compose import SECRETS, SERVICES, make_secrets, mounts
from tests.support.exporter import ExporterProcess
from tests.support.postgres import ask, reachable_folder
from tests.support.tools import find_postgres_bin


@pytest.fixture(scope="module")
def secret_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make secrets` makes."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    make_secrets(folder)
    return folder


@pytest.fixture(scope="module")
def server(secret_files: Path) -> Iterator[EmbeddedServer]:
    """A server after the script that PostgreSQL's image runs on an empty volume."""
    with reachable_folder() as folder, EmbeddedServer.open(folder / "own") as server:
        superuser = conninfo_to_dict(server.conninfo("postgres"))
        elsewhere = make_conninfo(server.conninfo("postgres"), dbname="template1")
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {superuser['dbname']} WITH (FORCE)".encode())
            connection.execute(b"DROP ROLE billing_reader, billing_operator, billing")
        script = mounts("postgres")["/docker-entrypoint-initdb.d/roles.sql"].read_text()
        subprocess.run(
            [find_postgres_bin() / "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "template1"],
            env={
                "PATH": os.defpath,
                "PGHOST": str(superuser["host"]),
                "PGPORT": str(superuser["port"]),
                "PGUSER": "postgres",
                "PGPASSFILE": str(superuser["passfile"]),
            },
            input=script.replace(SECRETS, str(secret_files / "postgres")),
            check=True,
            capture_output=True,
            text=True,
        )
        yield server


def test_the_exporter_starts_with_what_it_is_given(
    server: EmbeddedServer, secret_files: Path, tmp_path: Path
) -> None:
    port = conninfo_to_dict(server.conninfo("postgres"))["port"]
    url_file = secret_files / "exporter" / "database-url"
    here = tmp_path / "database-url"
    here.write_text(url_file.read_text().replace(":5432/", f":{port}/"))
    told = SERVICES["exporter"]["environment"]
    settings = {
        name: value.replace(SECRETS, str(secret_files / "exporter"))
        for name, value in told.items()
        if name != "ALERTMANAGER_URL"
    }
    settings |= {
        "DATABASE_URL_FILE": str(here),
        "BILLING_CONFIG": str(mounts("exporter")["/etc/billing-exporter/billing.yml"]),
    }
    with ExporterProcess(tmp_path / "main", None, settings) as process:
        process.wait_ready()
        script = SERVICES["alertmanager-key"]
        data = tmp_path / "data"
        data.mkdir()
        command = [*script["entrypoint"], script["command"][0].replace("/data/", f"{data}/")]
        key = ""
        for _ in range(2):
            path = f"{Path(sys.executable).parent}:{os.defpath}"
            subprocess.run(command, env={**process.environment, "PATH": path}, check=True)
            assert key in ("", (data / "exporter-key").read_text())
            key = (data / "exporter-key").read_text()
        statuses = [
            requests.post(
                f"{process.url}/api/webhooks/alertmanager",
                json={"version": "4", "alerts": []},
                headers={"Authorization": f"Bearer {given}"},
                timeout=10,
            ).status_code
            for given in (key.strip(), key.strip()[::-1])
        ]
        # The key lets a message in, which is then found to hold nothing.
        assert statuses == [422, 401]
        for role in ("operator", "auditor"):
            password = (secret_files / "postgres" / f"{role}-password").read_text().strip()
            with psycopg.connect(
                f"postgresql://billing_{role}:{password}@127.0.0.1:{port}/billing"
            ) as connection:
                names = connection.execute("SELECT name FROM ledger.api_keys").fetchall()
            assert names == [("alertmanager",)]
        assert process.stop() == 0
    assert ask(server, "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname ~ 'billing'") == 0
