"""Answers that replicas share through a real Redis, which may be away, slow or full of garbage."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import requests

from exporter.caching import USAGE_SECONDS, Place, Shared
from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.domain.access import Scope
from exporter.ledger.embedded import EmbeddedServer
from exporter.totals import Totals
from tests.support.database import new_database
from tests.support.exporter import ADMIN_KEY, ExporterProcess, running_exporter
from tests.support.kept_rows import key_text
from tests.support.keys import make_key
from tests.support.organizations import call, new_name, raise_warning, use
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.writing import ask

# The client's own limit, and what a busy machine needs beside it.
AT_ONCE_SECONDS = 3.0
AGAIN_SECONDS = 20.0
KEY = key_text(b"k" * 32)


@dataclass(frozen=True)
class Pair:
    """Two replicas, their database and what they share."""

    first: ExporterProcess
    second: ExporterProcess
    conninfo: str
    redis: RedisServer


@pytest.fixture(scope="module")
def pair(postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("cache")
    key = {"BILLING_ENCRYPTION_KEY": KEY}
    with (
        RedisServer(folder / "redis") as redis,
        new_database(postgres) as conninfo,
        running_exporter(folder / "a", conninfo, {"REDIS_URL": redis.url} | key) as first,
        running_exporter(
            folder / "b", conninfo, {"REDIS_URL": redis.url, "BILLING_REPLICA": "b"} | key
        ) as second,
    ):
        yield Pair(first, second, conninfo, redis)


def path_of(organization: str) -> str:
    return f"/api/v1/organizations/{organization}/usage"


def used(exporter: ExporterProcess, organization: str, key: str = ADMIN_KEY) -> int:
    """What it has used of the meter `fix`, as that replica says."""
    found = call(exporter, "GET", path_of(organization), key=key)
    (meter,) = [one for one in found["meters"] if one["meter"] == "fix"]
    return int(meter["used"])


def counted(exporter: ExporterProcess, origin: str) -> float:
    return exporter.scrape().total("billing_cache_answers_total", cache="usage", origin=origin)


def faults(exporter: ExporterProcess, fault: str) -> float:
    return exporter.scrape().total("billing_cache_faults_total", fault=fault)


def known(exporter: ExporterProcess) -> str:
    """A new organisation that has used 5."""
    organization = new_name("cached")
    use(exporter, organization, 5)
    return organization


def test_what_one_replica_has_read_the_other_does_not_read_again(pair: Pair) -> None:
    organization = known(pair.first)
    told = call(pair.first, "GET", path_of(organization))
    use(pair.first, organization, 7)
    before = counted(pair.second, "shared")
    assert call(pair.second, "GET", path_of(organization)) == told
    assert counted(pair.second, "shared") == before + 1
    answer = requests.get(
        pair.second.url + path_of(organization),
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        timeout=10,
    )
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    assert int(answer.headers["Age"]) < AT_ONCE_SECONDS * 10
    assert answer.headers["Vary"] == "Authorization"
    assert answer.json() == told
    anew = requests.get(
        pair.second.url + path_of(organization),
        headers={"Authorization": f"Bearer {ADMIN_KEY}", "Cache-Control": "no-cache"},
        timeout=10,
    )
    assert anew.json()["asOf"] > told["asOf"]
    assert used(pair.second, organization) == 12


def test_a_quota_of_its_own_shows_in_the_next_answer(pair: Pair) -> None:
    organization = known(pair.first)

    def quota(exporter: ExporterProcess) -> int | None:
        meters = call(exporter, "GET", path_of(organization))["meters"]
        (found,) = [one["quota"] for one in meters if one["meter"] == "fix"]
        return None if found is None else int(found)

    quota(pair.first)
    path = f"/api/v1/organizations/{organization}/quotas/fix"
    for own in (50, 60):
        call(pair.first, "PUT", path, {"quota": own})
        assert quota(pair.first) == own
    assert quota(pair.second) == 60
    call(pair.first, "DELETE", path)
    assert quota(pair.first) is None


def test_who_loses_a_customer_is_read_anew_and_so_is_what_may_have_changed(pair: Pair) -> None:
    was, new, customer = known(pair.first), known(pair.first), new_name("cus")
    path = f"/api/v1/customers/own:live/{customer}"
    call(pair.first, "PUT", path, {"organizationId": was})
    assert used(pair.first, was) == 5
    use(pair.first, was, 7)
    assert used(pair.first, was) == 5
    assert call(pair.first, "PUT", path, {"organizationId": new})["outcome"] == "remapped"
    assert used(pair.first, was) == 12
    use(pair.first, was, 1)
    assert (used(pair.first, was), used(pair.first, new)) == (12, 5)
    use(pair.first, new, 1)
    with psycopg.connect(pair.conninfo) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('shared.customers'))")
        call(pair.first, "PUT", path, {"organizationId": was}, status=503)
    assert (used(pair.first, was), used(pair.first, new)) == (13, 6)


def test_nobody_gets_what_was_kept_for_another(pair: Pair) -> None:
    own, other = known(pair.first), known(pair.first)
    _, key = make_key(pair.conninfo, Scope.READ, organization_id=own)
    for organization in (own, other):
        used(pair.first, organization)
    before = counted(pair.first, "ledger")
    # By the database's own rules, and not from what the administrator had.
    assert used(pair.first, own, key) == 5
    assert counted(pair.first, "ledger") == before + 1
    call(pair.first, "GET", path_of(other), key=key, status=404)
    call(pair.second, "GET", path_of(other), key=key, status=404)
    names = {name.decode() for name in pair.redis.client.keys("*")}
    assert not any(own in name or other in name for name in names)


def test_an_entry_of_another_place_or_by_another_hand_is_none(pair: Pair) -> None:
    organizations = [known(pair.first) for _ in range(4)]
    client = pair.redis.client
    places = []
    for organization in organizations:
        before = set(client.keys("*"))
        used(pair.first, organization)
        (place,) = set(client.keys("*")) - before
        places.append(place)
    client.set(places[0], bytes(client.get(places[1]) or b""))
    client.set(places[1], os.urandom(200))
    client.set(places[2], b"")
    client.delete(places[3])
    client.lpush(places[3], b"a list")
    before_garbage, before_away = faults(pair.second, "garbage"), faults(pair.second, "away")
    for organization in organizations:
        found = call(pair.second, "GET", path_of(organization))
        assert found["organizationId"] == organization
    assert faults(pair.second, "garbage") == before_garbage + 3
    assert faults(pair.second, "away") == before_away + 1


async def test_who_knows_the_ledger_but_not_its_key_has_no_part_in_it(pair: Pair) -> None:
    organization = known(pair.first)
    used(pair.first, organization)
    ((ledger_id,),) = ask(pair.conninfo, "SELECT ledger_id::text FROM ledger.identity")
    for secret, is_found in ((ledger_id, False), (ledger_id + KEY, True)):
        totals = Totals(Catalogue(), OWN_METRICS)
        shared = Shared(pair.redis.url, lambda secret=secret: secret, totals)
        found = await shared.find(Place("usage", "", organization), USAGE_SECONDS)
        await shared.close()
        assert (found is not None) is is_found


def test_nothing_fails_while_it_is_away_or_frozen(pair: Pair) -> None:
    _wait_used(pair)

    def answers_at_once() -> None:
        begun = time.monotonic()
        organization = known(pair.first)
        assert used(pair.first, organization) == 5
        assert used(pair.second, organization) == 5
        call(pair.first, "PUT", f"/api/v1/organizations/{organization}/quotas/fix", {"quota": 9})
        assert time.monotonic() - begun < AT_ONCE_SECONDS

    before = faults(pair.first, "away")
    with pair.redis.frozen():
        for _ in range(3):
            answers_at_once()
    assert faults(pair.first, "away") > before
    _wait_used(pair)
    before = faults(pair.first, "away")
    pair.redis.stop()
    for _ in range(3):
        answers_at_once()
    assert faults(pair.first, "away") > before
    pair.redis.start()
    _wait_used(pair)


def test_an_alert_that_is_resolved_is_counted_no_more_in_the_next_answer(pair: Pair) -> None:
    def open_alerts() -> tuple[Any, int]:
        found = call(pair.first, "GET", "/api/metrics/billing")
        counts = [one["open"] for one in found["openAlerts"] if one["type"] == "usage_threshold"]
        return found["alertsCountedAt"], sum(counts)

    _, id_ = raise_warning(pair.first)
    at, before = open_alerts()
    assert open_alerts() == (at, before)
    call(pair.first, "POST", f"/api/v1/alerts/{id_}/resolve", {"reason": "They pay."})
    later, after = open_alerts()
    assert (after, later > at) == (before - 1, True)


def _wait_used(pair: Pair) -> None:
    """Until both speak with it again: after a failure they leave it alone for a while."""

    def is_used() -> bool:
        organization = known(pair.first)
        used(pair.first, organization)
        before = counted(pair.second, "shared")
        used(pair.second, organization)
        return counted(pair.second, "shared") > before

    wait_until(is_used, AGAIN_SECONDS, "the cache is shared")
