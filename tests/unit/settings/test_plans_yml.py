"""The parts of billing.yml about plans and usage: every fault with its line and its remedy."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.settings import (
    PLANS_EXAMPLE,
    Config,
    PlanMeterConfig,
    SettingsError,
    UsageConfig,
    read_config,
)

METERS = ("api_calls", "data_exports")
FAULTY = """\
default_plan: gold
usage:
  warning_percent: 0
  critical_percent: 101
plans:
  pro:
    currency: dollars
    meters:
      api_calls:
        quota: -1
        included: 9223372036854775808
        overage_price_minor: 0.5
      data_exports:
        quota: 5.5
        included: yes
      fax: {}
  steep:
    meters:
      api_calls:
        overage_price_minor: -1
        limits: [0, 10, 10, 9223372036854775808]
        tiers:
          - {above: -1, price_minor: "0.5"}
          - {above: 5, price_minor: "1e3"}
          - {above: 5, price_minor: "0.1234567890123"}
          - {above: 9223372036854775808, price_minor: 1000000000001}
      data_exports:
        tiers:
          - {above: 5}
          - {price_minor: 1.5}
          - 7
        limits: {above: 1}
  late:
    meters:
      api_calls:
        included: 4
        tiers:
          - {above: 5, price_minor: 1}
      data_exports: [1]
"""
TOLD = [
    (1, "default_plan: 'gold' must be one of `plans`."),
    (3, "usage.warning_percent: must be 1 to 100 percent."),
    (4, "usage.critical_percent: must be 1 to 100 percent."),
    (7, "plans.pro.currency: 'dollars' is not a currency's code in lower case, as in usd."),
    (12, "plans.pro.meters.api_calls.overage_price_minor: Expected `int | str | null`, got `float"),
    (14, "plans.pro.meters.data_exports.quota: Expected `int | null`, got `float`"),
    (15, "plans.pro.meters.data_exports.included: Expected `int | null`, got `bool`"),
    (16, "plans.pro.meters.fax: there is no such meter. Add it to `meters`, or use one of api_"),
    (20, "plans.steep.meters.api_calls.overage_price_minor: must be 0 to 1000000000000 minor un"),
    (21, "plans.steep.meters.api_calls.limits.0: must be 1 to 9223372036854775807 units."),
    (21, "plans.steep.meters.api_calls.limits.2: must be more than the one before it."),
    (21, "plans.steep.meters.api_calls.limits.3: must be 1 to 9223372036854775807 units."),
    (22, "plans.steep.meters.api_calls.tiers: are instead of overage_price_minor: remove one"),
    (23, "plans.steep.meters.api_calls.tiers.0.above: must be 0 to 9223372036854775807 units."),
    (24, "plans.steep.meters.api_calls.tiers.1.price_minor: must be 0 to 1000000000000 minor un"),
    (25, "plans.steep.meters.api_calls.tiers.2.above: must be more than the one before it."),
    (25, "plans.steep.meters.api_calls.tiers.2.price_minor: must be 0 to 1000000000000 minor un"),
    (26, "plans.steep.meters.api_calls.tiers.3.above: must be 0 to 9223372036854775807 units."),
    (26, "plans.steep.meters.api_calls.tiers.3.price_minor: must be 0 to 1000000000000 minor un"),
    (29, "plans.steep.meters.data_exports.tiers.0.price_minor: is missing. Add it."),
    (30, "plans.steep.meters.data_exports.tiers.1.above: is missing. Add it."),
    (30, "plans.steep.meters.data_exports.tiers.1.price_minor: Expected `int | str`, got `float`"),
    (31, "plans.steep.meters.data_exports.tiers.2: Expected `object`, got `int`"),
    (32, "plans.steep.meters.data_exports.limits: Expected `array`, got `object`"),
    (36, "plans.late.meters.api_calls.included: must be where the first tier begins; leave it"),
    (39, "plans.late.meters.data_exports: Expected `object`, got `array`"),
]


def faults(folder: Path, text: str) -> list[tuple[int, str]]:
    """The lines and words of the faults in a file with that text."""
    file = folder / "billing.yml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_config(file, {"usd", "eur"}, METERS)
    lines = str(error.value).removeprefix(f"{file}:").split(f"\n{file}:")
    matches = [re.fullmatch(r"(\d+): (.+)", line) for line in lines]
    return [(int(match[1]), match[2]) for match in matches if match]


def read(folder: Path, text: str) -> Config:
    """What a file with that text says."""
    file = folder / "billing.yml"
    file.write_text(text)
    return read_config(file, {"usd", "eur"}, METERS)


def meter(folder: Path, text: str) -> PlanMeterConfig:
    """A plan's meter of which a file says that."""
    return (
        read(folder, f"plans: {{pro: {{meters: {{api_calls: {{{text}}}}}}}}}")
        .plans["pro"]
        .meters["api_calls"]
    )


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    found = faults(tmp_path, FAULTY)
    assert [line for line, _ in found] == [line for line, _ in TOLD]
    for (_, text), (_, words) in zip(found, TOLD, strict=True):
        assert text.startswith(words)
        assert text.endswith(".")


def test_what_is_told_of_a_meter_is_judged_once_its_types_are_right(tmp_path: Path) -> None:
    mended = FAULTY.replace("overage_price_minor: 0.5\n", "overage_price_minor: '0.5'\n")
    found = [text for line, text in faults(tmp_path, mended) if line in (10, 11, 12)]
    assert found == [
        "plans.pro.meters.api_calls.quota: must be 0 to 9223372036854775807 units.",
        "plans.pro.meters.api_calls.included: must be 0 to 9223372036854775807 units.",
    ]


@pytest.mark.parametrize(("warning", "critical"), [(95, 95), (96, 95), (100, 100)])
def test_a_warning_comes_before_it_is_critical(tmp_path: Path, warning: int, critical: int) -> None:
    text = f"usage:\n  critical_percent: {critical}\n  warning_percent: {warning}\n"
    told = f"usage.warning_percent: must be below critical_percent, which is {critical}."
    assert faults(tmp_path, text) == [(3, told)]


def test_a_warning_above_the_default_of_critical_is_told(tmp_path: Path) -> None:
    assert faults(tmp_path, "usage: {warning_percent: 97}")[0][0] == 1
    assert read(tmp_path, "usage: {warning_percent: 94}").usage == UsageConfig(94, 95)


@pytest.mark.parametrize("key", ["limits", "tiers"])
def test_there_are_twenty_steps_at_most(tmp_path: Path, key: str) -> None:
    def text(steps: int) -> str:
        items = [
            str(n) if key == "limits" else f"{{above: {n}, price_minor: 1}}"
            for n in range(1, steps + 1)
        ]
        return f"{key}: [{', '.join(items)}]"

    assert len(getattr(meter(tmp_path, text(20)), key)) == 20
    with pytest.raises(SettingsError, match=rf":1: .*\.{key}: must be 20 at most\."):
        meter(tmp_path, text(21))


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("quota: 5, overage_price_minor: '0.000000000001'", ((5, Decimal("1e-12")),)),
        ("quota: 5, included: 0, overage_price_minor: 2", ((0, Decimal(2)),)),
        ("quota: 5, included: 9, overage_price_minor: 2", ((9, Decimal(2)),)),
        ("overage_price_minor: 1000000000000", ((0, Decimal(10**12)),)),
        (
            "included: 5, tiers: [{above: 5, price_minor: '1.50'}, {above: 9, price_minor: 0}]",
            ((5, Decimal("1.5")), (9, Decimal(0))),
        ),
        ("quota: 5, included: 5", ()),
        ("quota: null", ()),
    ],
)
def test_units_without_a_charge_are_those_that_are_included_else_the_quota(
    tmp_path: Path, text: str, prices: tuple[tuple[int, Decimal], ...]
) -> None:
    assert meter(tmp_path, text).prices() == prices


@pytest.mark.parametrize(
    "price",
    ["''", "'-1'", "' 1'", "'1.'", "'.5'", "'1,5'", "'0x1'", "NaN", "'inf'", '"\\u0661"', "1e2"],
)
def test_a_price_that_is_no_exact_decimal_is_refused(tmp_path: Path, price: str) -> None:
    with pytest.raises(SettingsError, match=r"must be 0 to 1000000000000 minor units .* in quotes"):
        meter(tmp_path, f"overage_price_minor: {price}")


def test_meters_of_plans_are_those_of_the_deployment(tmp_path: Path) -> None:
    text = "meters: [fax, {}]\nplans:\n  pro:\n    meters:\n      api_calls: {}\n"
    ((line, words),) = faults(tmp_path, text.replace("{}]", "telex]"))
    assert (line, words.split(".")[:4]) == (
        5,
        ["plans", "pro", "meters", "api_calls: there is no such meter"],
    )
    assert words.endswith("use one of fax, telex.")
    # Which there are can't be told where their list is broken.
    assert faults(tmp_path, text) == [
        (1, "meters.1: Expected `str`, got `object`. Mend its value; see docs/settings.md.")
    ]


def test_the_example_of_the_page_is_taken(tmp_path: Path) -> None:
    config = read(tmp_path, PLANS_EXAMPLE)
    assert config.default_plan == "free"
    exports = config.plans["pro"].meters["data_exports"]
    assert exports.prices() == ((100, Decimal(5)), (1000, Decimal(2)))
    calls = config.plans["pro"].meters["api_calls"]
    assert (calls.prices(), calls.limits) == (((5000, Decimal("0.5")),), (10000, 50000))
