"""What every refused request has in common."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from prometheus_client.openmetrics import parser as openmetrics

from tests.support.exporter import ExporterProcess
from tests.support.telemetry import payment

EVENTS = "/api/v1/events"
STRIPE = "/api/webhooks/stripe"
_REJECTED = "billing_stripe_webhook_rejected_total"
_AUTH_FAILURES = "billing_auth_failures_total"
_NEVER_FALLING = ("_total", "_bucket", "_sum", "_count")
# What the exporter counts of itself, whether anybody asks it something or not.
_BY_ITSELF = (
    "process_",
    "billing_event_loop_lag_seconds",
    "billing_monitor_duration_seconds",
    "billing_pool_",
    "billing_query_duration_seconds",
)


def assert_problem(answer: requests.Response, status: int, path: str) -> dict[str, Any]:
    """The problem that the answer is; all that every problem has is there."""
    sent = str(answer.request.body)[:200]
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]} for {sent}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() - {"errors"} == {
        "type",
        "title",
        "status",
        "detail",
        "remedy",
        "instance",
    }
    assert problem["type"].startswith("urn:billing-exporter:problem:")
    assert problem["status"] == status
    assert problem["instance"] == path
    assert all(problem[text] for text in ("title", "detail", "remedy"))
    for error in problem.get("errors", ()):
        assert error.keys() == {"position", "reason", "remedy"}
        assert error["reason"]
        assert error["remedy"]
    return problem


def assert_events_refused(answer: requests.Response, *positions: int) -> list[dict[str, Any]]:
    """The errors of an answer that refuses exactly the events in these places of a batch."""
    problem = assert_problem(answer, 422, EVENTS)
    errors: list[dict[str, Any]] = problem["errors"]
    assert [error["position"] for error in errors] == list(positions)
    return errors


@contextlib.contextmanager
def nothing_counted(
    exporter: ExporterProcess, auth_failures: Mapping[str, int] | None = None, **rejections: int
) -> Iterator[None]:
    """No counter rises within, but for requests rejected from the Stripe route by their reason,
    and for their key by theirs. Afterwards the next good event is taken, both formats parse, and
    no fault was logged.
    """
    before = _counters(exporter)
    yield
    after = _counters(exporter)
    assert {
        series: rise for series in after if (rise := after[series] - before.get(series, 0))
    } == {
        **{f'{_REJECTED}{{reason="{reason}"}}': count for reason, count in rejections.items()},
        **{
            f'{_AUTH_FAILURES}{{reason="{reason}"}}': count
            for reason, count in (auth_failures or {}).items()
        },
    }
    assert_takes_events(exporter)
    assert "a request failed" not in exporter.log


def assert_takes_events(exporter: ExporterProcess) -> None:
    """A good event counts once, and both formats parse."""
    answer = exporter.send_events(payment())
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    exporter.scrape()
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    metrics = exporter.session.get(f"{exporter.url}/metrics", headers=accept, timeout=10)
    assert metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert list(openmetrics.text_string_to_metric_families(metrics.text))


def _counters(exporter: ExporterProcess) -> dict[str, float]:
    """Whatever may never fall and moves for a request alone, by the text of its series; not
    parsed strictly, for speed.
    """
    answer = exporter.session.get(f"{exporter.url}/metrics", timeout=10)
    samples = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")
    return {
        series: float(value)
        for series, value in samples
        if series.partition("{")[0].endswith(_NEVER_FALLING) and not series.startswith(_BY_ITSELF)
    }
