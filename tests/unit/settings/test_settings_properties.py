"""Settings of any text: usable, or an error that says where and tells no secret."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.catalogue.currencies import CURRENCIES
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.settings import SETTINGS, PlanConfig, Settings, SettingsError, load
from fuzz.corpus import seeds
from fuzz.targets import opened_target

_NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
_NAMES = st.lists(_NAME, max_size=5, unique_by=str.lower)
_CODES = st.sampled_from(CURRENCIES)
_UNITS = st.integers(0, 2**63 - 1)
_PRICES = st.integers(0, 10**12) | st.decimals(0, 10**12, places=12).map("{:f}".format)
_STEPS = st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=20, unique=True).map(sorted)
_METER = st.fixed_dictionaries(
    {}, optional={"quota": st.none() | _UNITS, "limits": _STEPS}
) | st.fixed_dictionaries(
    {"overage_price_minor": _PRICES}, optional={"quota": _UNITS, "included": _UNITS}
)
_TIERED = st.lists(_PRICES, min_size=1, max_size=20).map(
    lambda prices: {
        "tiers": [{"above": 7 * at, "price_minor": price} for at, price in enumerate(prices)]
    }
)
_PLAN = st.fixed_dictionaries(
    {},
    optional={
        "stripe": st.lists(st.sampled_from(["price_1", "prod_2"]), unique=True),
        "currency": _CODES,
        "meters": st.dictionaries(st.sampled_from(RESOURCE_TYPE.values), _METER | _TIERED),
    },
)
_GOOD = st.fixed_dictionaries(
    {},
    optional={
        "namespace": st.from_regex(r"[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,5}){0,2}", fullmatch=True),
        "default_currency": _CODES,
        "currencies": st.lists(_CODES, max_size=4, unique=True),
        "plans": st.dictionaries(_NAME.map(str.lower), _PLAN, max_size=3),
        "meters": _NAMES.map(lambda names: [*RESOURCE_TYPE.values, *names]).filter(
            lambda names: len({name.lower() for name in names}) == len(names)
        ),
        "usage": st.fixed_dictionaries(
            {"warning_percent": st.integers(1, 50), "critical_percent": st.integers(51, 100)}
        ),
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
    config = load(environment, folder, CURRENCIES, RESOURCE_TYPE.values).config
    for key in ("namespace", "default_currency", "id_retention_days"):
        assert getattr(config, key) == content.get(key, getattr(config, key))
    for key in ("currencies", "meters", "credit_reasons"):
        assert list(getattr(config, key)) == content.get(key, [])
    plans = msgspec.to_builtins(config)["plans"]
    assert plans == msgspec.to_builtins(
        msgspec.convert(content.get("plans", {}), dict[str, PlanConfig])
    )


_ODD_METER = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("quota", "included", "limits", "overage_price_minor"), _ANY),
        "tiers": _ANY | st.lists(st.dictionaries(st.sampled_from(["above", "price_minor"]), _ANY)),
    },
)


@given(
    _ANY.map(lambda value: yaml.safe_dump(value).encode())
    | _ODD_METER.map(
        lambda meter: yaml.safe_dump({"plans": {"pro": {"meters": {"fix": meter}}}}).encode()
    )
    | st.dictionaries(
        st.sampled_from(["plans", "stripe", "meters", "namespace", "usage", "default_plan", "\r"]),
        _ANY,
    ).map(lambda value: yaml.safe_dump(value).encode())
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
