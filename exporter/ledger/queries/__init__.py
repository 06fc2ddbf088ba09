"""Named SQL statements, read from the .sql files of this folder."""

import re
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


def read_queries(name: str) -> dict[str, bytes]:
    """The statements of `name`.sql by their names."""
    text = (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
    return {match[1]: match[2].strip().encode() for match in _BLOCK.finditer(text)}


ALERTS = read_queries("alerts")
ERASURE = read_queries("erasure")
GROUP = read_queries("group")
KEYS = read_queries("keys")
LEASE = read_queries("lease")
RESTORE = read_queries("restore")
REVENUE = read_queries("revenue")
UPKEEP = read_queries("upkeep")
