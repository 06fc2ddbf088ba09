"""Keys while the database is away: nothing that may be good is called wrong."""

from pathlib import Path

import requests

from exporter.domain.access import Scope
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.keys import make_key
from tests.support.outage import Database
from tests.support.postgres import reachable_folder
from tests.support.refusals import assert_problem
from tests.support.telemetry import payment
from tests.support.waiting import wait_until

EVENTS, REPLAY = "/api/v1/events", "/api/v1/dead-letters/1/replay"
NEVER_MADE = "bek_" + "x" * 43


def post(exporter: ExporterProcess, path: str, key: str | None) -> requests.Response:
    return exporter.session.post(
        exporter.url + path,
        json=payment(),
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=20,
    )


def test_only_what_is_surely_wrong_is_refused_for_its_key(tmp_path: Path) -> None:
    with (
        reachable_folder() as folder,
        Database.running(folder / "database") as database,
        running_exporter(tmp_path / "main", database.conninfo) as exporter,
    ):
        _, cached = make_key(database.conninfo, Scope.INGEST)
        _, unused = make_key(database.conninfo, Scope.INGEST)
        assert post(exporter, EVENTS, cached).status_code == 200
        database.stop()
        wait_until(
            lambda: exporter.scrape().value("billing_up", source="postgres") == 0,
            10,
            "the exporter notices",
        )
        for key in (cached, unused, NEVER_MADE, ADMIN_KEY):
            answer = post(exporter, EVENTS, key)
            assert_problem(answer, 503, EVENTS)
            assert int(answer.headers["Retry-After"]) > 0
        assert_problem(post(exporter, REPLAY, ADMIN_KEY), 503, REPLAY)
        for path in (EVENTS, REPLAY):
            for key in (None, "garbage"):
                assert_problem(post(exporter, path, key), 401, path)
        assert exporter.scrape().total("billing_auth_failures_total") == 4

        database.start()
        wait_until(
            lambda: post(exporter, EVENTS, unused).status_code == 200, 30, "events are taken again"
        )
        assert post(exporter, EVENTS, NEVER_MADE).status_code == 401
