"""Usage that Stripe could not meter."""

import pytest

from exporter.stripe_events.translate import translate
from tests.support.stripe_cases import default_plans, event, fact


@pytest.mark.parametrize(
    ("name", "kind"),
    [("meter_error_report_thin", "error_report"), ("meter_not_found_thin", "no_meter_found")],
)
def test_a_thin_event_of_a_meter_says_what_went_wrong(name: str, kind: str) -> None:
    found = fact(name)
    assert found.kind == "stripe_meter_error"
    assert found.attributes == {"kind": kind}
    assert found.livemode


def test_the_same_type_as_a_snapshot_is_not_one_that_stripe_sends() -> None:
    snapshot = event("v1.billing.meter.no_meter_found", {})
    assert translate(snapshot, default_plans()).events == ()
