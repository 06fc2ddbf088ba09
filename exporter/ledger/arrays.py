"""Columns of rows as PostgreSQL's binary arrays, built in one pass.

psycopg dumps a list element by element in Python, which costs more than the rows' own insert.
"""

import struct
from collections.abc import Sequence
from typing import ClassVar

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.errors import NumericValueOutOfRange
from psycopg.pq import Format

# Dimensions, whether an element is null, the elements' type, how many, the first index.
_HEADER = struct.Struct(">iiIii")
_EMPTY = struct.Struct(">iiI")
_LENGTH = struct.Struct(">i").pack
_BIGINT = struct.Struct(">iq").pack
_SHORT_LENGTHS = tuple(_LENGTH(length) for length in range(1024))


class _Array(bytes):
    """An array as PostgreSQL's `array_recv` reads it."""

    oid: ClassVar[int]
    element_oid: ClassVar[int]

    @classmethod
    def join_elements(cls, count: int, elements: list[bytes]) -> "_Array":
        if not count:
            return cls(_EMPTY.pack(0, 0, cls.element_oid))
        return cls(_HEADER.pack(1, 0, cls.element_oid, count, 1) + b"".join(elements))

    @classmethod
    def of_bytes(cls, values: Sequence[bytes]) -> "_Array":
        parts: list[bytes] = []
        for value in values:
            length = len(value)
            parts.append(_SHORT_LENGTHS[length] if length < 1024 else _LENGTH(length))
            parts.append(value)
        return cls.join_elements(len(values), parts)


class _TextArray(_Array):
    oid = 1009
    element_oid = 25


class _ByteaArray(_Array):
    oid = 1001
    element_oid = 17


class _BigintArray(_Array):
    oid = 1016
    element_oid = 20


def texts(values: Sequence[str]) -> _Array:
    """A `text[]`. Raises UnicodeEncodeError for half of a surrogate pair."""
    return _TextArray.of_bytes([value.encode() for value in values])


def byteas(values: Sequence[bytes]) -> _Array:
    """A `bytea[]`."""
    return _ByteaArray.of_bytes(values)


def bigints(values: Sequence[int]) -> _Array:
    """A `bigint[]`. Raises psycopg's NumericValueOutOfRange past 64 bits, as the server would."""
    try:
        elements = [_BIGINT(8, value) for value in values]
    except struct.error:
        raise NumericValueOutOfRange("bigint out of range") from None
    return _BigintArray.join_elements(len(elements), elements)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


def _dumper_of(array: type[_Array]) -> type[Dumper]:
    return type(f"{array.__name__}Dumper", (_ArrayDumper,), {"oid": array.oid})


def register_arrays(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Let a connection send them."""
    for array in (_TextArray, _ByteaArray, _BigintArray):
        connection.adapters.register_dumper(array, _dumper_of(array))
