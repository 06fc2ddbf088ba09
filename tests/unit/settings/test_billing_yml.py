"""billing.yml: read strictly, every fault told at once with its line."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from exporter.settings import CONFIG_KEYS, Config, SettingsError, StripeConfig, read_config

FAULTY = """\
namespace: Acme-Billing
default_currency: dollars
currencies: [usd, 5, EUR,
  xyz]
plans:
  pro:
    stripe: [price_1, 2]
    colour: red
  Pro: {}
  1: {}
  "bad name": {}
  free:
meters: api_calls
stripe:
  mode: production
  accounts: [7]
  secret: sk_live_canary
id_retention_days: 34
unheard_of: 1
credit_reasons: [no, "a b", ok]
"""
TOLD = [
    (1, "namespace: must be lower case"),
    (2, "default_currency: 'dollars' is not a currency's code"),
    (3, "currencies.1: Expected `str`, got `int`"),
    (3, "currencies.2: 'EUR' is not a currency's code"),
    (4, "currencies.3: 'xyz' is not a currency's code"),
    (5, "plans: must be distinct, whatever their case"),
    (7, "plans.pro.stripe.1: Expected `str`, got `int`"),
    (8, "plans.pro.colour: there is no such key"),
    (10, "plans.1: must be text"),
    (11, "plans.bad name: 'bad name' must be"),
    (12, "plans.free: Expected `object`, got `null`"),
    (13, "meters: Expected `array`, got `str`"),
    (15, "stripe.mode: must be live, test or both"),
    (16, "stripe.accounts.0: Expected `str`, got `int`"),
    (17, "stripe.secret: there is no such key"),
    (18, "id_retention_days: must be 35 to 3650"),
    (19, "unheard_of: there is no such key"),
    (20, "credit_reasons.0: Expected `str`, got `bool`"),
    (20, "credit_reasons.1: 'a b' must be"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "billing.yml"


def faults(file: Path, text: str) -> list[tuple[int, str]]:
    """The lines and words of the faults in a file with that text."""
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_config(file, {"usd", "eur"})
    found = []
    for line in str(error.value).splitlines():
        match = re.fullmatch(rf"{re.escape(str(file))}:(\d+): (.+)", line)
        assert match, line
        found.append((int(match[1]), match[2]))
    return found


def test_every_fault_is_told_at_once_with_its_line(file: Path) -> None:
    found = faults(file, FAULTY)
    assert [line for line, _ in found] == [line for line, _ in TOLD]
    for (_, text), (_, words) in zip(found, TOLD, strict=True):
        assert text.startswith(words)
        assert text.endswith(".")


def test_no_value_of_an_unknown_key_is_told(file: Path) -> None:
    assert "canary" not in str(faults(file, FAULTY))


def test_a_file_that_is_missing_or_empty_means_the_defaults(file: Path) -> None:
    assert read_config(file) == Config()
    for text in ("", "\n", "# nothing yet\n", "---\n"):
        file.write_text(text)
        assert read_config(file) == Config()


def test_what_is_given_replaces_its_default_and_nothing_else(file: Path) -> None:
    file.write_text(
        "namespace: rsolv\nplans:\n  pro: {stripe: [price_1]}\n  free: {}\nstripe: {mode: live}\n"
    )
    config = read_config(file, {"usd"})
    assert config.namespace == "rsolv"
    assert config.plans["pro"].stripe == ("price_1",)
    assert list(config.plans) == ["pro", "free"]
    assert config.stripe == StripeConfig(mode="live")
    assert config.id_retention_days == Config().id_retention_days


@pytest.mark.parametrize("text", ["[]", "- a", "5", "text", "false", "''", "0"])
def test_a_file_that_holds_no_keys_is_refused(file: Path, text: str) -> None:
    assert faults(file, text) == [(1, "must be keys with values, as in `namespace: acme`.")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("namespace: a\n  b: c\n", 2),
        ("namespace: [a\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("namespace: 'a\n", 2),
        ("namespace: a\nmeters: [a]\nnamespace: b\n", 3),
        ("plans:\n  pro: {}\n  free: {}\n  pro: {}\n", 4),
        ("stripe:\n  mode: live\n  mode: test\n", 3),
        ("namespace: !!python/object:os.system a\n", 1),
        ("meters: &a [*a]\n", 1),
        ("meters: *unknown\n", 1),
        ("? [a, b]\n: 1\n", 1),
        ("meters:\n  - a\n  - 2026-13-01\n", 3),
        ("stripe:\n  webhooks: !!bool maybe\n", 2),
        (f"meters: [a,\n  {'1' * 5000}]\n", 2),
    ],
)
def test_what_is_no_yaml_or_says_a_thing_twice_is_told_with_its_line(
    file: Path, text: str, line: int
) -> None:
    ((found, words),) = faults(file, text)
    assert found == line
    assert words.endswith("there.") or "without end" in words


def test_what_plans_have_in_common_may_be_written_once(file: Path) -> None:
    file.write_text(
        "plans:\n  a: &common {stripe: [price_1]}\n  b:\n    <<: *common\n    meters: {}\n"
    )
    plans = read_config(file).plans
    assert plans["a"] == plans["b"]


def test_a_file_that_can_not_be_read_is_refused(file: Path) -> None:
    file.write_bytes(b"namespace: \xff\n")
    with pytest.raises(SettingsError, match="can't be read"):
        read_config(file)
    with pytest.raises(SettingsError, match="can't be read"):
        read_config(file.parent)


@pytest.mark.parametrize("namespace", ["", "a", "rsolv", "acme_billing", "a1_2b"])
def test_a_namespace_is_lower_case_words(file: Path, namespace: str) -> None:
    file.write_text(f'namespace: "{namespace}"\n')
    assert read_config(file).namespace == namespace


@pytest.mark.parametrize("namespace", ["A", "1a", "_a", "a_", "a__b", "a-b", "a b", "a\\n", "ä"])
def test_any_other_namespace_is_refused(file: Path, namespace: str) -> None:
    ((line, _),) = faults(file, f'namespace: "{namespace}"\n')
    assert line == 1


@pytest.mark.parametrize(
    ("days", "is_taken"), [(34, False), (35, True), (3650, True), (3651, False)]
)
def test_ids_are_kept_35_days_to_ten_years(file: Path, days: int, is_taken: bool) -> None:
    text = f"id_retention_days: {days}\n"
    if is_taken:
        file.write_text(text)
        assert read_config(file).id_retention_days == days
    else:
        assert len(faults(file, text)) == 1


@pytest.mark.parametrize("key", ["plans", "meters", "credit_reasons"])
def test_names_are_distinct_whatever_their_case_and_a_hundred_at_most(file: Path, key: str) -> None:
    def text(names: list[str]) -> str:
        values = {name: {} for name in names} if key == "plans" else names
        return msgspec.json.encode({key: values}).decode()

    file.write_text(text([f"name{number}" for number in range(100)]))
    assert len(getattr(read_config(file), key)) == 100
    assert len(faults(file, text([f"name{number}" for number in range(101)]))) == 1
    assert len(faults(file, text(["Pro", "pro"]))) == 1


def test_a_currency_must_be_one_that_is_known(file: Path) -> None:
    file.write_text("default_currency: eur\ncurrencies: [usd, eur]\n")
    assert read_config(file, {"usd", "eur"}).currencies == ("usd", "eur")
    with pytest.raises(SettingsError, match=r":2: currencies\.1: 'eur'"):
        read_config(file, {"usd"})


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    def names(type_: Any, place: str) -> set[str]:
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            fields = msgspec.structs.fields(type_)
            return {name for at in fields for name in names(at.type, f"{place}.{at.name}")}
        # A mapping of names to records, or a list of records.
        inner = [part for part in get_args(type_) if part is not Ellipsis][-1:]
        found = names(inner[0], f"{place}.*") if inner else set()
        return {name for name in found if name != f"{place}.*"} or {place}

    assert {name.removeprefix(".") for name in names(Config, "")} == set(CONFIG_KEYS)
