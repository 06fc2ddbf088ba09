"""What stands in the runbooks: queries and commands, each with its place."""

import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.tree import PROJECT

PAGES = sorted((PROJECT / "rules" / "runbooks").glob("*.md"))
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
# All of an expression in which words are no names of metrics.
_ASIDE = re.compile(
    r"\{[^}]*\}|\[[^\]]*\]|\boffset\s+\w+"
    r"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
)
_NAME = re.compile(r"(?<![\w:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_OPERATORS = {"and", "or", "unless", "bool"}


class Block(NamedTuple):
    """One query, or one script; `place` is FILE:LINE of its first line."""

    place: str
    text: str


def queries() -> list[Block]:
    """Every query of every page."""
    return [*_blocks("promql")]


def scripts() -> list[Block]:
    """Every block of commands of every page."""
    return [*_blocks("sh")]


def names_in(query: str) -> set[str]:
    """The names of metrics in a query."""
    return {*_NAME.findall(_ASIDE.sub(" ", _STRING.sub("", query)))} - _OPERATORS


def _blocks(language: str) -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in _BLOCK.finditer(text):
            if found[1] == language:
                line = text.count("\n", 0, found.start(2)) + 1
                yield Block(f"{page.name}:{line}", textwrap.dedent(found[2]))
