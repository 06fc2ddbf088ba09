"""What expressions are made of: spans of time as numbers, and buckets that exist."""

import re

import pytest

from exporter.catalogue.own_metrics import (
    DEAD_LETTER_OLDEST,
    DEAD_LETTERS,
    WEBHOOK_HANDLING_DURATION,
)
from exporter.settings import Config
from rules.buckets import above, up_to
from rules.build import terms_of
from rules.promql import Query, Seconds, minutes


@pytest.mark.parametrize(("compression", "seconds"), [(1, 300), (60, 5), (1000, 1)])
def test_a_span_as_a_number_shrinks_as_durations_do(compression: int, seconds: int) -> None:
    query = Query(
        "time() - @oldest > @limit",
        {"oldest": DEAD_LETTER_OLDEST, "limit": Seconds(minutes(5))},
    )
    text = query.render(terms_of(Config(), compression))
    assert text == f"time() - billing_dead_letter_oldest_timestamp_seconds > {seconds}"


def test_what_is_above_a_bound_is_all_that_is_not_in_its_bucket() -> None:
    given = {"took": WEBHOOK_HANDLING_DURATION, "window": minutes(30)}
    query = Query(above(WEBHOOK_HANDLING_DURATION, 1, "took", "source"), given)
    name = "billing_stripe_webhook_handling_duration_seconds"
    assert query.render(terms_of(Config())) == (
        f"sum by (source) (increase({name}_count[30m]))"
        f' - sum by (source) (increase({name}_bucket{{le="1.0"}}[30m]))'
    )


@pytest.mark.parametrize("metric", [WEBHOOK_HANDLING_DURATION, DEAD_LETTERS])
def test_a_bound_that_no_bucket_has_is_no_bound(metric: object) -> None:
    with pytest.raises(ValueError, match=re.escape("no bucket that ends at 1.5")):
        up_to(metric, 1.5)  # type: ignore[arg-type]
