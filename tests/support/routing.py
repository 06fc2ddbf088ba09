"""The bundle for Alertmanager as tests want it: a folder with its files, secrets and all."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alertmanager.build import WITH_ADDRESSES, WITH_FILES, build
from exporter.settings import Config, Secret, Webhooks

VARIANTS = (WITH_FILES, WITH_ADDRESSES)
TOKEN = "c4n4ry-in-an-address"
TWO_AND_HEARTBEAT = Webhooks(
    Secret(f"https://one.example.com/{TOKEN}", f"https://two.example.com/?token={TOKEN}"),
    Secret(f"https://heartbeat.example.com/{TOKEN}"),
)
_OLD_KEYS = frozenset(
    {
        "match",
        "match_re",
        "source_match",
        "source_match_re",
        "target_match",
        "target_match_re",
        "mute_time_intervals",
        "bearer_token",
        "bearer_token_file",
        "proxy_url",
        "hipchat_configs",
    }
)
_INLINE_SECRETS = frozenset(
    {
        "smtp_auth_password",
        "smtp_auth_secret",
        "auth_password",
        "auth_secret",
        "slack_api_url",
        "api_url",
        "routing_key",
        "service_key",
        "credentials",
        "password",
    }
)
_MATCHER = re.compile(r'\w+(=|!=|=~|!~)"[^"]*"')


def write_bundle(
    folder: Path, config: Config, webhooks: Webhooks | None = None, compression: int = 1
) -> None:
    """The part's files, below a folder."""
    for path, text in build(config, webhooks, compression).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def lint(config: Mapping[str, Any]) -> list[str]:
    """What a configuration of ours must not have though amtool takes it: fields that are going to
    be removed, secrets, names that nobody uses or declares, matchers without quotes.
    """
    receivers = [receiver["name"] for receiver in config["receivers"]]
    intervals = [interval["name"] for interval in config["time_intervals"]]
    routes = [*_routes(config["route"])]
    used = {name for route in routes for name in route.get("active_time_intervals", ())}
    return [
        *(f"{key} is deprecated" for key, _ in _pairs(config) if key in _OLD_KEYS),
        *(f"{key} is a secret" for key, _ in _pairs(config) if key in _INLINE_SECRETS),
        *(
            f"{matcher} is not in quotes"
            for key, value in _pairs(config)
            if key.endswith("matchers")
            for matcher in value
            if not _MATCHER.fullmatch(matcher)
        ),
        *(
            f"{name} is not both used and declared"
            for name in {*receivers} ^ {route["receiver"] for route in routes}
        ),
        *(f"{name} is not both used and declared" for name in {*intervals} ^ used),
        *(f"{name} is declared twice" for name in receivers if receivers.count(name) > 1),
    ]


def _routes(route: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield route
    for inner in route.get("routes", ()):
        yield from _routes(inner)


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)
