"""Settings of any text: usable, or an error that says where and tells no secret."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.catalogue.currencies import CURRENCIES
from exporter.settings import Settings, SettingsError, load
from exporter.settings.environment import SETTINGS
from fuzz.corpus import seeds
from fuzz.targets import opened_target

_NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
_NAMES = st.lists(_NAME, max_size=5, unique_by=str.lower)
_CODES = st.sampled_from(CURRENCIES)
_GOOD = st.fixed_dictionaries(
    {},
    optional={
        "namespace": st.from_regex(r"[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,5}){0,2}", fullmatch=True),
        "default_currency": _CODES,
        "currencies": st.lists(_CODES, max_size=4, unique=True),
        "plans": _NAMES.map(lambda names: {name: {"stripe": [f"price_{name}"]} for name in names}),
        "meters": _NAMES,
        "credit_reasons": _NAMES,
        "id_retention_days": st.integers(35, 3650),
        "stripe": st.fixed_dictionaries(
            {},
            optional={
                "mode": st.sampled_from(["live", "test", "both", None]),
                "accounts": st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=9)),
                "webhooks": st.booleans(),
            },
        ),
    },
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
_SECRETS = tuple(setting.name for setting in SETTINGS if setting.secret)
_OPEN = tuple(setting.name for setting in SETTINGS if not setting.secret)
# What an environment can hold.
_VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], None]]:
    """Raises where a `billing.yml` breaks a promise."""
    with opened_target("config", tmp_path_factory.mktemp("target")) as target:
        yield target


@given(_GOOD)
def test_a_good_configuration_is_taken_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("good")
    (folder / "billing.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    environment = {"BILLING_ADMIN_KEY": "k" * 32, "STRIPE_WEBHOOK_SECRET": "whsec_1"}
    config = load(environment, folder, CURRENCIES).config
    for key in ("namespace", "default_currency", "id_retention_days"):
        assert getattr(config, key) == content.get(key, getattr(config, key))
    for key in ("currencies", "meters", "credit_reasons"):
        assert list(getattr(config, key)) == content.get(key, [])
    assert list(config.plans) == list(content.get("plans", {}))  # type: ignore[call-overload]


@given(
    _ANY.map(lambda value: yaml.safe_dump(value).encode())
    | st.dictionaries(st.sampled_from(["plans", "stripe", "meters", "namespace", "\r"]), _ANY).map(
        lambda value: yaml.safe_dump(value).encode()
    )
    | st.binary(max_size=60)
    | st.text("{}[]:&*!|>-?,#'\"% \n\tab", max_size=40).map(str.encode)
    | st.tuples(st.sampled_from(seeds("config")), st.text(max_size=9)).map(
        lambda pair: pair[0] + pair[1].encode("utf-8", "surrogatepass")
    )
)
def test_any_file_is_a_configuration_or_an_error_with_its_line(
    check: Callable[[bytes], None], raw: bytes
) -> None:
    check(raw)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(_OPEN), _VALUE, max_size=4),
    st.dictionaries(st.sampled_from(_SECRETS), _VALUE, max_size=3),
)
def test_any_environment_is_settings_or_an_error_that_tells_no_secret(
    tmp_path: Path, open_values: dict[str, str], secrets: dict[str, str]
) -> None:
    marked = {name: f"canary-{value}-canary" for name, value in secrets.items()}
    message = ""
    with contextlib.suppress(SettingsError):
        try:
            assert isinstance(load({**open_values, **marked}, tmp_path), Settings)
        except SettingsError as error:
            message = str(error)
            raise
    assert "canary" not in message
