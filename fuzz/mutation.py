"""Changes of JSON that keep it JSON, so that they get past the parser, and of bytes that don't."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    10**12,
    10**12 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    2**64,
    10**30,
    10**400,
    0.5,
    -0.0,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\0",
    "\ud800",
    "\U0001f4a3",
    "x" * 255,
    "x" * 256,
    "é" * 300,
    "2026-01-31T12:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    [],
    {},
    [[]],
    [None],
    {"data": [None, {}]},
    {"id": []},
)


class Mutator:
    """`words` are the texts and keys that may be put in."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def change(self, raw: bytes, rng: random.Random) -> bytes:
        """A few changes of `raw`, as JSON where it is that, else of its bytes."""
        try:
            value = json.loads(raw)
            text = json.dumps(self.change_value(value, rng), ensure_ascii=rng.random() < 0.9)
            return text.encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            return change_bytes(raw, rng)

    def change_value(self, value: Any, rng: random.Random) -> Any:
        """`value` with one to four places changed; it is itself left as it is."""
        root = [copy.deepcopy(value)]
        for _ in range(rng.randint(1, 4)):
            holder, key = rng.choice(list(_places(root)))
            self._change_place(holder, key, rng)
            if not root:
                return self._odd(rng)
        return root[0]

    def _change_place(self, holder: Any, key: Any, rng: random.Random) -> None:
        way = rng.randrange(6)
        if way == 0:
            del holder[key]
        elif way == 1:
            holder[key] = self._odd(rng)
        elif way == 2 and isinstance(holder, dict):
            holder[rng.choice(self._words)] = copy.deepcopy(holder[key])
        elif way == 3 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif way == 4 and type(holder[key]) is int:
            holder[key] += rng.choice((-1, 1, 1000, -holder[key], -2 * holder[key] - 1))
        else:
            holder[key] = rng.choice(self._words)

    def _odd(self, rng: random.Random) -> Any:
        return copy.deepcopy(rng.choice(_ODD))


def change_bytes(raw: bytes, rng: random.Random) -> bytes:
    """`raw` with one to eight bytes changed, a piece cut out, or one doubled."""
    changed = bytearray(raw or b"\0")
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.choice((0, 10, 34, 255, rng.randrange(256)))
    begin, end = sorted(rng.randrange(len(changed) + 1) for _ in range(2))
    way = rng.randrange(4)
    if way == 0:
        del changed[begin:end]
    elif way == 1:
        changed[begin:begin] = changed[begin:end]
    return bytes(changed)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place where something can be changed."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
