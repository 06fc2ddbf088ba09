"""Usage that Stripe could not meter; these come as thin events only."""

from exporter.catalogue.events import Event
from exporter.stripe_events.envelope import StripeEvent
from exporter.stripe_events.facts import Translator, fact
from exporter.stripe_events.plans import PlanNames


def _error_report(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (fact(event, "stripe_meter_error", kind="error_report"),)


def _no_meter_found(event: StripeEvent, _: PlanNames) -> tuple[Event, ...]:
    return (fact(event, "stripe_meter_error", kind="no_meter_found"),)


THIN_TRANSLATIONS: dict[str, Translator] = {
    "v1.billing.meter.error_report_triggered": _error_report,
    "v1.billing.meter.no_meter_found": _no_meter_found,
}
