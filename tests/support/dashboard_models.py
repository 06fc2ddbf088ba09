"""A dashboard read by Grafana's own library of its models, and what of it that library lost."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost_fields(dashboard: Mapping[str, Any]) -> list[str]:
    """Where, as in `panels.0.title`, a dashboard differs after it was read and written again, what
    the library adds left aside. Its panels are read by the models of their types.

    Raises what the library raises at something that it can't read.
    """
    plugins.register_default_plugins()
    read = Dashboard.from_json(json.loads(json.dumps(dashboard)))
    return list(_losses(dashboard, json.loads(encoder.JSONEncoder().encode(read)), ""))


def _losses(before: object, after: object, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in before.items():
            if key in after:
                yield from _losses(value, after[key], f"{path}.{key}")
            elif value not in (None, [], {}):
                yield f"{path}.{key}".removeprefix(".")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _losses(one, other, f"{path}.{number}")
    elif before != after:
        yield path.removeprefix(".")
