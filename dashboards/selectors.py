"""What a PromQL expression selects and over which windows, read from its text."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TEXT = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_TOKEN = re.compile(
    rf"""
    (?P<text>{_TEXT})
  | (?P<variable>\$\w+|\$\{{\w+\}})
  | (?P<labels>\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\))
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?P<matchers>\s*\{{(?:[^"'{{}}]|{_TEXT})*\}})?
  | \[(?P<window>[^\]]*)\]
  | (?P<number>[0-9][0-9a-zA-Z.]*)
    """,
    re.VERBOSE,
)
_KEYWORDS = frozenset(("and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end"))


class Selector(NamedTuple):
    """A metric's name as it is written, and its matchers: `job=~"$job"`."""

    name: str
    matchers: frozenset[str]


def read_selectors(expression: str) -> Iterator[Selector]:
    """Every one, in the order of the text."""
    for token in _TOKEN.finditer(expression):
        name = token["name"]
        if name is None or _is_function(expression, token) or name.lower() in _KEYWORDS:
            continue
        matchers = re.findall(rf"\w+\s*(?:=~|!~|!=|=)\s*{_TEXT}", token["matchers"] or "")
        yield Selector(name, frozenset(matcher.replace(" ", "") for matcher in matchers))


def read_windows(expression: str) -> Iterator[str]:
    """What stands in brackets after a selector."""
    for token in _TOKEN.finditer(expression):
        if token["window"] is not None:
            yield token["window"]


def _is_function(expression: str, token: re.Match[str]) -> bool:
    """A function, or an aggregation whose labels come first: `sum by (plan) (…)`."""
    if token["matchers"]:
        return False
    rest = expression[token.end() :]
    return re.match(r"\s*(\(|(by|without)\s*\()", rest) is not None
