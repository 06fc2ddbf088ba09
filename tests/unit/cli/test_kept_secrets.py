"""What is taken out of files of configuration, and what is left as it was."""

from pathlib import Path

import pytest
import yaml

from exporter.cli.kept_files import find_places, read_files
from exporter.cli.kept_secrets import redact
from exporter.cli.redaction import REDACTED, Redactor
from tests.support.tree import PROJECT

SECRET = "canary-of-a-secret"
clean = Redactor().clean_surely


@pytest.mark.parametrize(
    "text",
    [
        f"passwords: [{SECRET}, two]",
        f"passwords:\n- {SECRET}\n- two",
        f"http_headers: {{X: {{secrets: [{SECRET}]}}}}",
        f"http_headers: {{Authorization: {{values: [{SECRET}]}}}}",
        f"# smtp_auth_password: {SECRET}",
        f"a: 1  # was {{token: '{SECRET}', b: 1}}",
        f"a: b\n#  bot_token: {SECRET} and more\n",
        f"receivers: [{{incidentio_configs: [{{url: 'https://example.com/{SECRET}'}}]}}]",
        f"remote_write:\n- url: https://example.com/push?tenant=a&token={SECRET}",
        f"# https://example.com/?api_key={SECRET}",
        f"kind: ConfigMap\ndata:\n  a.yml: |\n    global:\n      smtp_auth_password: {SECRET}\n",
        f"kind: ConfigMap\ndata:\n  a.yml: |\n    a: 1\n    # token: {SECRET}\n    b: 1\n",
        f'data: {{a.json: "{{\\"token\\": \\"{SECRET}\\",\\n\\"b\\": 1}}"}}',
        f"kind: ConfigMap\ndata:\n  a.ini: |\n    [smtp]\n    password = {SECRET}\n",
        f"kind: Secret\nstringData: {{database: {SECRET}}}",
        f"env:\n- name: DB_PASSWORD\n  value: {SECRET}",
        f"environment: [DB_PASSWORD={SECRET}]",
        f"secureJsonData: {{any: {SECRET}}}",
        f"password: &x {SECRET}\nother: *x",
        f"x: &x {SECRET}\npassword: *x",
        f"password: &x |\n  {SECRET}\n  more\nother: *x",
        f"{{a: {{password: !!str {SECRET}}}}}",
    ],
)
def test_a_secret_is_taken_out_and_the_rest_can_be_read(text: str) -> None:
    told = redact(text, clean)
    assert SECRET not in told
    assert REDACTED in told
    assert type(yaml.safe_load(told)) is type(yaml.safe_load(text))
    # What is left has no more secrets.
    assert redact(told, clean) == told


def test_a_number_below_the_name_of_a_secret_is_one() -> None:
    assert yaml.safe_load(redact("smtp_auth_password: 123456", clean)) == {
        "smtp_auth_password": REDACTED
    }


@pytest.mark.parametrize(
    "text",
    [
        "alerts:\n  thresholds:\n    webhook_older_secret_most_events: 3\n",
        "alerts:\n  thresholds:\n    # webhook_older_secret_most_events: 3\n",
        "meters: [token]\nalertmanager: {secret_files: {smtp_password: /run/secrets/smtp}}\n",
        "webhook_older_secret_most_events: 3\nmax_tokens: 0.5",
        "automountServiceAccountToken: false\nsecretName: billing-exporter",
        "env: [{name: BILLING_ADMIN_KEY_FILE, value: /run/key}]\nA_TOKEN_FILE: /run/token",
        "valueFrom: {secretKeyRef: {name: billing, key: admin}}",
        "data:\n  billing-signatures.rules.yml: |\n    groups: []  # none\n",
        "basicAuthPassword: $__file{/run/secrets/a}\nPASSWORD: ${POSTGRES_PASSWORD}",
        "# The signature of a webhook is checked.\na: 'b # token: c'",
        "password: ''\ntoken: null\nkey:",
        "a: &a [*a]",
    ],
)
def test_what_is_no_secret_comes_back_to_the_letter(text: str) -> None:
    assert redact(text, clean) == text


def test_an_anchor_is_left_for_its_aliases() -> None:
    told = redact("password: &x hidden-here  # ours\nother: *x\n", clean)
    assert told == f'password: &x "{REDACTED}"  # ours\nother: *x\n'


def test_a_text_within_keeps_its_lines() -> None:
    text = "data:\n  a.yml: |\n    a: 1  # one\n\n    token: hidden-here\n    b: [2]\nc: 3\n"
    assert redact(text, clean) == text.replace("hidden-here", f'"{REDACTED}"')


def test_what_is_shipped_has_no_secret() -> None:
    shipped = [
        *(PROJECT / "rules" / "generated").glob("*.rules.yml"),
        *(PROJECT / "alertmanager" / "generated").glob("*.yml"),
        PROJECT / "compose.yaml",
        PROJECT / "grafana" / "provisioning" / "datasources" / "billing.yml",
    ]
    changed = [file.name for file in shipped if redact(text := file.read_text(), clean) != text]
    assert changed == []


def test_files_beside_the_current_folder_can_be_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, rules = tmp_path / "here", tmp_path / "rules"
    for folder in (here, rules):
        folder.mkdir()
        (folder / "a.yml").write_text("a: 1\n")
    monkeypatch.chdir(here)
    kept = read_files([Path("../rules"), Path("../here/a.yml")], clean)
    beside = (rules / "a.yml").relative_to("/").as_posix()
    assert {*kept.texts} == {beside, "a.yml"}
    assert {*find_places(kept.texts, tmp_path / "out")} == {
        tmp_path / "out" / beside,
        tmp_path / "out" / "a.yml",
    }
