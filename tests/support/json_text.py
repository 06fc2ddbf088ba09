"""JSON texts of every spelling, and what they hold, by a reader that shares nothing with ours."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

# Quotes, colons and backslashes most of all: what a reader that only counts trips over.
_TEXT = st.text(st.sampled_from('a":\\\n\u00e9\U0001f4a3u0022'), max_size=4)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | _TEXT


@dataclass(frozen=True)
class Pairs:
    """An object as it is written: keys may stand twice."""

    pairs: tuple[tuple[str, Any], ...]


TREES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.tuples(_TEXT, inner), max_size=4).map(lambda pairs: Pairs(tuple(pairs)))
    ),
    max_leaves=12,
)


@st.composite
def spellings(draw: st.DrawFn, tree: Any) -> str:
    """A text of the tree, its spaces and escapes chosen at random."""
    gaps = st.sampled_from(["", "", "", " ", "\n", "\t", " \r\n "])

    def character(char: str) -> str:
        short = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}
        style = draw(st.integers(0, 5))
        if style == 0 and ord(char) < 0x10000:
            return f"\\u{ord(char):04x}"
        if style == 1 and ord(char) < 0x10000:
            return f"\\u{ord(char):04X}"
        return short.get(char, char)

    def string(text: str) -> str:
        return f'"{"".join(map(character, text))}"'

    def write(value: Any) -> str:
        if isinstance(value, Pairs):
            items = [
                f"{draw(gaps)}{string(key)}{draw(gaps)}:{draw(gaps)}{write(inner)}{draw(gaps)}"
                for key, inner in value.pairs
            ]
            return f"{{{','.join(items)}}}"
        if isinstance(value, list):
            return f"[{','.join(draw(gaps) + write(inner) + draw(gaps) for inner in value)}]"
        if isinstance(value, str):
            return string(value)
        words = {"None": "null", "True": "true", "False": "false"}
        return words.get(str(value), str(value))

    return f"{draw(gaps)}{write(tree)}{draw(gaps)}"


def has_key_twice(tree: Any) -> bool:
    """Whether any object of the tree has the same key twice."""
    if isinstance(tree, Pairs):
        keys = [key for key, _ in tree.pairs]
        return len(set(keys)) < len(keys) or any(has_key_twice(value) for _, value in tree.pairs)
    return isinstance(tree, list) and any(map(has_key_twice, tree))


def plain(tree: Any) -> Any:
    """The tree as Python's own values; of a repeated key the last."""
    if isinstance(tree, Pairs):
        return {key: plain(value) for key, value in tree.pairs}
    return list(map(plain, tree)) if isinstance(tree, list) else tree
