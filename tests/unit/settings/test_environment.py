"""The environment: values, files, .env, and secrets that never show themselves."""

import base64
from pathlib import Path

import pytest

from exporter.settings import SETTINGS, Secret, SettingsError, load

KEY = "canary-admin-key-0123456789"
WEBHOOK = "whsec_canary_0123456789"
GOOD = {"BILLING_ADMIN_KEY": KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK}
OTHERS = {
    "BILLING_ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode(),
    "BILLING_HEARTBEAT_URL": "https://example.com/canary-heartbeat",
    "CUSTOM_WEBHOOKS": "https://example.com/canary-hook",
    "DATABASE_URL": "postgresql://host/name",
    "GRAFANA_TOKEN": "glsa_canary",
    "REDIS_URL": "redis://:canary@host:6379/0",
    "STRIPE_SECRET_KEY": "sk_test_1",
}
SECRETS = [setting.name for setting in SETTINGS if setting.secret]
DECLARING = ["BILLING_ADMIN_KEY", "DATABASE_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"]


def faults(folder: Path, environment: dict[str, str]) -> list[str]:
    """What is wrong; without a word of any secret."""
    with pytest.raises(SettingsError) as error:
        load(environment, folder)
    assert "canary" not in str(error.value)
    return str(error.value).splitlines()


def test_with_no_configuration_at_all_it_is_development(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert settings.development
    assert settings.listen_addresses == (("127.0.0.1", 9568),)
    assert settings.data_dir == tmp_path / ".billing"
    assert settings.replica == "main"
    assert settings.telemetry_path == "/metrics"
    assert settings.livemodes == (True, False)


@pytest.mark.parametrize("name", DECLARING)
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_each_secret_alone_declares_a_set_up_that_needs_the_others(
    tmp_path: Path, name: str, suffix: str
) -> None:
    values = {**GOOD, "DATABASE_URL": "postgresql://host/name", "STRIPE_SECRET_KEY": "sk_test_1"}
    (tmp_path / "secret").write_text(values[name])
    found = faults(tmp_path, {f"{name}{suffix}": "secret" if suffix else values[name]})
    needed = {"BILLING_ADMIN_KEY", "STRIPE_WEBHOOK_SECRET"} - {name}
    assert {fault.split()[0] for fault in found} == needed
    assert all(" is missing: " in fault for fault in found)


def test_with_its_secrets_a_set_up_is_no_development(tmp_path: Path) -> None:
    settings = load(GOOD, tmp_path)
    assert not settings.development
    assert settings.admin_key.reveal() == KEY
    assert settings.stripe_webhook_secret.reveal_all() == (WEBHOOK,)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["", " ", "\t\n"])
def test_a_secret_that_is_set_and_empty_is_a_fault(tmp_path: Path, name: str, value: str) -> None:
    found = faults(tmp_path, {**GOOD, name: value})
    assert f"{name} is set and empty; give it a value or unset it." in found


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    values = {**GOOD, **OTHERS}
    (tmp_path / "secret").write_text(f"  {values[name]}\r\n\n")
    environment = {key: value for key, value in values.items() if key != name}
    for path in ("secret", str(tmp_path / "secret")):
        settings = load({**environment, f"{name}_FILE": path}, tmp_path)
        revealed = {
            each: getattr(settings, each.removeprefix("BILLING_").lower()) for each in SECRETS
        }
        assert set(settings.secrets) == set(revealed.values())
        assert [file.setting for file in settings.secret_files] == [f"{name}_FILE"]
        assert revealed[name].reveal() == values[name]


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_gives_no_secret_is_a_fault(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    others = {key: value for key, value in GOOD.items() if key != name}
    for path, why in (
        ("empty", "is empty"),
        ("binary", "isn't UTF-8"),
        ("missing", "No such file"),
        (".", "Is a directory"),
        ("", "Is a directory"),
        ("canary-secret", "No such file"),
    ):
        found = faults(tmp_path, {**others, f"{name}_FILE": path})
        assert any(fault.startswith(f"{name}_FILE: the file it names") for fault in found)
        assert any(why in fault for fault in found)


@pytest.mark.parametrize("name", SECRETS)
def test_a_value_and_a_file_together_are_a_fault(tmp_path: Path, name: str) -> None:
    values = {**GOOD, **OTHERS}
    (tmp_path / "secret").write_text(values[name])
    found = faults(tmp_path, {**values, f"{name}_FILE": "secret"})
    assert found == [f"{name} and {name}_FILE are both set; keep one of them."]


def test_what_is_no_secret_has_no_file(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("other")
    assert load({"BILLING_REPLICA_FILE": "name"}, tmp_path).replica == "main"


def test_dotenv_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"# secrets\nBILLING_ADMIN_KEY={KEY}\nexport STRIPE_WEBHOOK_SECRET='{WEBHOOK}'\n"
        "BILLING_REPLICA=from-file\nBILLING_LOG_LEVEL\n"
    )
    settings = load({}, tmp_path)
    assert not settings.development
    assert settings.replica == "from-file"
    assert settings.log_level == "info"
    assert load({"BILLING_REPLICA": "given"}, tmp_path).replica == "given"


def test_a_secret_in_dotenv_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"BILLING_ADMIN_KEY=0123456789${{HOME}}0123\nSTRIPE_WEBHOOK_SECRET={WEBHOOK}\n"
    )
    assert load({}, tmp_path).admin_key.reveal() == "0123456789${HOME}0123"


def test_a_dotenv_that_can_not_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"BILLING_ADMIN_KEY=canary-\xff\n")
    (found,) = faults(tmp_path, {})
    assert found.endswith(".env can't be read: it isn't UTF-8.")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "billing.yml").write_text("namespace: A\nstripe: {mode: x}\n")
    found = faults(
        tmp_path,
        {
            "BILLING_ADMIN_KEY": "canary-short",
            "STRIPE_WEBHOOK_SECRET": f"{WEBHOOK},",
            "STRIPE_SECRET_KEY": "",
            "DATABASE_URL": "host=h canary",
            "REDIS_URL": "http://canary",
            "BILLING_LISTEN_ADDRESS": "localhost,:99999",
            "BILLING_LOG_FORMAT": "xml",
            "BILLING_LOG_LEVEL": "loud",
            "BILLING_TELEMETRY_PATH": "metrics",
            "BILLING_REPLICA": "a/b",
        },
    )
    assert len(found) == 13
    words = " ".join(found)
    for name in (
        "BILLING_ADMIN_KEY is shorter",
        "STRIPE_WEBHOOK_SECRET has an empty part",
        "STRIPE_SECRET_KEY is set and empty",
        "DATABASE_URL isn't a connection string",
        "REDIS_URL isn't an address",
        "BILLING_LISTEN_ADDRESS: 'localhost'",
        "BILLING_LISTEN_ADDRESS: ':99999'",
        "BILLING_LOG_FORMAT is 'xml'",
        "BILLING_LOG_LEVEL is 'loud'",
        "BILLING_TELEMETRY_PATH",
        "BILLING_REPLICA",
        "billing.yml:1: namespace",
        "billing.yml:2: stripe.mode",
    ):
        assert name in words


@pytest.mark.parametrize(
    "rest", ["se/cret@host", "12/cret@host", "se?cret@host", "12#cret@host", "cret@h:x"]
)
def test_a_password_that_ends_too_early_is_told_without_a_word_of_it(
    tmp_path: Path, rest: str
) -> None:
    (found,) = faults(tmp_path, {"REDIS_URL": f"redis://:{rest}"})
    assert "/ as %2F" in found
    assert "cret" not in found


@pytest.mark.parametrize(
    ("key", "mode", "livemodes"),
    [
        ("sk_live_1", None, (True,)),
        ("rk_live_1", None, (True,)),
        ("sk_test_1", None, (False,)),
        ("rk_test_1", None, (False,)),
        ("sk_org_live_1", None, (True,)),
        ("sk_org_test_1", None, (False,)),
        ("live_1", None, (True, False)),
        ("", None, (True, False)),
        ("sk_live_1", "test", (False,)),
        ("sk_live_1", "both", (True, False)),
        ("", "live", (True,)),
    ],
)
def test_which_modes_count(
    tmp_path: Path, key: str, mode: str | None, livemodes: tuple[bool, ...]
) -> None:
    if mode:
        (tmp_path / "billing.yml").write_text(f"stripe: {{mode: {mode}}}\n")
    environment = {**GOOD, **({"STRIPE_SECRET_KEY": key} if key else {})}
    assert load(environment, tmp_path).livemodes == livemodes


def test_without_its_webhooks_no_signing_secret_is_needed(tmp_path: Path) -> None:
    (tmp_path / "billing.yml").write_text("stripe: {webhooks: false}\n")
    assert not load({"BILLING_ADMIN_KEY": KEY}, tmp_path).stripe_webhook_secret


@pytest.mark.parametrize("text", ["whsec_1, whsec_2 ,whsec_3", "whsec_1\n\nwhsec_2,whsec_3\n"])
def test_several_signing_secrets_are_told_apart(tmp_path: Path, text: str) -> None:
    secret = load({**GOOD, "STRIPE_WEBHOOK_SECRET": text}, tmp_path).stripe_webhook_secret
    assert secret.reveal_all() == ("whsec_1", "whsec_2", "whsec_3")
    assert secret.reveal() == "whsec_1"


def test_every_one_of_several_admin_keys_must_be_long(tmp_path: Path) -> None:
    settings = load({**GOOD, "BILLING_ADMIN_KEY": f"{KEY},{KEY}2"}, tmp_path)
    assert settings.admin_key.reveal_all() == (KEY, f"{KEY}2")
    (found,) = faults(tmp_path, {**GOOD, "BILLING_ADMIN_KEY": f"{KEY},canary-short"})
    assert found.startswith("BILLING_ADMIN_KEY is shorter")


@pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_SECRET_KEY"])
def test_a_secret_that_stands_alone_may_not_have_several_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("canary-1\ncanary-2\n")
    (found,) = faults(tmp_path, {**GOOD, f"{name}_FILE": "secret"})
    assert found == f"{name} holds several lines; put the value alone there."


def test_a_configured_currency_must_be_known_to_whoever_asks(tmp_path: Path) -> None:
    (tmp_path / "billing.yml").write_text("default_currency: eur\n")
    assert load({}, tmp_path, {"eur"}).config.default_currency == "eur"
    with pytest.raises(SettingsError, match="'eur' is not a currency's code"):
        load({}, tmp_path, {"usd"})


def test_a_secret_never_shows_itself(tmp_path: Path) -> None:
    secret = Secret(KEY)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>50}",
        f"{secret!s}",
        " ".join(map(str, [secret])),
    ]
    shown += [str([secret]), str({"key": secret}), repr(load(GOOD, tmp_path))]
    assert not [text for text in shown if "canary" in text]
    assert str(secret) != str(Secret(""))
    assert secret
    assert not Secret("")
