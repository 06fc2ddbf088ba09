"""A role that no policy holds back is refused, before anything is made with it."""

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from exporter.errors import PrivilegedRole
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.migrate import migrate
from tests.support.command import run_command
from tests.support.database import new_database
from tests.support.exporter import ADMIN_KEY
from tests.support.password_role import url_of
from tests.support.writing import ask

PASSWORD = "a-password-for-tests-only"
SETTINGS = {"BILLING_ADMIN_KEY": ADMIN_KEY, "STRIPE_WEBHOOK_SECRET": "whsec_1"}
SUPERUSER, BYPASSER = "SUPERUSER", "NOSUPERUSER BYPASSRLS"
SAID = {SUPERUSER: "is a superuser", BYPASSER: "has BYPASSRLS"}


@contextlib.contextmanager
def url_with(server: EmbeddedServer, attribute: str) -> Iterator[str]:
    """A new database's URL, for a new role with that attribute."""
    superuser = server.conninfo("postgres")
    role = f"privileged_{secrets.token_hex(4)}"
    ask(superuser, f"CREATE ROLE {role} LOGIN {attribute} PASSWORD '{PASSWORD}' IN ROLE billing")
    try:
        with new_database(server) as conninfo:
            yield url_of(conninfo, role, PASSWORD)
    finally:
        ask(superuser, f"DROP ROLE {role}")


@pytest.mark.parametrize("attribute", [SUPERUSER, BYPASSER])
def test_it_is_refused_with_the_remedy_and_nothing_is_made(
    any_postgres: EmbeddedServer, attribute: str
) -> None:
    with url_with(any_postgres, attribute) as url:
        with pytest.raises(PrivilegedRole, match=rf"{SAID[attribute]}, so .*NOBYPASSRLS"):
            migrate(url)
        assert ask(url, "SELECT to_regnamespace('ledger')") == [(None,)]


def test_taking_another_roles_part_is_no_way_round(postgres: EmbeddedServer) -> None:
    with url_with(postgres, SUPERUSER) as url, pytest.raises(PrivilegedRole):
        migrate(f"{url}?options=-crole%3Dbilling")


@pytest.mark.parametrize("attribute", [SUPERUSER, BYPASSER])
def test_the_exporter_does_not_start_and_doctor_tells_why(
    postgres: EmbeddedServer, tmp_path: Path, attribute: str
) -> None:
    with url_with(postgres, attribute) as url:
        role = str(conninfo_to_dict(url)["user"])
        environment = {
            **SETTINGS,
            "DATABASE_URL": url,
            "BILLING_DATA_DIR": str(tmp_path),
            "BILLING_LISTEN_ADDRESS": "127.0.0.1:0",
        }
        for command in ("serve", "migrate"):
            answer = run_command(tmp_path, environment, command)
            assert answer.returncode == 1
            assert f"The role {role} {SAID[attribute]}" in answer.stderr
            assert "CREATE ROLE billing LOGIN NOSUPERUSER NOBYPASSRLS" in answer.stderr
            assert "Traceback" not in answer.stderr
        answer = run_command(tmp_path, environment, "doctor", "-o", "json")
        assert answer.returncode == 1
        (check,) = [one for one in json.loads(answer.stdout)["checks"] if one["check"] == "role"]
        assert check["ok"] is False
        assert SAID[attribute] in check["found"]
        assert "Make one without either" in check["remedy"]


def test_doctor_names_the_role_that_keeps_requests_apart(
    postgres: EmbeddedServer, tmp_path: Path
) -> None:
    superuser = postgres.conninfo("postgres")
    role = f"plain_{secrets.token_hex(4)}"
    ask(superuser, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        with new_database(postgres) as conninfo:
            found = {}
            for url in (conninfo, url_of(conninfo, role, PASSWORD)):
                environment = {**SETTINGS, "DATABASE_URL": url, "BILLING_DATA_DIR": str(tmp_path)}
                answer = run_command(tmp_path, environment, "doctor", "-o", "json")
                for check in json.loads(answer.stdout)["checks"]:
                    if check["check"] == "role":
                        assert check["ok"] is True
                        found[check["found"].partition(";")[0]] = check["found"]
        assert "are answered as billing_reader" in found["billing"]
        assert "queries alone" in found[role]
    finally:
        ask(superuser, f"DROP ROLE {role}")
