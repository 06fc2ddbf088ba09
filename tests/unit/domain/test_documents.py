"""Documents: what a row of the ledger becomes as JSON."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.documents import document, time_text

ZONES = st.timezones() | st.just(UTC)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=ZONES)  # noqa: DTZ001


def test_keys_are_in_camel_case_at_every_depth() -> None:
    row = {"action_required": True, "data": [{"cost_minor": 1}, {"a": {"b_c_d": None}}]}
    assert document(row) == {
        "actionRequired": True,
        "data": [{"costMinor": 1}, {"a": {"bCD": None}}],
    }


def test_values_that_json_lacks_are_text() -> None:
    id_ = UUID(int=7)
    moment = datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2)))
    assert document({"id": id_, "at": moment}) == {"id": str(id_), "at": "2026-01-31T12:00:00Z"}


@given(TIMES)
def test_a_time_is_the_same_moment_in_utc(moment: datetime) -> None:
    text = time_text(moment)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == moment.astimezone(UTC)
    assert msgspec.json.encode(moment.astimezone(UTC)) == f'"{text}"'.encode()
