"""The catalogue's self-checks: each catches its fault, and the shipped catalogue has none."""

from dataclasses import replace

import pytest

from exporter.catalogue import labels as l
from exporter.catalogue import metrics as m
from exporter.catalogue import policy
from exporter.catalogue.accounting import ACCOUNTING
from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.events import KINDS, Kind
from exporter.catalogue.model import Label, Metric
from exporter.catalogue.usage_metrics import ORGANIZATION
from exporter.settings import Config
from exporter.settings.usage_yml import UsageConfig
from exporter.wiring import make_catalogue

COUNTER = Metric("billing_test_total", "counter", "A test.", "events")
GAUGE = Metric("billing_test", "gauge", "A test.", "things", ledger=False)
HISTOGRAM = Metric(
    "billing_test_seconds", "histogram", "A test.", "seconds", bounds=(0.1, 1.0), scale="micro"
)
WIDE = Label("wide", tuple(f"value{number}" for number in range(800)), "Many values.")
WIDER = Label("wider", tuple(f"value{number}" for number in range(800)), "Many values.")

BAD: dict[str, tuple[Metric, str]] = {
    "no prefix": (
        replace(COUNTER, name="test_total"),
        "test_total: a metric's name is billing_… in lower case with single underscores.",
    ),
    "capitals": (
        replace(COUNTER, name="billing_Test_total"),
        "billing_Test_total: a metric's name is billing_… in lower case with single underscores.",
    ),
    "two underscores": (
        replace(COUNTER, name="billing__test_total"),
        "billing__test_total: a metric's name is billing_… in lower case with single underscores.",
    ),
    "a counter without its ending": (
        replace(COUNTER, name="billing_test"),
        "billing_test: a counter's name ends in _total.",
    ),
    "a gauge with a counter's ending": (
        replace(GAUGE, name="billing_test_total"),
        "billing_test_total: only a counter's name ends in _total.",
    ),
    "the time of creation": (
        replace(GAUGE, name="billing_test_created"),
        "billing_test_created: the ending is reserved for samples of other families.",
    ),
    "a bucket": (
        replace(GAUGE, name="billing_test_bucket"),
        "billing_test_bucket: the ending is reserved for samples of other families.",
    ),
    "a count": (
        replace(GAUGE, name="billing_test_count"),
        "billing_test_count: the ending is reserved for samples of other families.",
    ),
    "a sum": (
        replace(GAUGE, name="billing_test_sum"),
        "billing_test_sum: the ending is reserved for samples of other families.",
    ),
    "milliseconds": (
        replace(HISTOGRAM, name="billing_test_milliseconds"),
        "billing_test_milliseconds: use base units (seconds, bytes, ratio, whole currency units).",
    ),
    "cents": (
        replace(COUNTER, name="billing_test_cents_total"),
        "billing_test_cents_total: use base units (seconds, bytes, ratio, whole currency units).",
    ),
    "percent": (
        replace(GAUGE, name="billing_test_percent"),
        "billing_test_percent: use base units (seconds, bytes, ratio, whole currency units).",
    ),
    "a time that does not say so": (
        replace(HISTOGRAM, name="billing_test_duration"),
        "billing_test_duration: a time is named _seconds, and a ratio ends in _ratio.",
    ),
    "falling bounds": (
        replace(HISTOGRAM, bounds=(1.0, 0.1)),
        "billing_test_seconds: bounds must rise.",
    ),
    "a bound twice": (
        replace(HISTOGRAM, bounds=(1.0, 1.0)),
        "billing_test_seconds: bounds must rise.",
    ),
    "a histogram without bounds": (
        replace(HISTOGRAM, bounds=()),
        "billing_test_seconds: a histogram has bounds, and nothing else does.",
    ),
    "a counter with bounds": (
        replace(COUNTER, bounds=(1.0,)),
        "billing_test_total: a histogram has bounds, and nothing else does.",
    ),
    "a help that is no sentence": (
        replace(COUNTER, help="a test"),
        "billing_test_total: the help is a sentence and ends with a full stop.",
    ),
    "money without its currency": (
        replace(COUNTER, scale="minor"),
        "billing_test_total: money needs the label currency.",
    ),
    "a label in capitals": (
        replace(COUNTER, labels=(Label("Plan", ("a",), "A plan."),)),
        "billing_test_total: Plan can't be a label's name.",
    ),
    "a reserved label": (
        replace(COUNTER, labels=(Label("le", ("a",), "A bound."),)),
        "billing_test_total: le can't be a label's name.",
    ),
    "the scrape's own label": (
        replace(COUNTER, labels=(Label("instance", ("a",), "A target."),)),
        "billing_test_total: instance can't be a label's name.",
    ),
    "customers as a label": (
        replace(COUNTER, labels=(Label("customer_id", ("a",), "A customer."),)),
        "billing_test_total: customer_id has no bound; it can't be a label.",
    ),
    "organisations as a label": (
        replace(COUNTER, labels=(Label("organization_id", ("a",), "An organisation."),)),
        "billing_test_total: organization_id has no bound; it can't be a label.",
    ),
    "organisations of which nobody says how many": (
        replace(GAUGE, labels=(replace(ORGANIZATION, configured=None),)),
        "billing_test: organization_id has no bound; it can't be a label.",
    ),
    "a label twice": (
        replace(COUNTER, labels=(l.PLAN, l.PLAN)),
        "billing_test_total: a label stands twice.",
    ),
    "a standard metric that isn't one": (
        replace(GAUGE, name="process_threads", standard=True),
        "process_threads: no standard metric of every process is a gauge like that.",
    ),
    "a standard metric of another type": (
        replace(GAUGE, name="process_cpu_seconds_total", standard=True),
        "process_cpu_seconds_total: no standard metric of every process is a gauge like that.",
    ),
    "a standard metric with a label": (
        replace(GAUGE, name="process_open_fds", labels=(l.PLAN,), standard=True),
        "process_open_fds: no standard metric of every process is a gauge like that.",
    ),
    "a standard name without the mark": (
        replace(GAUGE, name="process_open_fds"),
        "process_open_fds: a metric's name is billing_… in lower case with single underscores.",
    ),
    "too many series at 0": (
        replace(COUNTER, labels=(WIDE,), zero=True),
        "billing_test_total: 801 series at 0 are too many (700); narrow it or zero=False.",
    ),
}


def test_the_shipped_catalogue_has_no_fault() -> None:
    assert policy.check() == []


@pytest.mark.parametrize("metric", [COUNTER, GAUGE, HISTOGRAM], ids=lambda metric: metric.kind)
def test_a_good_metric_more_has_no_fault(metric: Metric) -> None:
    assert policy.check([*METRICS, metric]) == []


@pytest.mark.parametrize("name", BAD)
def test_each_fault_of_a_metric_is_told(name: str) -> None:
    metric, sentence = BAD[name]
    assert sentence in policy.check([*METRICS, metric])


def test_a_name_that_is_declared_twice_is_told() -> None:
    findings = policy.check([*METRICS, COUNTER, replace(COUNTER, help="Another.")])
    assert findings == ["billing_test_total: declared 2 times."]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (COUNTER, GAUGE, "billing_test: billing_test belongs to billing_test_total already."),
        (
            replace(HISTOGRAM, name="billing_x_seconds"),
            replace(GAUGE, name="billing_x_seconds_sum"),
            "billing_x_seconds_sum: billing_x_seconds_sum belongs to billing_x_seconds already.",
        ),
        (
            replace(COUNTER, name="billing_subscription_created_total"),
            replace(COUNTER, name="billing_subscription_total"),
            (
                "billing_subscription_total: billing_subscription_created belongs to "
                "billing_subscription_created_total already."
            ),
        ),
    ],
)
def test_families_whose_samples_collide_are_told(
    first: Metric, second: Metric, sentence: str
) -> None:
    """The third: what a counter's time of creation would be called is another counter's family."""
    assert sentence in policy.check([first, second])


def test_a_catalogue_beyond_its_budget_of_series_is_told() -> None:
    many = replace(COUNTER, labels=(WIDE, WIDER), cap=40_000)
    worst = policy.worst_case(Catalogue()) + 40_000
    assert policy.check([*METRICS, many]) == [
        f"The worst case is {worst} series; the budget is {policy.SERIES_BUDGET}."
    ]


def test_the_shipped_worst_case_is_within_the_budget_and_the_cap_counts() -> None:
    catalogue = Catalogue()
    assert 0 < policy.worst_case(catalogue) <= policy.SERIES_BUDGET
    narrow = replace(COUNTER, labels=(WIDE, WIDER), cap=7)
    assert catalogue.worst_case(narrow) == 7
    assert catalogue.worst_case(replace(COUNTER, labels=(WIDE,))) == 801
    assert catalogue.worst_case(HISTOGRAM) == 5  # two bounds, +Inf, count and sum


def test_single_organisations_have_as_many_series_as_are_configured() -> None:
    few = replace(GAUGE, labels=(ORGANIZATION, l.LIVEMODE), cap=50)
    assert policy.check([*METRICS, few]) == []
    places = tuple(str(place) for place in range(20))
    assert Catalogue().worst_case(few) == 0
    assert Catalogue({"usage.top_organizations": places}).worst_case(few) == 40
    assert Catalogue({"usage.top_organizations": places * 2}).worst_case(few) == 50


def test_the_most_organisations_that_can_be_configured_are_within_the_budget() -> None:
    config = Config(usage=UsageConfig(top_organizations=50))
    assert policy.check(catalogue=make_catalogue(config, (True, False))) == []


def test_a_configuration_can_break_the_budget() -> None:
    plans = tuple(f"plan{number}" for number in range(100))
    findings = policy.check(catalogue=Catalogue({"plans": plans}))
    assert [finding for finding in findings if "series at 0 are too many" in finding]


def test_a_kind_without_accounting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "KINDS", (*KINDS, Kind("unheard_of", "Unheard of.")))
    assert policy.check() == ["unheard_of: an event kind without a row in the accounting table."]


def test_accounting_without_a_kind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "ACCOUNTING", {**ACCOUNTING, "unheard_of": ()})
    assert policy.check() == ["unheard_of: a row in the accounting table without an event kind."]


def test_a_metric_that_is_counted_on_and_not_declared_is_told() -> None:
    findings = policy.check([metric for metric in METRICS if metric is not m.PAYOUT_PAID])
    assert findings == [
        "payout_paid: counts on billing_payout_paid_total, which is not in the catalogue."
    ]
