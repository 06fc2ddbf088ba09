"""Scopes and identities."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.domain.access import ORGANIZATION_SCOPES, Identity, Scope, id_scope

ORGANIZATIONS = st.none() | st.text(st.sampled_from("ab:"), min_size=1, max_size=3)
# An unscoped key's sender could only collide by choosing such a source on purpose.
SOURCES = st.text(st.sampled_from("ab: /"), max_size=4)


@given(ORGANIZATIONS, SOURCES, ORGANIZATIONS, SOURCES)
def test_no_two_senders_share_their_ids(
    one: str | None, source: str, other: str | None, other_source: str
) -> None:
    same = (one, source) == (other, other_source)
    assert (id_scope(one, source) == id_scope(other, other_source)) is same


def test_a_key_that_is_bound_to_nobody_keeps_the_sources_of_cloudevents() -> None:
    assert id_scope(None) == ""
    assert id_scope(None, "/billing") == "/billing"


def test_what_acts_on_every_organisation_is_for_no_key_of_one() -> None:
    assert Scope.ADMIN not in ORGANIZATION_SCOPES
    assert Scope.ALERTMANAGER not in ORGANIZATION_SCOPES


def test_the_audit_log_names_a_key_by_name_and_id() -> None:
    assert Identity("app", frozenset(), key_id="0a1b").actor == "key app (0a1b)"
    assert Identity("nobody", frozenset()).actor == "nobody"
