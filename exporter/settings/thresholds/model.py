"""What the alerts judge by: each threshold with its unit, its bounds and the reason for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number of `alerts.thresholds` in `billing.yml`; its name ends with its unit.

    `least` and `most` are what it may be set to; if it has `one_of`, to nothing else.
    """

    name: str
    default: float
    unit: str
    reason: str
    least: float
    most: float
    one_of: tuple[float, ...] = ()
