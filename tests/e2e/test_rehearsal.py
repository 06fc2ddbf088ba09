"""The rehearsal of the worst day: backup, everything dropped, restore, and all is as it was."""

import json
import re
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import sql

from alertmanager.build import WITH_FILES
from alertmanager.build import build as build_routes
from exporter.ledger.backup import MARK
from exporter.ledger.figures import TOTALS, read_figures, read_tables
from exporter.settings import read_config
from rules.build import build as build_rules
from tests.support.alertmanager import amtool
from tests.support.canaries import Canaries
from tests.support.command import Answer, run_command
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.organizations import alerts_of, call, use
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment

ORGANIZATION = "acme"
CONFIG = """\
# Ours, as it is used.
stripe: {mode: live}
default_plan: pro
plans:
  pro:
    currency: usd
    meters:
      fix: {quota: 100, overage_price_minor: '10'}
alerts:
  thresholds: {payment_failure_high_ratio: 0.2}
"""
FOLDERS = ("rules/generated", "alertmanager/generated")
PLACES = "billing.yml", *FOLDERS
# What the command itself leaves behind, and what a restore changes on purpose: it begins an epoch.
OF_ITSELF = {"ledger.audit_log", "ledger.leases", "ledger.monitors", "ledger.health_checks"}
OF_ITSELF |= {"ledger.gauges"}


def generate(folder: Path, out: Path) -> None:
    """The rules and routes of a deployment."""
    config = read_config(folder / "billing.yml")
    for path, text in {**build_rules(config), **build_routes(config)}.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text)


def contents(conninfo: str) -> dict[str, list[str]]:
    """Every row of every table, as text; totals without the number of their epoch."""
    found = {}
    with psycopg.connect(conninfo) as connection:
        for table in {*read_tables(connection)} - OF_ITSELF:
            query = sql.SQL("SELECT t::text FROM {} AS t")
            rows = connection.execute(query.format(sql.Identifier(*table.split("."))))
            found[table] = sorted(text for (text,) in rows)
    return found


def texts(folder: Path) -> dict[str, str]:
    """All files that are configuration, by their names."""
    return {
        file.relative_to(folder).as_posix(): file.read_text()
        for place in PLACES
        for file in sorted([folder / place, *(folder / place).rglob("*")])
        if file.is_file()
    }


def figures_of(exporter: ExporterProcess) -> tuple[object, object]:
    """What an organisation sees of its usage and its alerts."""
    shown = call(exporter, "GET", f"/api/v1/organizations/{ORGANIZATION}/usage")
    del shown["asOf"]
    return shown, alerts_of(exporter, ORGANIZATION)


def drop(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA ledger, shared CASCADE")
        assert read_figures(connection) == {}


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A folder with billing.yml, and the rules and routes that are made of it."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    (folder / "billing.yml").write_text(CONFIG)
    generate(folder, folder)
    return folder


def test_after_backup_drop_and_restore_all_is_as_it_was(
    tmp_path: Path, deployment: Path, database_url: str
) -> None:
    settings = {"BILLING_CONFIG": str(deployment / "billing.yml")}
    with running_exporter(tmp_path / "main", database_url, settings) as exporter:
        assert exporter.send_events([payment() for _ in range(30)]).ok
        assert exporter.send_stripe(fixture("payment_method_attached")).ok
        use(exporter, ORGANIZATION, 104)
        shown = figures_of(exporter)
        assert exporter.stop() == 0
    environment = exporter.environment

    def command(*arguments: str) -> Answer:
        done = run_command(deployment, environment, *arguments)
        assert done.returncode == 0, done.stderr
        return done

    before, configured = contents(database_url), texts(deployment)
    with psycopg.connect(database_url) as connection:
        totals = read_figures(connection)[TOTALS]
    included = [f"--include={folder}" for folder in FOLDERS]
    told = command("backup", "all.backup", "--no-check", *included)
    assert told.stdout.endswith(f"with {len(configured)} files of configuration\n")
    assert told.stderr == ""
    drop(database_url)

    rescued = tmp_path / "rescued"
    restored = command("restore", "all.backup", "--configuration", str(rescued))
    assert f"{len(configured)} files of configuration are in {rescued}." in restored.stderr
    assert contents(database_url) == before
    assert before["shared.billing_alerts"]
    assert before["shared.api_usage_logs"]
    with psycopg.connect(database_url) as connection:
        assert read_figures(connection)[TOTALS] == totals
    assert texts(rescued) == configured

    # They work, and the configuration still makes the same rules and routes.
    amtool("check-config", rescued / WITH_FILES)
    generate(rescued, tmp_path / "again")
    again = texts(tmp_path / "again")
    assert again == {name: text for name, text in configured.items() if name != "billing.yml"}
    with running_exporter(
        tmp_path / "fresh", database_url, {"BILLING_CONFIG": str(rescued / "billing.yml")}
    ) as exporter:
        assert figures_of(exporter) == shown

    # Nothing of one's own is written over.
    (rescued / "billing.yml").write_text("plans: {}\n")
    refused = run_command(
        deployment, environment, "restore", "all.backup", "--replace", "--configuration", rescued
    )
    assert refused.returncode == 1
    assert "billing.yml is there already, and differs" in refused.stderr
    assert contents(database_url)["shared.billing_alerts"] == before["shared.billing_alerts"]


def inline_secrets(canaries: Canaries) -> dict[str, object]:
    """An Alertmanager configuration with every secret written into it."""
    basic = {"username": "ops", "password": canaries.make("basic authentication")}
    hook = canaries.make("a webhook's address", "https://hooks.example.com/{}")
    return {
        "global": {
            "smtp_auth_password": canaries.make("smtp_auth_password"),
            "smtp_auth_password_file": "/etc/alertmanager/secrets/smtp-password",
            "slack_api_url": canaries.make("slack_api_url", "https://example.com/{}"),
        },
        "route": {"receiver": "all"},
        "receivers": [
            {
                "name": "all",
                "webhook_configs": [
                    {"url": hook, "http_config": {"basic_auth": basic}},
                    {"url": "http://billing-exporter:9568/api/webhooks/alertmanager"},
                ],
                "pagerduty_configs": [{"routing_key": canaries.make("routing_key")}],
                "slack_configs": [{"api_url": canaries.make("api_url", "https://example.org/{}")}],
                "telegram_configs": [{"bot_token": canaries.make("bot_token"), "chat_id": 1}],
            }
        ],
    }


def test_no_secret_gets_into_a_backup_with_the_configuration(
    tmp_path: Path, database_url: str
) -> None:
    canaries, folder = Canaries(), tmp_path / "etc"
    canaries.keep("BILLING_ADMIN_KEY", ADMIN_KEY)
    (folder / "secrets").mkdir(parents=True)
    inline = inline_secrets(canaries)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(inline))
    (folder / "same.json").write_text(json.dumps(inline))
    custom = canaries.make("CUSTOM_WEBHOOKS", "https://example.net/{}")
    (folder / "a.tmpl").write_text(f"{{{{/* {custom} {ADMIN_KEY} */}}}}\n")
    block = canaries.make("several lines")
    (folder / "block.yml").write_text(f"token: |\n  {block}\n  more\nkept: true\n")
    (folder / "broken.yml").write_text(f"a: [\nb: {canaries.make('what is no YAML')}\n")
    (folder / "secrets" / "slack-url").write_text(canaries.make("a file of its own"))
    environment = {
        "DATABASE_URL": database_url,
        "BILLING_ADMIN_KEY": ADMIN_KEY,
        "STRIPE_WEBHOOK_SECRET": canaries.make("STRIPE_WEBHOOK_SECRET", "whsec_{}"),
        "CUSTOM_WEBHOOKS": custom,
        "BILLING_DATA_DIR": str(tmp_path / "data"),
    }
    assert run_command(tmp_path, environment, "migrate").returncode == 0
    made = run_command(
        tmp_path, environment, "backup", "a.backup", "--no-check", "--include", folder
    )
    assert made.returncode == 0, made.stderr
    assert "etc/alertmanager.yml: 7 secrets are not in the backup." in made.stderr
    for left_out in ("etc/broken.yml", "etc/secrets/slack-url"):
        assert f"{left_out} is not in the backup" in made.stderr
    manifest = (tmp_path / "a.backup").read_bytes().rpartition(MARK)[2].decode()
    drop(database_url)
    done = run_command(
        tmp_path, environment, "restore", "a.backup", "--configuration", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    canaries.note("the manifest", manifest)
    canaries.note("what was told", made.stdout, made.stderr, done.stdout, done.stderr)
    canaries.note_files(tmp_path / "out", [])
    assert canaries.hits() == []
    assert "etc/alertmanager.yml: put the secrets in" in done.stderr
    found = yaml.safe_load((tmp_path / "out" / "etc" / "alertmanager.yml").read_text())
    hooks = found["receivers"][0]["webhook_configs"]
    assert hooks[1] == {"url": "http://billing-exporter:9568/api/webhooks/alertmanager"}
    assert found["global"]["smtp_auth_password_file"].endswith("/smtp-password")
    assert found["receivers"][0]["telegram_configs"][0]["chat_id"] == 1
    assert yaml.safe_load((tmp_path / "out" / "etc" / "block.yml").read_text())["kept"] is True

    # A name that leads out of the folder, or another text than was kept, is refused.
    whole = (tmp_path / "a.backup").read_bytes()
    for old, new, why in (
        (rb"etc/a.tmpl", rb"../a.tmpl", "is damaged"),
        (rb"kept: true", rb"kept: fine", "is damaged"),
    ):
        (tmp_path / "bad.backup").write_bytes(re.sub(old, new, whole))
        refused = run_command(tmp_path, environment, "restore", "bad.backup", "--replace")
        assert (refused.returncode, why in refused.stderr) == (1, True), refused.stderr
