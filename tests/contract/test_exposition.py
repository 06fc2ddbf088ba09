"""The exposition against prometheus-client, its parsers, promtool, and the catalogue."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from exporter.catalogue.book import METRICS, Catalogue
from exporter.catalogue.currencies import CURRENCIES
from exporter.catalogue.events import APP_KINDS
from exporter.catalogue.labels import CURRENCY
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.model import Increment, Metric, Series
from exporter.catalogue.own_metrics import BUILD_INFO, OWN_METRICS
from exporter.catalogue.process_metrics import PROCESS_METRICS
from exporter.catalogue.usage_metrics import TOP_USAGE
from exporter.exposition import OPENMETRICS, TEXT, Exposition
from exporter.ledger.embedded import EmbeddedServer
from exporter.totals import Totals
from tests.support.database import new_database
from tests.support.exporter import ExporterProcess, running_exporter
from tests.support.reference_exposition import ReferenceCollector
from tests.support.stripe_table import own_events
from tests.support.telemetry import now_text, usage
from tests.support.tools import find_tool

CATALOGUE = Catalogue()
SEED_NAMES = (
    "rsolv_billing_subscription_created_total",
    "rsolv_billing_payment_processed_total",
    "rsolv_billing_stripe_webhook_received_total",
    "rsolv_billing_usage_tracked_total",
    "rsolv_billing_credits_added_total",
)
AMOUNTS = st.integers(0, 10**19) | st.sampled_from(
    [1, 99, 100, 10**6, 999_999, 10**7, 10**8 + 1, 12_345_678_901, 10**15 + 3, 2**53 + 1, 10**30]
)
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def increments(draw: st.DrawFn) -> tuple[Metric, Increment]:
    """A share of any metric; its labels within their sets, or any text but for the currency."""
    metric = draw(st.sampled_from(METRICS))
    labels = tuple(
        draw(st.sampled_from(CURRENCIES) if label is CURRENCY else _label_text(label.values))
        for label in metric.labels
    )
    part = draw(st.integers(0, len(metric.bounds) + 1)) if metric.bounds else 0
    sign = draw(st.sampled_from([1, -1])) if metric.kind == "gauge" else 1
    return metric, Increment(Series(metric.name, labels, part), sign * draw(AMOUNTS))


def _label_text(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return (st.sampled_from(values) | ANY_TEXT) if values else ANY_TEXT


@settings(max_examples=40)
@given(st.lists(increments(), max_size=30), st.sampled_from(["", "rsolv", "a_1"]))
def test_it_writes_to_the_byte_what_prometheus_client_writes(
    shares: list[tuple[Metric, Increment]], namespace: str
) -> None:
    ledger, own = Totals(CATALOGUE, EVENT_METRICS), Totals(CATALOGUE, OWN_METRICS)
    for metric, (series, amount) in shares:
        if metric.kind == "gauge":
            own.set(metric, series.labels, amount)
        else:
            (ledger if metric.ledger else own).add([Increment(series, amount)])
    exposition = Exposition(namespace)
    reference = ReferenceCollector(
        namespace, {metric: ledger if metric.ledger else own for metric in METRICS}
    )
    assert exposition.render(TEXT, ledger, own) == reference.text()
    assert exposition.render(OPENMETRICS, ledger, own) == reference.openmetrics()
    without = ReferenceCollector(namespace, dict.fromkeys(OWN_METRICS, own))
    assert exposition.render(TEXT, None, own) == without.text()
    assert exposition.render(OPENMETRICS, None, own) == without.openmetrics()


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_any_label_value_comes_back_from_both_parsers(version: str, replica: str) -> None:
    own = Totals(CATALOGUE, [BUILD_INFO])
    own.set(BUILD_INFO, (version, replica), 1)
    exposition = Exposition(metrics=[BUILD_INFO])
    labels = {"version": version, "replica": replica}
    text = exposition.render(TEXT, None, own).decode()
    (family,) = text_string_to_metric_families(text)
    assert [sample.labels for sample in family.samples] == [labels]
    text = exposition.render(OPENMETRICS, None, own).decode()
    (family,) = openmetrics.text_string_to_metric_families(text)
    assert [sample.labels for sample in family.samples] == [labels]


def test_series_that_are_gone_are_forgotten_though_their_names_never_end() -> None:
    own = Totals(CATALOGUE, [TOP_USAGE])
    exposition = Exposition(metrics=[TOP_USAGE])
    alive = []
    for number in range(500):
        own.replace(TOP_USAGE, {(f"org-{number}", "fix"): number, ("acme", "fix"): 1_500_000})
        text = exposition.render(TEXT, None, own).decode()
        assert text.count("\nbilling_top_organization_usage_ratio{") == 2
        alive.append(sum(len(rendered) for rendered in exposition._rendered.values()))
    assert 'organization_id="acme"} 1.5' in text
    assert max(alive) < 150


@pytest.fixture(scope="module")
def busy(
    postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExporterProcess]:
    """An exporter that counted every kind of event, an app's and Stripe's, one that has a label
    of its own, and one that could not be translated.
    """
    bodies = list(own_events().values())
    accounts = sorted({body["account"] for body in bodies if body.get("account")})
    folder = tmp_path_factory.mktemp("busy")
    (folder / "billing.yml").write_text(json.dumps({"stripe": {"accounts": accounts}}))
    with new_database(postgres) as url, running_exporter(folder, url) as exporter:
        events = [{**kind.example, "occurred_at": now_text()} for kind in APP_KINDS]
        events.append(usage(plan="plan of its own"))
        assert exporter.send_events(events).json()["accepted"] == len(events)
        for body in (*bodies, {**bodies[0], "id": "evt_x", "type": "invoice.paid"}):
            assert exporter.send_stripe(body).ok
        yield exporter


def families_of(exporter: ExporterProcess, accept: str) -> dict[str, Any]:
    """The families of a scrape by name, read by the strict parser of their format."""
    answer = exporter.session.get(f"{exporter.url}/metrics", headers={"Accept": accept}, timeout=10)
    is_openmetrics = "openmetrics" in answer.headers["content-type"]
    read = (
        openmetrics.text_string_to_metric_families
        if is_openmetrics
        else text_string_to_metric_families
    )
    return {family.name: family for family in read(answer.text)}


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_every_metric_is_in_the_scrape_and_nothing_else_is(
    busy: ExporterProcess, accept: str
) -> None:
    families = families_of(busy, accept)
    declared = {metric.name.removesuffix("_total"): metric for metric in METRICS}
    assert families.keys() == declared.keys()
    for name, family in families.items():
        assert family.type == declared[name].kind
        assert family.documentation == declared[name].help


def test_every_sample_has_the_declared_labels_and_their_values(busy: ExporterProcess) -> None:
    declared = {metric.name.removesuffix("_total"): metric for metric in METRICS}
    seen = 0
    for name, family in families_of(busy, TEXT).items():
        metric = declared[name]
        for sample in family.samples:
            labels = dict(sample.labels)
            if sample.name.endswith("_bucket"):
                bound = labels.pop("le")
                assert bound == "+Inf" or float(bound) in metric.bounds
            assert tuple(sorted(labels)) == tuple(sorted(metric.label_names)), sample
            for label in metric.labels:
                if metric is not BUILD_INFO:
                    assert labels[label.name] in CATALOGUE.exposed_values(label), sample
            seen += 1
    assert seen > 1_000


def test_every_metric_of_events_was_moved_by_the_examples(busy: ExporterProcess) -> None:
    """Else the two tests above would say less than they seem to."""
    moved = {
        name
        for name, family in families_of(busy, TEXT).items()
        if any(sample.value for sample in family.samples)
    }
    still = {metric.name.removesuffix("_total") for metric in EVENT_METRICS} - moved
    assert still == set()


def test_promtool_finds_nothing_to_say_about_the_scrape(busy: ExporterProcess) -> None:
    scrape = busy.session.get(f"{busy.url}/metrics", timeout=10).content
    checked = subprocess.run(
        [find_tool("promtool"), "check", "metrics"],
        input=scrape,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_with_a_namespace_every_name_begins_with_it(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "main"
    folder.mkdir()
    (folder / "billing.yml").write_text("namespace: rsolv\n")
    with running_exporter(folder, database_url) as exporter:
        text = exporter.session.get(f"{exporter.url}/metrics", timeout=10).text
        names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
        standard = {metric.name for metric in PROCESS_METRICS}
        assert names == standard | {
            f"rsolv_{metric.name}" for metric in METRICS if metric.name not in standard
        }
        samples = {line.split()[0] for line in text.splitlines() if not line.startswith("#")}
        assert {name for name in samples if not name.startswith("rsolv_billing_")} == standard
        for name in SEED_NAMES:
            assert re.search(rf"^# TYPE {name} counter$", text, re.MULTILINE)
        event = next(kind.example for kind in APP_KINDS if kind.name == "payment_processed")
        assert exporter.send_events({**event, "occurred_at": now_text()}).ok
        assert exporter.scrape().total("rsolv_billing_payment_processed_total") == 1
