"""The database away, stopped, silent or locked: nothing is acknowledged, nothing is lost."""

import asyncio
import time
from pathlib import Path

import psycopg
import pytest

from exporter.catalogue import own_metrics as own
from exporter.errors import LedgerUnavailable
from exporter.ledger import session
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.entry import Outcome
from tests.support.cutting_proxy import CuttingProxy
from tests.support.exporter import ExporterProcess
from tests.support.stripe_cases import fixture
from tests.support.telemetry import payment
from tests.support.waiting import wait_until
from tests.support.writing import ask, entry, eventually, ledger, make_replica, running, usage_of

BACK_SECONDS = 5.0


async def test_while_the_database_is_away_nothing_is_acknowledged_and_then_it_is_back_by_itself(
    database_url: str, tmp_path: Path
) -> None:
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        await main.submit(entry("a"))
        proxy.refuse()
        await eventually(lambda: main.writer.away, 4, "an idle writer notices")
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(LedgerUnavailable, match="can't be reached"):
                await main.submit(entry("b"))
        assert time.monotonic() - begun < 0.5
        main.writer.observe()
        assert main.health.counts(own.UP)[("postgres",)] == [0]
        assert main.writer.ready.is_set()
        assert usage_of(main.memory()) == 1
        proxy.accept()
        await eventually(lambda: not main.writer.away, BACK_SECONDS, "the writer is back")
        assert await main.submit(entry("a"), entry("b")) == [Outcome.DUPLICATE, Outcome.NEW]
        assert main.memory() == ledger(database_url)


async def test_a_server_that_keeps_its_connections_and_says_nothing_is_given_up(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_COMMIT_SECONDS", 0.5)
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        proxy.stall()
        submitting = asyncio.create_task(main.submit(entry("a")))
        await eventually(lambda: main.writer.away, 4, "the server is given up")
        proxy.accept()
        # What the old connection sent may arrive now; it still counts once.
        assert await submitting == [Outcome.NEW]
        assert await main.submit(entry("a")) == [Outcome.DUPLICATE]
        assert main.memory() == ledger(database_url)
        assert usage_of(main.memory()) == 1


async def test_a_standby_at_the_address_is_no_ledger_until_it_takes_writes(
    postgres: EmbeddedServer, database_url: str, tmp_path: Path
) -> None:
    superuser = postgres.conninfo("postgres")
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        # As after a failover: connections are lost, and new ones may only read.
        ask(superuser, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            proxy.refuse()
            proxy.accept()
            await eventually(lambda: main.writer.away, 4, "the loss is noticed")
            await asyncio.sleep(0.5)
            with pytest.raises(LedgerUnavailable, match="can't be reached"):
                await main.submit(entry("a"))
        finally:
            ask(superuser, f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await eventually(lambda: not main.writer.away, BACK_SECONDS, "the writer is back")
        assert await main.submit(entry("a")) == [Outcome.NEW]


async def test_a_locked_table_ends_in_503_and_the_writer_recovers_when_it_is_free(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as main:
        await main.submit(entry("a"))
        (expiry,) = ask(database_url, "SELECT expires_at FROM ledger.leases")
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute(b"LOCK TABLE ledger.event_ids")
            begun = time.monotonic()
            outcomes = await asyncio.gather(
                *(main.submit(entry(f"b-{i}")) for i in range(50)), return_exceptions=True
            )
            assert {type(one) for one in outcomes} == {LedgerUnavailable}
            assert 4.5 < time.monotonic() - begun < 6.5
            # The name isn't lost, although no group was committed for longer than it would last.
            (renewed,) = ask(
                database_url,
                "SELECT expires_at > %s::timestamptz FROM ledger.leases",
                str(expiry[0]),
            )
            assert renewed == (True,)
        await eventually(lambda: not main.writer.away, BACK_SECONDS, "the writer is back")
        again = await asyncio.gather(*(main.submit(entry(f"b-{i}")) for i in range(50)))
        assert {one for (one,) in again} <= {Outcome.NEW, Outcome.DUPLICATE}
        assert usage_of(main.memory()) == 51
        assert main.memory() == ledger(database_url)


async def test_a_process_that_starts_without_its_database_waits_for_it(
    database_url: str, tmp_path: Path
) -> None:
    async with CuttingProxy(database_url) as proxy:
        proxy.refuse()
        main = make_replica(proxy.conninfo, tmp_path)
        main.start()
        with pytest.raises(LedgerUnavailable):
            await main.submit(entry("a"))
        assert not main.writer.ready.is_set()
        proxy.accept()
        await main.wait_ready()
        assert await main.submit(entry("a")) == [Outcome.NEW]
        await main.stop()


async def test_a_process_that_never_saw_its_database_can_be_stopped(
    database_url: str, tmp_path: Path
) -> None:
    async with CuttingProxy(database_url) as proxy:
        proxy.refuse()
        main = make_replica(proxy.conninfo, tmp_path)
        main.start()
        await asyncio.sleep(0)
        await main.stop()
        assert not main.writer.ready.is_set()


async def test_stopping_during_an_outage_ends_and_answers_who_waits(
    database_url: str, tmp_path: Path
) -> None:
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        proxy.refuse()
        submitting = asyncio.create_task(main.submit(entry("a")))
        await eventually(lambda: main.writer.away, 4, "the outage is noticed")
        begun = time.monotonic()
        await main.stop()
        with pytest.raises(LedgerUnavailable):
            await submitting
        assert time.monotonic() - begun < 2


async def test_over_http_an_outage_is_503_readiness_stays_and_metrics_go_on(
    database_url: str, tmp_path: Path
) -> None:
    async with CuttingProxy(database_url) as proxy:
        proxy.refuse()
        with ExporterProcess(tmp_path, proxy.conninfo) as exporter:
            await asyncio.to_thread(exporter.wait_listening)
            await asyncio.to_thread(expect_away, exporter, ready=503)
            early = await asyncio.to_thread(exporter.scrape)
            assert "billing_payment_processed" not in early.families
            assert "billing_up" in early.families

            proxy.accept()
            await asyncio.to_thread(exporter.wait_ready)
            answer = await asyncio.to_thread(exporter.send_events, payment("a"))
            assert answer.json()["accepted"] == 1

            proxy.refuse()
            await asyncio.to_thread(wait_until, lambda: is_away(exporter), 5, "it's noticed")
            await asyncio.to_thread(expect_away, exporter, ready=200)
            during = await asyncio.to_thread(exporter.scrape)
            assert during.total("billing_payment_processed_total") == 1

            proxy.accept()
            await asyncio.to_thread(wait_until, lambda: not is_away(exporter), 5, "it's back")
            answer = await asyncio.to_thread(exporter.send_events, payment("a"))
            assert answer.status_code == 200


def is_away(exporter: ExporterProcess) -> bool:
    """Whether the metrics say that the database is away."""
    return exporter.scrape().value("billing_up", source="postgres") == 0


def expect_away(exporter: ExporterProcess, ready: int) -> None:
    """What HTTP answers while the database is away."""
    assert is_away(exporter)
    assert exporter.session.get(f"{exporter.url}/-/ready", timeout=5).status_code == ready
    assert exporter.session.get(f"{exporter.url}/-/healthy", timeout=5).status_code == 200
    for answer in (
        exporter.send_events(payment("b")),
        exporter.send_stripe(fixture("customer_created")),
    ):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.elapsed.total_seconds() < 1
