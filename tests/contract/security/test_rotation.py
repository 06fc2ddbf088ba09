"""Every secret is replaced while requests come without a pause, and none of them fails."""

import base64
import itertools
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bcrypt
import psycopg
from psycopg import sql

from exporter.ledger.embedded import EmbeddedServer
from tests.contract.security.conftest import Start
from tests.contract.security.test_web_config import TLS, served_serial
from tests.support.certificates import Authority, rsa_key
from tests.support.exporter import ADMIN_KEY, ExporterProcess
from tests.support.password_role import make_role, url_of
from tests.support.secure import Call, Caller, SecureExporter
from tests.support.stripe import sign
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

CALLS = 10
NAMES = itertools.count()


class Held:
    """The secret that clients use at the moment."""

    def __init__(self, value: str) -> None:
        self.value = value


def put(path: Path, *lines: str) -> None:
    """Replace a file as a whole."""
    draft = path.with_suffix(".draft")
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(path)


def webhook(secret: Held) -> Call:
    content = {
        "id": f"evt_{next(NAMES)}",
        "object": "event",
        "type": "charge.updated",
        "livemode": True,
        "data": {"object": {"object": "charge", "id": "ch_1"}},
    }
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, secret.value)}
    return "POST", "/api/webhooks/stripe", body, headers


def telemetry(key: Held) -> Call:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key.value}"}
    return "POST", "/api/v1/events", json.dumps(payment(f"p{next(NAMES)}")).encode(), headers


def scrape(pair: Held) -> Call:
    encoded = base64.b64encode(pair.value.encode()).decode()
    return "GET", "/metrics", b"", {"Authorization": f"Basic {encoded}"}


@contextmanager
def calling(
    exporter: SecureExporter, authority: Authority, *makes: Callable[[], Call]
) -> Iterator[list[Caller]]:
    """For each kind of call two clients: one keeps its connection, one never does."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    address = exporter.url.removeprefix("https://")
    callers = [
        Caller(make, address, context, keep=keep) for make in makes for keep in (True, False)
    ]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        for caller in callers:
            caller.stop()


def wait_calls(callers: list[Caller]) -> None:
    """Until each client has been answered some more times, and every one of them well."""
    wanted = [caller.answers["200"] + CALLS for caller in callers]
    wait_until(
        lambda: (
            all(c.answers["200"] >= w for c, w in zip(callers, wanted, strict=True))
            or any(c.answers.keys() - {"200"} for c in callers)
        ),
        60,
        "every client is answered",
    )
    assert [caller.answers for caller in callers if caller.answers.keys() - {"200"}] == []


def reloads(exporter: ExporterProcess, config: str) -> int:
    """How often something was read again."""
    return exporter.log.count('"setting": ' + json.dumps(config) + ', "changed": true')


@dataclass
class Rotation:
    """Replaces secrets as docs/security.md says, under the eyes of clients that call meanwhile."""

    exporter: SecureExporter
    callers: list[Caller]

    def __call__(self, setting: str, held: Held, new: str, write: Callable[..., None]) -> None:
        """The new one beside the old, clients move, the old goes; `write` writes those given."""
        done = reloads(self.exporter, setting)
        write(new, held.value)
        wait_until(lambda: reloads(self.exporter, setting) == done + 1, 10, "both hold")
        wait_calls(self.callers)
        held.value = new
        wait_calls(self.callers)
        write(new)
        wait_until(lambda: reloads(self.exporter, setting) == done + 2, 10, "the old one is gone")
        wait_calls(self.callers)


def users(*pairs: str) -> str:
    """The web configuration with TLS and these names and passwords."""
    hashes = [
        (name, bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode())
        for name, _, password in (pair.partition(":") for pair in pairs)
    ]
    return TLS + "basic_auth_users:\n" + "".join(f"  {name}: {hash_}\n" for name, hash_ in hashes)


def test_secrets_certificates_and_passwords_are_rotated_without_a_failed_request(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue().write(tmp_path)
    secret, key, pair = Held("whsec_first"), Held(ADMIN_KEY), Held("first:first password")
    put(tmp_path / "webhook.secret", secret.value)
    put(tmp_path / "admin.key", key.value)
    exporter = start(
        users(pair.value),
        STRIPE_WEBHOOK_SECRET_FILE=str(tmp_path / "webhook.secret"),
        BILLING_ADMIN_KEY_FILE=str(tmp_path / "admin.key"),
    ).wait_ready()
    makes = (lambda: webhook(secret), lambda: telemetry(key), lambda: scrape(pair))
    with calling(exporter, authority, *makes) as callers:
        wait_calls(callers)
        rotate = Rotation(exporter, callers)
        for setting, held, new, file in (
            ("STRIPE_WEBHOOK_SECRET_FILE", secret, "whsec_second", "webhook.secret"),
            ("BILLING_ADMIN_KEY_FILE", key, "a-second-key-of-16", "admin.key"),
        ):
            rotate(setting, held, new, partial(put, tmp_path / file))
        rotate(
            "BILLING_WEB_CONFIG_FILE",
            pair,
            "second:second password",
            lambda *pairs: put(tmp_path / "web.yml", users(*pairs)),
        )
        # First another certificate, then one with another kind of key.
        for issued in (authority.issue(), authority.issue(key=rsa_key())):
            issued.write(tmp_path)
            wait_until(
                lambda wanted=issued.serial: served_serial(exporter, authority) == wanted,
                10,
                "the new certificate is shown",
            )
            wait_calls(callers)
    kept = [caller.connections for caller in callers if caller.keep]
    assert kept == [1, 1, 1], "connections that were open stayed so"
    exporter.session.headers["Authorization"] = f"Bearer {key.value}"
    counted = exporter.scrape()
    signed = "billing_stripe_webhook_signatures_total"
    assert counted.value(signed, secret="older") >= CALLS
    assert counted.total(signed) == sum(caller.answers["200"] for caller in callers[:2])
    for name in ("secrets", "web"):
        assert counted.value("billing_config_last_reload_successful", config=name) == 1


def test_what_was_rotated_away_opens_nothing_any_more(
    start: Start, tmp_path: Path, authority: Authority
) -> None:
    authority.issue().write(tmp_path)
    put(tmp_path / "webhook.secret", "whsec_first")
    put(tmp_path / "admin.key", ADMIN_KEY)
    exporter = start(
        TLS,
        STRIPE_WEBHOOK_SECRET_FILE=str(tmp_path / "webhook.secret"),
        BILLING_ADMIN_KEY_FILE=str(tmp_path / "admin.key"),
    ).wait_ready()
    assert exporter.send_events(payment()).status_code == 200
    put(tmp_path / "webhook.secret", "whsec_second")
    put(tmp_path / "admin.key", "a-second-key-of-16")
    wait_until(lambda: exporter.log.count('"read again"') == 2, 10, "both are read again")
    assert exporter.send_events(payment()).status_code == 401
    assert exporter.send_events(payment(), key="a-second-key-of-16").status_code == 200
    body = b"{}"
    for name, status in (("whsec_first", "invalid-signature"), ("whsec_second", "malformed-body")):
        answer = exporter.send_stripe(body, secret=name)
        assert answer.json()["type"].endswith(status)


def test_the_password_of_the_database_is_rotated(
    tmp_path: Path, database_url: str, postgres: EmbeddedServer
) -> None:
    role = make_role(postgres, "first-password")
    file = tmp_path / "database.url"
    put(file, url_of(database_url, role, "first-password"))
    settings = {"DATABASE_URL_FILE": str(file)}
    with ExporterProcess(tmp_path / "main", None, settings) as exporter:
        exporter.wait_ready()
        assert exporter.send_events(payment()).status_code == 200
        with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as connection:
            change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), "second-one")
            connection.execute(change)
            assert exporter.send_events(payment()).status_code == 200
            put(file, url_of(database_url, role, "second-one"))
            wait_until(lambda: reloads(exporter, "DATABASE_URL_FILE") == 1, 10, "it is read again")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
            )
        wait_until(lambda: "the database is back" in exporter.log, 20, "it connects again")
        assert exporter.send_events(payment()).status_code == 200
