"""Row 44: no secret is in any log, error, answer, page, file or dump, wherever it came in."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import bcrypt
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.ledger.embedded import EmbeddedServer
from tests.contract.security.conftest import Start
from tests.support.canaries import Canaries
from tests.support.certificates import Authority
from tests.support.command import run_command
from tests.support.driving import drive_commands, drive_routes
from tests.support.exporter import ExporterProcess
from tests.support.kept_rows import plain_dump
from tests.support.password_role import make_role, url_of
from tests.support.postgres import reachable_folder
from tests.support.secure import SecureExporter
from tests.support.telemetry import payment
from tests.support.tree import PROJECT
from tests.support.waiting import wait_until

TALKATIVE = {"BILLING_LOG_LEVEL": "debug", "DEBUG": "billing:*"}
# What belongs to the seeds' set-up, and is not read here.
UNREAD = ("EMAIL_API_KEY", "SLACK_WEBHOOK_URL", "SUPABASE_SERVICE_ROLE_KEY")
GIVEN_FILES = ("webhook.secret", "encryption.key", ".env", "web.yml", "events.json")


def test_secrets_from_everywhere_are_nowhere(
    start: Start,
    tmp_path: Path,
    database_url: str,
    postgres: EmbeddedServer,
    authority: Authority,
) -> None:
    canaries = Canaries()
    data = tmp_path / "main"
    data.mkdir()
    admin_key = canaries.make("BILLING_ADMIN_KEY")
    webhook = canaries.make("STRIPE_WEBHOOK_SECRET_FILE", "whsec_{}")
    (data / "webhook.secret").write_text(f"{webhook}\n{canaries.make('the older secret')}\n")
    encryption = base64.b64encode(os.urandom(32)).decode()
    (data / "encryption.key").write_text(canaries.keep("BILLING_ENCRYPTION_KEY_FILE", encryption))
    (data / ".env").write_text(
        f"STRIPE_SECRET_KEY={canaries.make('.env', 'rk_live_{}')}\n"
        f"GRAFANA_TOKEN={canaries.make('.env, of Grafana')}\n"
    )
    issued = authority.issue()
    password = canaries.make("the password of basic authentication")
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    canaries.keep("a bcrypt hash", hashed)
    canaries.keep("the key in web.yml", issued.key.decode().splitlines()[1])
    pem = "".join(
        f"  {name}: |\n" + "".join(f"    {line}\n" for line in text.decode().splitlines())
        for name, text in (("cert", issued.certificate), ("key", issued.key))
    )
    web = f"tls_server_config:\n{pem}basic_auth_users:\n  prometheus: {hashed}\n"
    database_password = canaries.make("DATABASE_URL")
    role = make_role(postgres, database_password)
    settings = {
        **TALKATIVE,
        **{name: canaries.make(name) for name in UNREAD},
        "BILLING_ADMIN_KEY": f"{admin_key},{canaries.make('the older admin key')}",
        "STRIPE_WEBHOOK_SECRET_FILE": "webhook.secret",
        "BILLING_ENCRYPTION_KEY_FILE": "encryption.key",
        "BILLING_STRIPE_API_BASE": "http://127.0.0.1:1",
        "DATABASE_URL": url_of(database_url, role, database_password),
    }
    exporter = start(web, **settings).wait_ready()
    exporter.session.auth = None
    environment = prepare_commands(exporter, data, canaries)
    created = run_command(data, environment, "keys", "create", "--name", "c", "--scope", "ingest")
    key = canaries.keep("a key of the ledger", created.stdout.strip())
    canaries.note("keys create", created.stderr)
    drive_routes(exporter, canaries, admin_key, webhook)
    assert exporter.send_events(payment(), key=key).status_code == 200
    cut_connections(exporter, database_url)
    spoil_files(exporter, data, web, canaries)
    for path in ("/", "/metrics", "/unknown"):
        page = exporter.session.get(exporter.url + path, auth=("prometheus", password), timeout=10)
        canaries.note(path, page.text, str(page.headers))
    drive_commands(data, environment, canaries)
    assert exporter.process.poll() is None
    assert exporter.stop() == 0
    canaries.note("the log", exporter.log)
    canaries.note("a dump of the database", plain_dump(database_url))
    canaries.note_files(data, GIVEN_FILES)
    assert canaries.noted > 100_000
    assert canaries.hits() == []


def prepare_commands(exporter: SecureExporter, folder: Path, canaries: Canaries) -> dict[str, str]:
    """The files that commands are given, and the settings of the running exporter."""
    canary = canaries.make("a file of events")
    (folder / "events.json").write_text(json.dumps([payment(password=canary), {"a": canary}]))
    (folder / "billing.yml").write_text("stripe: {mode: live}\n")
    (folder / "web.yml").write_text((folder.parent / "web.yml").read_text())
    address = exporter.url.removeprefix("https://")
    return {**exporter.environment, "BILLING_LISTEN_ADDRESS": address}


def cut_connections(exporter: SecureExporter, database_url: str) -> None:
    """The database ends every connection; the exporter says so and comes back."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
    wait_until(lambda: "the database is back" in exporter.log, 30, "it comes back")


def spoil_files(exporter: SecureExporter, folder: Path, web: str, canaries: Canaries) -> None:
    """Files that can't be used take the place of good ones, and those come back."""
    files = {
        folder / "webhook.secret": "{},,",
        folder / "encryption.key": "{}",
        folder.parent / "web.yml": "basic_auth_users:\n  prometheus: {}\n  a: *{}\n",
    }
    for path, form in files.items():
        good = path.read_text()
        failures = exporter.log.count("can't be used")
        path.write_text(form.replace("{}", canaries.make(f"a bad {path.name}")))
        wait_until(
            lambda failures=failures: exporter.log.count("can't be used") > failures,
            20,
            f"{path.name} is refused",
        )
        path.write_text(good)
    assert web == (folder.parent / "web.yml").read_text()


@pytest.mark.parametrize("kind", ["a wrong password", "no connection string", "no such host"])
def test_a_database_that_refuses_tells_no_password(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    canaries = Canaries()
    password = canaries.make("DATABASE_URL_FILE")
    parts = conninfo_to_dict(database_url)
    url = {
        "a wrong password": make_conninfo(
            host=str(parts["host"]), port=str(parts["port"]), user="billing", password=password
        ),
        "no connection string": f"postgresql://billing:{password}@{password}@host/x",
        "no such host": f"postgresql://billing:{password}@localhost:1/x?application_name={password}",
    }[kind]
    (tmp_path / "url").write_text(url)
    settings = {**TALKATIVE, "DATABASE_URL_FILE": str(tmp_path / "url")}
    with ExporterProcess(tmp_path / "main", None, settings) as exporter:
        wait_until(
            lambda: "can't be used" in exporter.log or "isn't a connection" in exporter.log,
            30,
            "it is refused",
        )
        for command in ("doctor", "migrate", "keys list", "dead-letters list", "backup -"):
            answer = run_command(tmp_path, exporter.environment, *command.split())
            canaries.note(command, answer.stdout, answer.stderr)
            assert answer.returncode in (1, 2)
        exporter.kill()
        canaries.note("the log", exporter.log)
    canaries.note_files(tmp_path, ["url"])
    assert canaries.hits() == []


def test_development_secrets_are_in_their_files_alone() -> None:
    canaries = Canaries()
    with reachable_folder() as folder:
        log = folder / "log"
        with log.open("wb") as shown:
            process = subprocess.Popen(
                [sys.executable, "-m", "exporter", "serve", "--web.listen-address=127.0.0.1:0"],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **TALKATIVE},
                stdin=subprocess.DEVNULL,
                stdout=shown,
                stderr=shown,
            )
        try:
            wait_until(lambda: "taking events" in log.read_text(), 60, "it runs")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        for name in ("admin.key", "stripe-webhook.secret"):
            canaries.keep(name, (folder / ".billing" / name).read_text().strip())
        canaries.note_files(folder, ["admin.key", "stripe-webhook.secret"])
    assert canaries.noted > 1_000_000, "the database's own files are among them"
    assert canaries.hits() == []
