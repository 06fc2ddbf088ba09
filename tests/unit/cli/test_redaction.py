"""What is taken out of logs and errors: by value, by name and by form."""

import io
import json
import string
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.redaction import REDACTED, SHORTEST_VALUE, RedactedStream, Redactor

CANARY = "c4n4ryC4N4RY0123456789"
SECRET_TEXT = st.text(st.characters(codec="utf-8"), min_size=SHORTEST_VALUE, max_size=60)


def cleaner(*values: str) -> Redactor:
    redactor = Redactor()
    redactor.learn(lambda: values)
    return redactor


def clean_event(redactor: Redactor, **fields: Any) -> dict[str, Any]:
    return dict(redactor.clean_event(None, "info", fields))


@given(SECRET_TEXT, st.text(max_size=20), st.text(max_size=20))
def test_no_configured_secret_passes_in_any_text(secret: str, before: str, after: str) -> None:
    cleaned = cleaner(secret).clean(before + secret + after)
    # What is around it may hold it as well, or complete it with what was put in its place.
    if secret not in before + REDACTED + after:
        assert secret not in cleaned


@given(SECRET_TEXT, st.sampled_from(["text", "bytes", "list", "dict", "key", "error", "repr"]))
def test_no_configured_secret_passes_as_json_whatever_holds_it(secret: str, kind: str) -> None:
    held: Any = {
        "text": f"x {secret} y",
        "bytes": secret.encode(),
        "list": [1, (secret, None)],
        "dict": {"a": {"b": secret}},
        "key": {secret: 1},
        "error": ValueError(secret),
        "repr": {"deep": [[[[[[[[secret]]]]]]]]},
    }[kind]
    event = clean_event(cleaner(secret), event="happened", field=held)
    line = structlog.processors.JSONRenderer()(None, "info", event)
    assert isinstance(line, str)
    shown = json.dumps(json.loads(line), ensure_ascii=False)
    if secret not in json.dumps(["happened", "event", "field", "deep", REDACTED, "a", "b", 1]):
        assert secret not in shown
        assert json.dumps(secret)[1:-1] not in line


@given(st.lists(SECRET_TEXT, min_size=2, max_size=4))
def test_of_several_secrets_none_passes_even_if_one_begins_another(secrets: list[str]) -> None:
    values = [*secrets, secrets[0] + secrets[1]]
    cleaned = cleaner(*values).clean("; ".join(values))
    assert not [value for value in values if value in cleaned and value not in f"; {REDACTED}"]


def test_a_secret_that_was_replaced_stays_one() -> None:
    values = ["the-old-secret"]
    redactor = Redactor()
    redactor.learn(lambda: values)
    assert redactor.clean("the-old-secret") == REDACTED
    values[:] = ["the-new-secret"]
    assert redactor.clean("the-new-secret the-old-secret") == f"{REDACTED} {REDACTED}"


@pytest.mark.parametrize(
    "text",
    [
        f"sk_live_{CANARY}",
        f"sk_test_{CANARY}",
        f"rk_live_{CANARY}",
        f"sk_org_live_{CANARY}",
        f"whsec_{CANARY}",
        f"bek_{CANARY}_-{CANARY}",
        f"postgresql://billing:{CANARY}@host/name",
        f"postgres://billing:{CANARY}@{CANARY}/@host/name",
        f"redis://:{CANARY}@host:6379/0",
        f"host=h password={CANARY} user=u",
        f"host=h password='{CANARY} {CANARY}' user=u",
        f"PGPASSWORD={CANARY}",
        f"STRIPE_SECRET_KEY={CANARY}",
        f"SLACK_TOKEN = {CANARY}",
        f'{{"password": "{CANARY}"}}',
        f"{{'client_secret': '{CANARY}'}}",
        f"Authorization: Bearer {CANARY}",
        f"bearer {CANARY}",
        f"Authorization: Basic {CANARY}==",
        f"https://hooks.slack.com/services/T0/B0/{CANARY}",
        f"https://hooks.slack.com/workflows/{CANARY}/x",
        f"xoxb-12-{CANARY}",
        f"https://events.pagerduty.com/integration/{CANARY}/enqueue",
        f"routing_key={CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
        "$2y$10$" + (CANARY * 3)[:53],
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n{CANARY}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n",
    ],
)
def test_what_has_the_form_of_a_secret_is_taken_out(text: str) -> None:
    cleaned = Redactor().clean(f"before {text} after")
    assert CANARY not in cleaned
    assert REDACTED in cleaned
    assert cleaned.startswith("before ")


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "db_passwd",
        "secret",
        "client_secret",
        "token",
        "authorization",
        "Authorization",
        "api_key",
        "apikey",
        "key",
        "admin_key",
        "keys",
        "dsn",
        "conninfo",
        "database_url",
        "cookie",
        "routing_key",
        "stripe-signature",
    ],
)
def test_what_stands_under_the_name_of_a_secret_is_taken_out(name: str) -> None:
    event = clean_event(Redactor(), **{"event": "x", name: "abc", "nested": {name: [1, "abc"]}})
    assert event[name] == REDACTED
    assert event["nested"] == {name: REDACTED}


@pytest.mark.parametrize(
    "line",
    [
        "billing-exporter: STRIPE_SECRET_KEY is set and empty; give it a value or unset it.",
        "BILLING_ADMIN_KEY_FILE: the file it names can't be read: No such file or directory.",
        "Set it to a random value (openssl rand -hex 32).",
        "the key kid_0123456789 was revoked; basic authentication is on",
        "postgresql://user@host/name and https://example.com/a:b",
        "https://127.0.0.1:9568/metrics",
        "replica=main setting=STRIPE_WEBHOOK_SECRET_FILE changed=True",
        'duplicate key value violates unique constraint "events_pkey"',
    ],
)
def test_what_only_speaks_of_secrets_stays(line: str) -> None:
    assert cleaner("short", "").clean(line) == line


def test_names_of_fields_that_are_no_secrets_stay() -> None:
    fields = {"event": "token", "key_id": "abc", "setting": "A_KEY", "token": "", "keys": None}
    assert clean_event(Redactor(), **fields) == fields


def test_a_stream_hands_on_whole_lines_and_the_rest_when_flushed() -> None:
    behind = io.StringIO()
    stream = RedactedStream(behind)
    stream.redactor.learn(lambda: ("the-secret-value",))
    stream.write("a the-sec")
    assert behind.getvalue() == ""
    stream.write("ret-value b\nthe-secret")
    assert behind.getvalue() == f"a {REDACTED} b\n"
    stream.write("-value")
    stream.flush()
    assert behind.getvalue() == f"a {REDACTED} b\n{REDACTED}"


def test_a_long_line_is_cleaned_in_little_time() -> None:
    """A form that looked back from each place would take minutes."""
    for text in ("a" * 200_000, "a_" * 100_000, "key=" * 50_000, "a://b:" * 5_000, '"' * 50_000):
        assert len(cleaner(string.ascii_letters).clean(text)) > 0
