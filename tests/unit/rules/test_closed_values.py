"""Rules that name buckets and codes name such as there are."""

import pytest

from exporter.catalogue.bounds import CREDITS
from exporter.catalogue.codes import PAYMENT_FAILURE_CODES
from exporter.exposition import go_float
from exporter.settings import Config
from exporter.settings.alerts_yml import AlertsConfig, broken_alerts
from exporter.settings.thresholds import Threshold
from exporter.settings.thresholds.grants import GRANT_HUGE, GRANT_LARGE, SIZES
from rules.alerts import grants
from rules.alerts.objectives import OWN_FAILURE_CODES
from rules.build import terms_of


def test_sizes_of_grants_are_bounds_that_are_exposed_as_the_rules_ask_for_them() -> None:
    assert set(SIZES) <= set(CREDITS)
    for size in SIZES:
        config = Config(alerts=AlertsConfig(thresholds={GRANT_HUGE.name: size}))
        assert f'le=~"{go_float(size)[:-2]}(\\\\.0)?"' in grants.HUGE.query.render(terms_of(config))
        assert go_float(size).endswith(".0")


@pytest.mark.parametrize("threshold", [GRANT_LARGE, GRANT_HUGE], ids=lambda one: one.name)
def test_a_size_between_two_buckets_is_refused(threshold: Threshold) -> None:
    def refusals(credits_at_once: float) -> list[str]:
        config = AlertsConfig(thresholds={threshold.name: credits_at_once})
        return [text for _, text in broken_alerts(config)]

    assert refusals(2500) == []
    (text,) = refusals(2000)
    assert text.startswith("must be one of 250, 500, 1000, 2500")


def test_the_errors_that_are_our_own_are_codes_that_are_counted() -> None:
    assert set(OWN_FAILURE_CODES) < set(PAYMENT_FAILURE_CODES)
    for theirs in ("insufficient_funds", "do_not_honor", "authentication_required"):
        assert theirs not in OWN_FAILURE_CODES
