"""`billing.yml`: what a deployment says about its billing, strictly checked."""

import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

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


_Path = tuple[str, ...]
_MAX_NAMES = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_MISFIT = object()


def read_config(path: Path, currencies: Container[str] | None = None) -> Config:
    """The configuration in `path`; a missing file means its defaults. Its currencies must be
    among `currencies`, if these are given.

    Raises SettingsError naming every fault with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {error}") from error
    content, lines = _parse(path, text)
    faults: list[tuple[_Path, str]] = []
    config = msgspec.convert(_fitting(content, Config, (), faults), Config)
    faults.extend(_broken_rules(config, content, currencies))
    if faults:
        told = sorted((_line(where, lines), ".".join(where), what) for where, what in faults)
        raise SettingsError("\n".join(f"{path}:{line}: {key}: {what}" for line, key, what in told))
    return config


def _parse(path: Path, text: str) -> tuple[dict[Any, Any], dict[_Path, int]]:
    """The file's content, and the line of everything in it. Raises SettingsError."""
    try:
        lines = _lines(yaml.compose(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "it isn't YAML"
        raise SettingsError(f"{path}:{line}: {problem}. Mend the YAML there.") from error
    except RecursionError as error:
        raise SettingsError(f"{path}:1: it is nested without end. Mend the YAML.") from error
    if content is None:
        return {}, lines
    if not isinstance(content, dict):
        raise SettingsError(f"{path}:1: must be keys with values, as in `namespace: acme`.")
    return content, lines


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


def _line(where: _Path, lines: dict[_Path, int]) -> int:
    """The line of what stands there, or of the next that holds it."""
    return next(lines[where[:end]] for end in range(len(where), -1, -1) if where[:end] in lines)


def _fitting(value: Any, type_: Any, where: _Path, faults: list[tuple[_Path, str]]) -> Any:
    """`value` without what doesn't fit `type_`, which is added to `faults`."""
    if isinstance(value, dict) and (fields := _fields(type_, value)) is not None:
        kept = {}
        for key, inner in value.items():
            place = (*where, str(key))
            if not isinstance(key, str):
                faults.append((place, "must be text: put it in quotes."))
            elif key not in fields:
                faults.append((place, "there is no such key. Remove it or mend its name."))
            elif (fit := _fitting(inner, fields[key], place, faults)) is not _MISFIT:
                kept[key] = fit
        return kept
    if isinstance(value, list) and get_origin(type_) is tuple:
        fits = [
            _fitting(inner, get_args(type_)[0], (*where, str(index)), faults)
            for index, inner in enumerate(value)
        ]
        return [fit for fit in fits if fit is not _MISFIT]
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        faults.append((where, f"{error}. Mend its value; see docs/settings.md."))
        return _MISFIT


def _fields(type_: Any, value: dict[Any, Any]) -> dict[str, Any] | None:
    """The types of the keys that a mapping may have; None where no mapping is wanted."""
    if get_origin(type_) is dict:
        return dict.fromkeys((key for key in value if isinstance(key, str)), get_args(type_)[1])
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return {field.name: field.type for field in msgspec.structs.fields(type_)}
    return None


def _broken_rules(
    config: Config, content: dict[Any, Any], currencies: Container[str] | None
) -> Iterator[tuple[_Path, str]]:
    if not re.fullmatch(r"([a-z][a-z0-9]*(_[a-z0-9]+)*)?", config.namespace):
        yield ("namespace",), "must be lower case letters, digits and single underscores."
    if not 35 <= config.id_retention_days <= 3650:
        yield ("id_retention_days",), "must be 35 to 3650: Stripe sends again for up to 30 days."
    if config.stripe.mode not in (None, "live", "test", "both"):
        yield ("stripe", "mode"), "must be live, test or both."
    for key in ("plans", "meters", "credit_reasons", "currencies"):
        names = _names(content, key)
        if len({name.lower() for name in names.values()}) < len(names):
            yield (key,), "must be distinct, whatever their case."
        if len(names) > _MAX_NAMES:
            yield (key,), f"must be {_MAX_NAMES} at most."
        for where, name in names.items():
            if not _NAME.fullmatch(name):
                yield where, f"{name!r} must be 1 to 63 letters, digits, '_', '-' or '.'."
    yield from _unknown_currencies(config, content, currencies)


def _unknown_currencies(
    config: Config, content: dict[Any, Any], currencies: Container[str] | None
) -> Iterator[tuple[_Path, str]]:
    codes: dict[_Path, str] = {("default_currency",): config.default_currency}
    codes |= _names(content, "currencies")
    for where, code in codes.items():
        if not re.fullmatch(r"[a-z]{3,4}", code) or not (currencies is None or code in currencies):
            yield where, f"{code!r} is not a currency's code in lower case, as in usd."


def _names(content: dict[Any, Any], key: str) -> dict[_Path, str]:
    """The names in a list, or of the keys, by where they stand."""
    value = content.get(key)
    if isinstance(value, dict):
        return {(key, name): name for name in value if isinstance(name, str)}
    listed = value if isinstance(value, list) else []
    return {(key, str(at)): name for at, name in enumerate(listed) if isinstance(name, str)}
