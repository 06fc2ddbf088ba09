"""`keys create`, `keys list` and `keys revoke`."""

import functools
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from exporter.domain.access import Scope
from exporter.ledger.audit import os_actor
from tests.contract.keys.conftest import Served
from tests.support.command import Answer, run_command
from tests.support.keys import audited
from tests.support.telemetry import payment

Command = Callable[..., Answer]
SECRET = re.compile(r"bek_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def command(served: Served) -> Command:
    """Runs `keys` with the settings of the exporter that is served."""
    folder, environment = served.exporter.data_dir, served.exporter.environment
    return functools.partial(run_command, folder, environment, "keys")


def create(command: Command, *options: str) -> tuple[str, str]:
    """The id and the secret of a new key."""
    answer = command("create", *options)
    assert answer.returncode == 0, answer.stderr
    assert SECRET.fullmatch(answer.stdout)
    secret = answer.stdout.strip()
    assert secret not in answer.stderr
    found = re.search(r"^Key ([0-9a-f]{10}) ", answer.stderr)
    assert found
    return found[1], secret


def test_a_key_is_made_used_listed_and_revoked(command: Command, served: Served) -> None:
    options = ["--name", "shop", "--scope", "ingest", "--scope", "read", "--expires", "90d"]
    key_id, secret = create(command, *options, "--organization", "acme")
    assert served.exporter.send_events(payment(), key=secret).status_code == 200

    listed = command("list", "-o", "json")
    (row,) = [row for row in json.loads(listed.stdout) if row["key_id"] == key_id]
    assert (row["name"], row["scopes"], row["organization_id"], row["state"]) == (
        "shop",
        ["ingest", "read"],
        "acme",
        "live",
    )
    table = command("list").stdout
    assert key_id in table
    assert "ingest read" in table
    for text in (listed.stdout, table):
        assert secret not in text
        assert hashlib.sha256(secret.encode()).hexdigest() not in text

    revoked = command("revoke", key_id)
    assert (revoked.returncode, revoked.stdout, revoked.stderr) == (0, f"{key_id} revoked\n", "")
    again = command("revoke", key_id)
    assert (again.returncode, again.stdout) == (1, "")
    assert "no key" in again.stderr
    (row,) = [row for row in json.loads(command("list", "-o", "json").stdout) if row["revoked_at"]]
    assert (row["key_id"], row["state"]) == (key_id, "revoked")

    made = [row for row in audited(served.conninfo, "api_key.create") if row[1] == key_id]
    details = {
        "name": "shop",
        "scopes": ["ingest", "read"],
        "organization_id": "acme",
        "expires_seconds": 90 * 86_400,
    }
    assert made == [(os_actor(), key_id, "done", details)]
    ended = audited(served.conninfo, "api_key.revoke")
    assert ended == [(os_actor(), key_id, "done", {"name": "shop"})]


def test_the_ledger_holds_the_digest_and_the_time_of_a_key(
    command: Command, served: Served
) -> None:
    key_id, secret = create(command, "--name", "short", "--scope", "admin", "--expires", "12h")
    with psycopg.connect(served.conninfo) as connection:
        row = connection.execute(
            "SELECT digest, extract(epoch FROM expires_at - created_at)::int, organization_id, "
            "scopes, api_keys::text, (SELECT string_agg(a::text, '') FROM ledger.audit_log AS a) "
            "FROM ledger.api_keys WHERE key_id = %s",
            [key_id],
        ).fetchone()
    assert row is not None
    digest, seconds, organization_id, scopes, whole, log = row
    assert (digest, seconds) == (hashlib.sha256(secret.encode()).digest(), 12 * 3600)
    assert (organization_id, scopes) == (None, ["admin"])
    assert secret not in whole
    assert secret.removeprefix("bek_") not in log


def test_two_keys_are_never_alike(command: Command) -> None:
    options = ("--name", "same", "--scope", "ingest")
    (one_id, one), (other_id, other) = create(command, *options), create(command, *options)
    assert one_id != other_id
    assert one != other


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--scope", "ingest"), "--name"),
        (("--name", "x"), "--scope"),
        (("--name", "x", "--scope", "all"), "'all' is not one of"),
        (("--name", "x\n", "--scope", "ingest"), "--name must be"),
        (("--name", "", "--scope", "ingest"), "--name must be"),
        (("--name", "x", "--scope", "ingest", "--expires", "0d"), "as in 90d"),
        (("--name", "x", "--scope", "ingest", "--expires", "5"), "as in 90d"),
        (("--name", "x", "--scope", "ingest", "--expires", "3651d"), "3650 days"),
        (("--name", "x", "--scope", "ingest", "--organization", ""), "--organization must be"),
        (("--name", "x", "--scope", "ingest", "--organization", "a b"), "without a space"),
        (("--name", "x", "--scope", "admin", "--organization", "acme"), "every organisation"),
        (("--name", "x", "--scope", "alertmanager", "--organization", "a"), "every organisation"),
    ],
)
def test_what_makes_no_key_is_told(
    command: Command, served: Served, options: tuple[str, ...], told: str
) -> None:
    before = audited(served.conninfo, "api_key.create")
    answer = command("create", *options)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert told in " ".join(answer.stderr.split())
    assert audited(served.conninfo, "api_key.create") == before


@pytest.mark.parametrize("key_id", ["", "nothing", "0123456789", "'; DROP TABLE x"])
def test_a_key_that_is_not_there_can_not_be_revoked(command: Command, key_id: str) -> None:
    answer = command("revoke", "--", key_id)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "keys list" in answer.stderr


def test_without_its_table_the_remedy_is_told(tmp_path: Path, database_url: str) -> None:
    environment = {
        "DATABASE_URL": database_url,
        "BILLING_ADMIN_KEY": "an-admin-key-for-tests",
        "STRIPE_WEBHOOK_SECRET": "whsec_test",
    }
    answer = run_command(tmp_path, environment, "keys", "list")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "billing-exporter migrate" in answer.stderr


def test_every_scope_can_be_given(command: Command) -> None:
    scopes = [option for scope in Scope for option in ("--scope", scope.value)]
    create(command, "--name", "everything", *scopes)
