"""Named SQL statements, read from the .sql files of this folder."""

import re
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


def read_queries(name: str) -> dict[str, bytes]:
    """The statements of `name`.sql by their names."""
    text = (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
    return {match[1]: match[2].strip().encode() for match in _BLOCK.finditer(text)}


AGGREGATES = read_queries("aggregates")
ALERTS = read_queries("alerts")
CONDITIONS = read_queries("conditions")
BILLING_ALERTS = read_queries("billing_alerts")
DISPATCH = read_queries("dispatch")
ERASURE = read_queries("erasure")
FORECASTS = read_queries("forecasts")
GROUP = read_queries("group")
HEALTH = read_queries("health")
KEYS = read_queries("keys")
LEASE = read_queries("lease")
ORGANIZATIONS = read_queries("organizations")
PLANS = read_queries("plans")
RESTORE = read_queries("restore")
REVENUE = read_queries("revenue")
SILENCES = read_queries("silences")
UPKEEP = read_queries("upkeep")
VERIFICATION = read_queries("verification")
