"""A connection lost at any step of a group: memory, ledger and answers stay of one mind."""

import asyncio
import random
from pathlib import Path

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger import writer
from exporter.ledger.entry import Outcome
from tests.support.cutting_proxy import GROUP_CUTS, Cut, CuttingProxy
from tests.support.writing import ask, entry, eventually, ledger, running, usage, usage_of


@pytest.mark.parametrize("cut", GROUP_CUTS)
async def test_a_group_of_new_events_counts_once_and_its_client_is_answered(
    any_database_url: str, tmp_path: Path, cut: Cut
) -> None:
    async with (
        CuttingProxy(any_database_url) as proxy,
        running(proxy.conninfo, tmp_path) as main,
    ):
        proxy.cut_next(cut)
        assert await main.submit(entry("a", usage(10)), entry("b")) == [Outcome.NEW] * 2
        assert proxy.cuts == 1
        assert main.memory() == ledger(any_database_url)
        assert usage_of(main.memory()) == 11
        ((group_no,),) = ask(any_database_url, "SELECT group_no FROM ledger.leases")
        assert main.lease.group_no == group_no == 1


@pytest.mark.parametrize("cut", GROUP_CUTS)
async def test_the_group_counts_once_and_its_client_is_answered(
    any_database_url: str, tmp_path: Path, cut: Cut
) -> None:
    """The call that is cut is the one that is refused, as one event is known."""
    async with (
        CuttingProxy(any_database_url) as proxy,
        running(proxy.conninfo, tmp_path) as main,
    ):
        await main.submit(entry("before"))
        proxy.cut_next(cut)
        assert await main.submit(entry("a", usage(10)), entry("before")) == [
            Outcome.NEW,
            Outcome.DUPLICATE,
        ]
        assert proxy.cuts == 1
        assert main.memory() == ledger(any_database_url)
        assert usage_of(main.memory()) == 11
        assert await main.submit(entry("a", usage(10))) == [Outcome.DUPLICATE]
        assert usage_of(main.memory()) == 11
        ((group_no,),) = ask(any_database_url, "SELECT group_no FROM ledger.leases")
        assert main.lease.group_no == group_no == 3


async def test_cuts_one_after_the_other_are_got_over(database_url: str, tmp_path: Path) -> None:
    cuts = [*GROUP_CUTS, *GROUP_CUTS]
    random.Random(7).shuffle(cuts)
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        proxy.cut_next(*cuts)
        sent = 0
        while proxy.cuts < len(cuts):
            outcomes = await asyncio.gather(
                *(main.submit(entry(f"{sent}-{i}"), entry("always")) for i in range(20)),
                return_exceptions=True,
            )
            assert not [one for one in outcomes if not isinstance(one, list | LedgerUnavailable)]
            again = [main.submit(entry(f"{sent}-{i}")) for i in range(20)]
            await asyncio.gather(*again, return_exceptions=True)
            sent += 1
        await eventually(lambda: not main.writer.away, 5, "the writer is back")
        await main.submit(*(entry(f"{j}-{i}") for j in range(sent) for i in range(20)))
        assert main.memory() == ledger(database_url)
        assert usage_of(main.memory()) == 20 * sent + 1


async def test_a_client_that_was_sent_away_may_send_again_whatever_became_of_the_group(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ANSWER_WITHIN_SECONDS", 1.0)
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        proxy.cut_and_refuse(Cut.AFTER_CALL)
        with pytest.raises(LedgerUnavailable):
            await main.submit(entry("a"))
        assert usage_of(main.memory()) == 0
        proxy.accept()
        # What was committed without an answer is found in the ledger and comes into memory.
        await eventually(lambda: usage_of(main.memory()) == 1, 5, "the group is applied")
        assert await main.submit(entry("a")) == [Outcome.DUPLICATE]
        assert main.memory() == ledger(database_url)


async def test_a_group_that_was_not_committed_and_nobody_waits_for_is_dropped(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ANSWER_WITHIN_SECONDS", 1.0)
    async with CuttingProxy(database_url) as proxy, running(proxy.conninfo, tmp_path) as main:
        proxy.cut_and_refuse(Cut.BEFORE_CALL)
        with pytest.raises(LedgerUnavailable):
            await main.submit(entry("a"))
        proxy.accept()
        await eventually(lambda: not main.writer.away, 5, "the writer is back")
        assert await main.submit(entry("b")) == [Outcome.NEW]
        assert ask(database_url, "SELECT id FROM ledger.event_ids") == [("b",)]
        assert await main.submit(entry("a")) == [Outcome.NEW]
        assert main.memory() == ledger(database_url)
