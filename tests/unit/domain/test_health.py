"""The score of health by its checks, and each check by what was measured."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.catalogue.usage_metrics import HEALTH_CHECK
from exporter.domain import health_checks as judge
from exporter.domain.health import POINTS, Check, CheckStatus, KeptCheck, Report, make_report
from exporter.domain.health_checks import StripeOutcome

AT = datetime(2026, 3, 4, 10, tzinfo=UTC)
ROW = re.compile(r"^\| `(\w+)` \|.*\| (\d+) \| (\d+) \|$", re.MULTILINE)


def kept(name: str, status: CheckStatus, replica: str = "", *, is_valid: bool = True) -> KeptCheck:
    return KeptCheck(Check(name, status, "A detail."), replica, AT, is_valid)


def report(**statuses: CheckStatus) -> Report:
    return make_report([kept(name, status) for name, status in statuses.items()])


def test_each_check_has_points_and_a_value_of_the_label() -> None:
    assert sorted(POINTS) == list(HEALTH_CHECK.values)


def test_the_page_about_health_has_the_same_points() -> None:
    page = (Path(__file__).parents[3] / "docs/health.md").read_text()
    found = {name: (int(half), int(points)) for name, half, points in ROW.findall(page)}
    assert found == {name: (points // 2, points) for name, points in POINTS.items()}


@pytest.mark.parametrize("name", sorted(POINTS))
def test_one_that_fails_is_never_healthy_and_the_database_always_fatal(name: str) -> None:
    failing = report(**{name: "failing"})
    assert failing.status == ("failing" if name == "database" else "degraded")
    assert failing.score == 100 - POINTS[name]
    degraded = report(**{name: "degraded"})
    assert degraded.status == ("degraded" if name == "database" else "healthy")


def test_points_add_up_and_end_at_nothing() -> None:
    assert report(stripe="degraded", queue="failing", pool="unknown").score == 100 - 12 - 30
    assert report(**dict.fromkeys(POINTS, "failing")).score == 0
    assert report(database="ok", webhooks="unknown").score == 100


def test_without_checks_of_the_whole_there_is_no_score() -> None:
    for checks in ([], [kept("queue", "ok", "a")]):
        nothing = make_report(checks)
        assert (nothing.score, nothing.status, nothing.checks) == (None, "unknown", ())
        assert nothing.document["checkedAt"] is None


def test_reasons_begin_with_what_weighs_most() -> None:
    document = report(stripe="failing", queue="failing", alertmanager="degraded").document
    assert [one["check"] for one in document["reasons"]] == ["queue", "stripe", "alertmanager"]
    assert document["checkedAt"] == "2026-03-04T10:00:00Z"


def test_the_worst_of_the_replicas_counts_and_is_named() -> None:
    whole = kept("database", "ok")
    several = make_report([whole, kept("queue", "ok", "a"), kept("queue", "failing", "b")])
    assert several.checks == (
        whole.check,
        Check("queue", "failing", "Replica b: A detail."),
    )
    alone = make_report([kept("queue", "ok", "a"), kept("database", "ok")])
    assert [check.detail for check in alone.checks] == ["A detail."] * 2


def test_a_replica_that_is_gone_counts_no_more() -> None:
    rest = make_report([kept("queue", "failing", "a", is_valid=False), kept("database", "ok")])
    assert (rest.score, rest.checks) == (100, (Check("database", "ok", "A detail."),))


def test_old_checks_are_unknown_and_that_nobody_makes_them_is_what_counts() -> None:
    old = make_report([kept(name, "failing", is_valid=False) for name in ("database", "monitors")])
    assert old.score == 100 - POINTS["monitors"]
    database, monitors = old.checks
    assert (database.status, monitors.status) == ("unknown", "failing")
    assert database.detail == "It was failing at 2026-03-04T10:00:00Z."


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(0.0001, "ok"), (0.0999, "ok"), (0.1, "degraded"), (0.999, "degraded"), (1, "failing")],
)
def test_the_database_is_judged_by_its_latency(seconds: float, status: str) -> None:
    assert judge.judge_database(seconds).status == status


@pytest.mark.parametrize(
    ("standbys", "lag", "status"),
    [(0, None, None), (1, None, "unknown"), (1, 0, "ok"), (2, 10, "degraded"), (2, 60, "failing")],
)
def test_replication_counts_where_there_is_a_standby(
    standbys: int, lag: float | None, status: str | None
) -> None:
    found = judge.judge_replication(standbys, lag)
    assert (found and found.status) == status


@pytest.mark.parametrize(
    ("waited", "passed", "errors", "status"),
    [
        (0, 0, 0, "ok"),
        (14.9, 30, 0, "ok"),
        (15, 30, 0, "degraded"),
        (0, 30, 1, "failing"),
    ],
)
def test_the_pool_is_judged_by_what_waited(
    waited: float, passed: float, errors: int, status: str
) -> None:
    assert judge.judge_pool(waited, passed, errors).status == status


@pytest.mark.parametrize(
    ("filled", "refused", "status"),
    [(0, 0, "ok"), (0.49, 0, "ok"), (0.5, 0, "degraded"), (0, 1, "failing")],
)
def test_the_queue_is_judged_by_room_and_refusals(filled: float, refused: int, status: str) -> None:
    assert judge.judge_queue(filled, 30, refused).status == status


@pytest.mark.parametrize(
    ("silence", "past", "status"),
    [
        (None, (), "unknown"),
        (10, (1000, 1000), "ok"),
        (299, (1000, 1000), "ok"),
        (300, (1000,), "unknown"),
        (300, (1000, 1000), "failing"),
        (300, (30, 30, 0), "failing"),
        (300, (1000, 0, 0), "ok"),
        (300, (10, 9), "ok"),
        (300, (10, 10), "degraded"),
        (86400, (0, 0, 0, 0), "ok"),
    ],
)
def test_webhooks_are_missed_when_past_weeks_lead_to_expect_some(
    silence: float | None, past: Sequence[int], status: str
) -> None:
    assert judge.judge_webhooks(silence, past).status == status


@pytest.mark.parametrize(
    ("count", "age", "status"), [(0, 0, "ok"), (1, 299, "degraded"), (1, 300, "failing")]
)
def test_dead_letters_count_in_full_after_five_minutes(count: int, age: float, status: str) -> None:
    assert judge.judge_dead_letters(count, age).status == status


@pytest.mark.parametrize(
    ("age", "status"), [(66, "ok"), (66.1, "degraded"), (132, "degraded"), (132.1, "failing")]
)
def test_a_job_is_late_after_its_limit_and_lost_after_twice_that(age: float, status: str) -> None:
    found = judge.judge_monitors({"fold": (age, 66), "prune": (1800, 1860)})
    assert found.status == status
    assert ("fold" in found.detail) == (status != "ok")


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ((True,), "ok"),
        ((True, False), "degraded"),
        ((False,), "failing"),
        ((False,) * 3, "failing"),
    ],
)
def test_one_alertmanager_that_answers_is_enough_to_go_on(
    answers: Sequence[bool], status: str
) -> None:
    assert judge.judge_alertmanager(answers).status == status


@pytest.mark.parametrize(
    ("outcome", "seconds", "status"),
    [
        ("ok", 0.2, "ok"),
        ("ok", 3, "degraded"),
        ("limited", 0.2, "degraded"),
        ("refused", 0.2, "failing"),
        ("away", 10, "failing"),
    ],
)
def test_stripe_is_judged_by_what_it_answers_and_how_fast(
    outcome: StripeOutcome, seconds: float, status: str
) -> None:
    assert judge.judge_stripe(outcome, seconds).status == status
