"""Arrays built by hand are to PostgreSQL what psycopg's own are."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.ledger.arrays import bigints, byteas, texts
from exporter.ledger.connection import connect

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=1100)
_QUERY = b"SELECT %b::text[], %b::bytea[], %b::bigint[]"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(_TEXT, max_size=5),
    st.lists(st.binary(max_size=1100), max_size=5),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
)
async def test_what_is_sent_comes_back(
    database_url: str, words: list[str], blobs: list[bytes], numbers: list[int]
) -> None:
    async with await connect(database_url) as connection:
        arrays: Any = (texts(words), byteas(blobs), bigints(numbers))
        cursor = await connection.execute(_QUERY, arrays)
        assert await cursor.fetchone() == (words, blobs, numbers)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_past_64_bits_is_refused_as_the_server_would(number: int) -> None:
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        bigints([1, number])


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        texts(["a", "\ud800"])
