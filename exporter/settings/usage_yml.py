"""The part `usage` of `billing.yml`: when the usage of an organisation raises alerts."""

from collections.abc import Iterator

import msgspec

from exporter.settings.strict_yaml import Place


class UsageConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Parts of a quota in percent; costs and prices in minor units, each in its own currency."""

    warning_percent: int = 80
    critical_percent: int = 95
    spike_percent: int = 150
    spike_least_minor: int = 5000
    anomaly_deviations: int = 4
    anomaly_least_units: int = 100
    anomaly_least_minor: int = 1000
    exhaustion_days: int = 3
    silence_hours: int = 24
    low_credits: int | None = None
    top_organizations: int = 0


USAGE_KEYS: dict[str, str] = {
    "usage.warning_percent": "Part of a quota that raises a warning; 80.",
    "usage.critical_percent": "Part of a quota that makes it critical; 95.",
    "usage.spike_percent": (
        "How much more than at the same point of the last period is a cost spike; 150 (2.5 times)."
    ),
    "usage.spike_least_minor": "Costs of a period below which nothing is a spike; 5000.",
    "usage.anomaly_deviations": (
        "How many usual deviations from the same hour of other weeks are unusual; 4."
    ),
    "usage.anomaly_least_units": "Units more below which no hour is unusual; 100.",
    "usage.anomaly_least_minor": "The same in money, where a unit has a price; 1000.",
    "usage.exhaustion_days": "How many days ahead a quota that will not last is told; 3.",
    "usage.silence_hours": "Hours without use after which a customer counts as silent; 24.",
    "usage.low_credits": "Credits below which they are running out; never if left out.",
    "usage.top_organizations": (
        "How many organisations have series of their own, with their ids: for each meter those "
        "nearest to their quotas, and for each currency those whose usage costs most; 0."
    ),
}
_PERCENT = (1, 100)
_MOST = 2**53
_BOUNDS: dict[str, tuple[int, int, str]] = {
    "warning_percent": (*_PERCENT, "percent"),
    "critical_percent": (*_PERCENT, "percent"),
    "spike_percent": (1, 100_000, "percent"),
    "spike_least_minor": (0, _MOST, "minor units"),
    "anomaly_deviations": (1, 1000, "deviations"),
    "anomaly_least_units": (1, _MOST, "units"),
    "anomaly_least_minor": (1, _MOST, "minor units"),
    "exhaustion_days": (1, 366, "days"),
    # What is silent for weeks is known, or gone.
    "silence_hours": (1, 24 * 28, "hours"),
    "low_credits": (0, _MOST, "credits"),
    "top_organizations": (0, 50, "organisations"),
}


def broken_usage(usage: UsageConfig) -> Iterator[tuple[Place, str]]:
    """What can't be used, and where it stands."""
    odd = {
        name
        for name, (least, most, _) in _BOUNDS.items()
        if (value := getattr(usage, name)) is not None and not least <= value <= most
    }
    for name in sorted(odd):
        least, most, unit = _BOUNDS[name]
        yield ("usage", name), f"must be {least} to {most} {unit}."
    percents = {"warning_percent", "critical_percent"}
    if not odd & percents and usage.warning_percent >= usage.critical_percent:
        yield (
            ("usage", "warning_percent"),
            f"must be below critical_percent, which is {usage.critical_percent}.",
        )
