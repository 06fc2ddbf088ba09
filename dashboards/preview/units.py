"""Values as Grafana's units show them: `shown`."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_SHORT = ((1e12, " Tri"), (1e9, " Bil"), (1e6, " Mil"), (1e3, " K"))
_BYTES = ((2.0**40, " TiB"), (2.0**30, " GiB"), (2.0**20, " MiB"), (2.0**10, " KiB"))
_SECONDS = (
    (604_800.0, " weeks"),
    (86_400.0, " days"),
    (3600.0, " hours"),
    (60.0, " mins"),
    (1.0, " s"),
    (1e-3, " ms"),
    (1e-6, " µs"),
)
_SIGNS = {
    "currencyUSD": "$", "currencyEUR": "€", "currencyGBP": "£", "currencyJPY": "¥",
    "currencyCHF": "CHF ", "currencyBRL": "R$", "currencyINR": "₹", "currencyKRW": "₩",
    "currencyPLN": "zł ",
}  # fmt: skip
_RATES = {"cps": " c/s", "reqps": " req/s", "ops": " ops/s", "eps": " evt/s"}
_BOOLEANS = {"bool_on_off": ("On", "Off"), "bool_yes_no": ("Yes", "No")}


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """A number with its unit, to three digits unless `decimals` are asked for."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf"
    if unit in _BOOLEANS:
        return _BOOLEANS[unit][0 if value else 1]
    if unit == "percentunit":
        return f"{_number(value * 100, decimals)}%"
    if unit in ("dateTimeAsIso", "dateTimeFromNow"):
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M}"
    if unit in ("s", "bytes"):
        return _scaled(
            value, _SECONDS if unit == "s" else _BYTES, decimals, "" if unit == "s" else " B"
        )
    if unit == "locale":
        return f"{value:,.0f}"
    short = _scaled(value, _SHORT, decimals, "")
    if unit.startswith("suffix:"):
        return f"{short}{unit.removeprefix('suffix:')}"
    return f"{_SIGNS.get(unit, '')}{short}{_RATES.get(unit, '')}"


def unit_of(fields: Mapping[str, Any], name: str) -> str:
    """The unit of a field of that name: its own, or that of all."""
    unit: str = fields["defaults"].get("unit", "")
    for override in fields["overrides"]:
        matcher = override["matcher"]
        pattern = str(matcher["options"]).strip("/")
        fits = re.search(pattern, name) if matcher["id"] == "byRegexp" else pattern == name
        for one in override["properties"]:
            if fits and one["id"] == "unit":
                unit = one["value"]
    return unit


def _scaled(
    value: float, steps: tuple[tuple[float, str], ...], decimals: int | None, below: str
) -> str:
    for size, name in steps:
        if abs(value) >= size:
            return f"{_number(value / size, decimals if decimals and size < 1e3 else None)}{name}"
    return f"{_number(value, decimals)}{below}"


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None and (value == round(value) or decimals):
        return f"{value:.{decimals}f}"
    digits = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"
    return text.rstrip("0").rstrip(".") if "." in text else text
