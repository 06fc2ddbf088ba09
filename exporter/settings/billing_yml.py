"""`billing.yml`: what a deployment says about its billing, strictly checked."""

import re
from pathlib import Path
from typing import Any

import msgspec
import yaml


class SettingsError(Exception):
    """Settings that can't be used; a line each, with where it stands and the remedy."""


class PlanConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A plan: `stripe` lists the price, plan or product ids and lookup keys that mean it."""

    stripe: tuple[str, ...] = ()


class StripeConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`mode` is live, test, both, or by the kind of the key; `accounts` are own Connect ids;
    without `webhooks` the Stripe route is closed and needs no secret.
    """

    mode: str | None = None
    accounts: tuple[str, ...] = ()
    webhooks: bool = True


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`billing.yml`: what a deployment says about its billing."""

    namespace: str = ""
    default_currency: str = "usd"
    currencies: tuple[str, ...] = ()
    plans: dict[str, PlanConfig] = {}
    meters: tuple[str, ...] = ()
    credit_reasons: tuple[str, ...] = ()
    id_retention_days: int = 90
    stripe: StripeConfig = StripeConfig()


CONFIG_KEYS: dict[str, str] = {
    "namespace": "Put before every metric's name, as in `rsolv_billing_…`; none by default.",
    "default_currency": "Currency of telemetry that names none; `usd`.",
    "currencies": "Currencies whose amounts exist at 0 from the start; the default currency.",
    "plans": "Plan names; `stripe` lists the price, plan or product ids and lookup keys of each.",
    "meters": "Kinds of usage (`resource_type`).",
    "credit_reasons": "Why credits are added or consumed (`reason`).",
    "id_retention_days": "How long event ids are kept, 35 at least; 90.",
    "stripe.mode": "`live`, `test` or `both`; by the kind of the key if left out.",
    "stripe.accounts": "Connect accounts whose events count as your own.",
    "stripe.webhooks": "`false` closes the Stripe route, which then needs no secret.",
}


def read_config(path: Path) -> Config:
    """The configuration in `path`; a missing file means its defaults.

    Raises SettingsError naming every fault with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _lines(root)
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "it isn't YAML"
        raise SettingsError(f"{path}:{line}: {problem}. Mend the YAML there.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}:1: must be keys with values, as in `namespace: acme`.")
    faults = [f"{path}:{line}: {text}" for line, text in sorted(_faults(content, lines))]
    if faults:
        raise SettingsError("\n".join(faults))
    return msgspec.convert(content, Config)


_Path = tuple[str, ...]


def _lines(node: yaml.Node | None, path: _Path = ()) -> dict[_Path, int]:
    """The line of every key; a key that stands twice in a mapping is an error."""
    found = {path: node.start_mark.line + 1} if node else {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            if inner in found:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{'.'.join(inner)} stands twice", key.start_mark
                )
            found |= _lines(value, inner)
            found[inner] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= _lines(value, (*path, str(index)))
    return found


def _faults(content: dict[str, Any], lines: dict[_Path, int]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for key, value in content.items():
        if key == "plans" and isinstance(value, dict):
            for name, plan in value.items():
                found.extend(_convert({"plans": {name: plan}}, lines, ("plans", str(name))))
            continue
        found.extend(_convert({key: value}, lines, (str(key),)))
    return found or _rules(msgspec.convert(content, Config), lines)


def _convert(piece: dict[str, Any], lines: dict[_Path, int], path: _Path) -> list[tuple[int, str]]:
    try:
        msgspec.convert(piece, Config)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `")
        inner = tuple(re.findall(r"[A-Za-z0-9_]+", where.replace("$", "").replace("[...]", "")))
        unknown = re.search(r"unknown field `(.+)`", reason)
        tail = (unknown[1],) if unknown else ()
        places = ((*path, *tail), (*inner, *tail), path, inner)
        at = max((place for place in places if place in lines), key=len, default=path)
        remedy = "Remove it or mend its name" if unknown else "Mend its value"
        return [(lines.get(at, 1), f"{'.'.join(at)}: {reason}. {remedy}; see docs/settings.md.")]
    return []


def _rules(config: Config, lines: dict[_Path, int]) -> list[tuple[int, str]]:
    rules = [
        (
            ("namespace",),
            re.fullmatch(r"([a-z][a-z0-9]*(_[a-z0-9]+)*)?", config.namespace),
            "must be lower case letters, digits and single underscores, as in `acme`.",
        ),
        (
            ("default_currency",),
            re.fullmatch(r"[a-z]{3,4}", config.default_currency),
            "must be a currency code in lower case, as in `usd`.",
        ),
        (
            ("id_retention_days",),
            35 <= config.id_retention_days <= 3650,
            "must be 35 to 3650: Stripe sends again for up to 30 days.",
        ),
        (
            ("stripe", "mode"),
            config.stripe.mode in (None, "live", "test", "both"),
            "must be live, test or both.",
        ),
    ]
    found = [(lines.get(path, 1), f"{'.'.join(path)} {text}") for path, ok, text in rules if not ok]
    for key in ("plans", "meters", "credit_reasons", "currencies"):
        names = tuple(getattr(config, key))
        if len(names) > 100 or len(set(names)) != len(names):
            found.append((lines.get((key,), 1), f"{key} must be distinct, 100 at most."))
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
                line = lines.get((key, name), lines.get((key,), 1))
                found.append((line, f"{key}: {name!r} must be letters, digits, '_', '-' or '.'."))
    return found
