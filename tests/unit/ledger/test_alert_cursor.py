"""The place in the list of alerts that a page ends at."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.billing_alerts import Cursor

TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(TIMES, st.uuids())
def test_it_is_read_as_it_was_written(created_at: datetime, id_: UUID) -> None:
    cursor = Cursor(created_at, id_)
    text = str(cursor)
    assert Cursor.read(text) == cursor
    assert text.isascii()
    assert not set(text) & set("+/=&?% ")


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Cursor.read(text)
