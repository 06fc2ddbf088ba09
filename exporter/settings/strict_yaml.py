"""YAML that is read strictly into a record: every fault with its line."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

Place = tuple[str, ...]
Record = TypeVar("Record", bound=msgspec.Struct)
_MISFIT = object()
_MERGE = "tag:yaml.org,2002:merge"


class SettingsError(Exception):
    """Settings that can't be used; a line each, with where it stands and the remedy."""


class Document:
    """A YAML file of keys with values. `content` is all of it, `faults` what is wrong in it, by
    where it stands.
    """

    def __init__(self, path: Path, text: str, *, private: bool = False) -> None:
        """Raises SettingsError if it isn't YAML. What `private` YAML quotes is left out of it."""
        self._path = path
        self.faults: list[tuple[Place, str]] = []
        self.content, self._lines = _parse(path, text, private=private)

    def convert(self, type_: type[Record], remedy: str) -> Record:
        """The record, without what doesn't fit it, which is among the faults."""
        fit = _fitting(self.content, type_, (), self.faults, remedy)
        return msgspec.convert(fit, type_)

    def check(self, more: Sequence[tuple[Place, str]] = ()) -> None:
        """Raises SettingsError with every fault and its line, if there is any."""
        faults = [*self.faults, *more]
        if faults:
            told = sorted((self._line(at), _shown(".".join(at)), what) for at, what in faults)
            lines = [f"{self._path}:{line}: {key}: {what}" for line, key, what in told]
            raise SettingsError("\n".join(lines))

    def _line(self, where: Place) -> int:
        """The line of what stands there, or of the next that holds it."""
        ends = range(len(where), -1, -1)
        return next((self._lines[where[:end]] for end in ends if where[:end] in self._lines), 1)


def _shown(key: str) -> str:
    """The key as it fits into a line."""
    return key if key.isprintable() else ascii(key)


def _parse(path: Path, text: str, *, private: bool) -> tuple[dict[Any, Any], dict[Place, int]]:
    """The file's content, and the line of everything in it. Raises SettingsError."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = _lines(tree)
        for scalar in _scalars(tree):
            _demand_value(scalar)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "it isn't YAML"
        if private:
            problem = re.sub(r"'[^']*'|\"[^\"]*\"", "…", problem)
        raise SettingsError(f"{path}:{line}: {problem}. Mend the YAML there.") from (
            None if private else error
        )
    except RecursionError as error:
        raise SettingsError(f"{path}:1: it is nested without end. Mend the YAML.") from error
    if content is None:
        return {}, lines
    if not isinstance(content, dict):
        raise SettingsError(f"{path}:1: must be keys with values, as in `namespace: acme`.")
    return content, lines


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """Every value in it that holds no other."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from _scalars(part)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)


def _demand_value(scalar: yaml.ScalarNode) -> None:
    """A month 13 and a number of 5000 digits look like what they aren't."""
    try:
        if scalar.tag != _MERGE:
            yaml.constructor.SafeConstructor().construct_object(scalar)
    except (KeyError, ValueError):
        raise yaml.constructor.ConstructorError(
            None, None, "it isn't what it looks like: put it in quotes", scalar.start_mark
        ) from None


def _lines(node: yaml.Node | None, path: Place = ()) -> dict[Place, int]:
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


def _fitting(
    value: Any, type_: Any, where: Place, faults: list[tuple[Place, str]], remedy: str
) -> Any:
    """`value` without what doesn't fit `type_`, which is added to `faults`."""
    if isinstance(value, dict) and (fields := _fields(type_, value)) is not None:
        kept = {}
        for key, inner in value.items():
            place = (*where, str(key))
            if not isinstance(key, str):
                faults.append((place, "must be text: put it in quotes."))
            elif key not in fields:
                faults.append((place, "there is no such key. Remove it or mend its name."))
            elif (fit := _fitting(inner, fields[key], place, faults, remedy)) is not _MISFIT:
                kept[key] = fit
        required = _required(type_)
        faults += [
            ((*where, name), "is missing. Add it.") for name in required if name not in value
        ]
        return kept if kept.keys() >= required else _MISFIT
    if isinstance(value, list) and get_origin(type_) is tuple:
        fits = [
            _fitting(inner, get_args(type_)[0], (*where, str(index)), faults, remedy)
            for index, inner in enumerate(value)
        ]
        return [fit for fit in fits if fit is not _MISFIT]
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        faults.append((where, f"{error}. {remedy}"))
        return _MISFIT


def _fields(type_: Any, value: dict[Any, Any]) -> dict[str, Any] | None:
    """The types of the keys that a mapping may have; None where no mapping is wanted."""
    if get_origin(type_) is dict:
        return dict.fromkeys((key for key in value if isinstance(key, str)), get_args(type_)[1])
    if (record := _record(type_)) is None:
        return None
    return {field.name: field.type for field in msgspec.structs.fields(record)}


def _required(type_: Any) -> set[str]:
    """The keys that a mapping must have."""
    record = _record(type_)
    fields = msgspec.structs.fields(record) if record else ()
    return {field.name for field in fields if field.required}


def _record(type_: Any) -> type[msgspec.Struct] | None:
    """The record that is wanted, or one of several things that are."""
    is_union = get_origin(type_) in (Union, UnionType)
    for kind in get_args(type_) if is_union else (type_,):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return kind
    return None
