"""What one transaction commits: each event once, each fact once, everything or nothing."""

import asyncio
from pathlib import Path

import pytest

from exporter.catalogue import own_metrics as own
from exporter.errors import LedgerUnavailable
from exporter.ledger import queue
from exporter.ledger.entry import DeadLetter, Outcome, Submission
from exporter.ledger.sealing import Sealer
from tests.support.writing import ask, entry, ledger, running, usage, usage_of

NEW, DUPLICATE, CONFLICT = Outcome.NEW, Outcome.DUPLICATE, Outcome.CONFLICT


async def test_an_event_is_answered_after_its_commit_and_counts_once(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        assert await main.submit(entry("a")) == [NEW]
        assert usage_of(ledger(any_database_url)) == usage_of(main.memory()) == 1
        assert await main.submit(entry("a"), entry("b"), entry("a")) == [DUPLICATE, NEW, DUPLICATE]
        assert main.memory() == ledger(any_database_url)
        assert usage_of(main.memory()) == 2
        assert main.counted("billing_events_repeated_total") == 2


async def test_one_event_sent_by_many_at_once_counts_once(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        outcomes = await asyncio.gather(*(main.submit(entry("a")) for _ in range(1000)))
        assert sorted(one.value for (one,) in outcomes) == ["duplicate"] * 999 + ["new"]
        assert usage_of(main.memory()) == usage_of(ledger(any_database_url)) == 1
        assert main.counted("billing_groups_committed_total") == 1


async def test_the_first_content_of_an_id_is_kept_and_the_other_a_conflict(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        first, other = entry("a", usage(1), digest=-7), entry("a", usage(50), digest=2**62)
        outcomes = await asyncio.gather(*map(main.submit, (first, other, first)))
        assert outcomes == [[NEW], [CONFLICT], [DUPLICATE]]
        # In a later group, where the first to come isn't what the ledger holds.
        assert await main.submit(other, first, other) == [CONFLICT, DUPLICATE, CONFLICT]
        assert usage_of(main.memory()) == usage_of(ledger(any_database_url)) == 1
        repeated = main.health.counts(own.EVENTS_REPEATED)
        assert repeated[("app", "conflict")] == [3]
        assert repeated[("app", "duplicate")] == [2]


async def test_an_id_is_unique_within_its_source_and_scope_only(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        outcomes = await main.submit(
            entry("a"),
            entry("a", scope="billing-service"),
            entry("a", source="stripe", scope="own:live"),
            entry("a", source="stripe", scope="own:test"),
        )
        assert outcomes == [NEW] * 4
        assert usage_of(main.memory()) == 4


async def test_a_fact_that_several_events_carry_counts_once_across_events_groups_and_replicas(
    any_database_url: str, tmp_path: Path
) -> None:
    refund = (("refund:re_1", (usage(100),)),)

    def told(id_: str, scope: str = "own:live") -> Submission:
        one = entry(id_, usage(1), source="stripe", scope=scope, once=refund)
        return Submission((one,), 100)

    async with (
        running(any_database_url, tmp_path, "a") as a,
        running(any_database_url, tmp_path, "b") as b,
    ):
        await asyncio.gather(a.writer.submit(told("evt_1")), a.writer.submit(told("evt_2")))
        await a.writer.submit(told("evt_3"))
        await b.writer.submit(told("evt_4"))
        await asyncio.gather(a.writer.submit(told("evt_5")), b.writer.submit(told("evt_6")))
        assert usage_of(a.memory()) + usage_of(b.memory()) == 106
        await b.writer.submit(told("evt_1", "own:test"))
        assert usage_of(a.memory()) + usage_of(b.memory()) == 207
        assert (a.memory(), b.memory()) == (
            ledger(any_database_url, "a"),
            ledger(any_database_url, "b"),
        )


async def test_an_event_that_does_not_count_leaves_its_facts_to_the_next(
    any_database_url: str, tmp_path: Path
) -> None:
    fact = (("refund:re_1", (usage(100),)),)
    async with running(any_database_url, tmp_path) as main:
        await main.submit(entry("a"))
        # Another content of a known id counts nothing, and so must not use up the fact.
        assert await main.submit(entry("a", digest=2, once=fact)) == [CONFLICT]
        assert usage_of(main.memory()) == 1
        await main.submit(entry("b", once=fact))
        assert usage_of(main.memory()) == usage_of(ledger(any_database_url)) == 102


async def test_contents_are_kept_compressed_a_group_and_stripes_bodies_a_row(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        await main.submit(entry("a"), entry("b"), entry("a"))
        await main.submit(entry("evt_1", source="stripe", scope="own:live"))
        ((packed,),) = ask(any_database_url, "SELECT events FROM ledger.contents")
        assert isinstance(packed, bytes)
        assert Sealer().open(packed) == b'{"id": 1}\n{"id": 1}'
        ((scope, id_, body),) = ask(
            any_database_url, "SELECT scope, id, body FROM ledger.stripe_bodies"
        )
        assert isinstance(body, bytes)
        assert (scope, id_, Sealer().open(body)) == ("own:live", "evt_1", b'{"id": 1}')


async def test_a_dead_letter_is_kept_and_counted_once(
    any_database_url: str, tmp_path: Path
) -> None:
    def letter(id_: str) -> Submission:
        failed = DeadLetter(
            scope="own:live",
            id=id_,
            event_type="invoice.paid",
            reason="no amount",
            body=b"{}",
            increments=(usage(),),
        )
        return Submission((), 10, True, failed)

    async with running(any_database_url, tmp_path) as main:
        names = ("evt_2", "evt_1", "evt_2")
        outcomes = await asyncio.gather(*(main.writer.submit(letter(name)) for name in names))
        assert outcomes == [[Outcome.DEAD_LETTER]] * 3
        assert await main.writer.submit(letter("evt_1")) == [Outcome.DEAD_LETTER]
        assert usage_of(main.memory()) == usage_of(ledger(any_database_url)) == 2
        # It doesn't take the id: the event can be replayed.
        replayed = entry("evt_1", source="stripe", scope="own:live")
        assert await main.submit(replayed, urgent=True) == [NEW]


async def test_a_group_takes_what_has_queued_up_to_its_limits(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        # The first stands alone in its group; the rest queues up behind it within one turn.
        batch = tuple(entry(f"batch-{i}") for i in range(10_000))
        rest = [main.submit(entry(f"single-{i}")) for i in range(4_001)]
        await asyncio.gather(main.writer.submit(Submission(batch, 10_000)), *rest)
        assert main.counted("billing_groups_committed_total") == 1 + 3
        assert usage_of(main.memory()) == usage_of(ledger(any_database_url)) == 14_001


async def test_beyond_the_bounds_of_the_queue_the_client_is_sent_away_and_nothing_is_lost(
    any_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_QUEUED_EVENTS", 100)
    async with running(any_database_url, tmp_path) as main:
        outcomes = await asyncio.gather(
            *(main.submit(entry(f"a-{i}")) for i in range(150)), return_exceptions=True
        )
        refused = [one for one in outcomes if isinstance(one, LedgerUnavailable)]
        assert outcomes.count([NEW]) == 100
        assert len(refused) == main.counted("billing_queue_refused_total") == 50
        assert refused[0].headers == {"Retry-After": "5"}
        assert usage_of(main.memory()) == usage_of(ledger(any_database_url)) == 100


async def test_sums_past_any_integer_type_stay_exact(any_database_url: str, tmp_path: Path) -> None:
    huge = 2**63 - 1
    async with running(any_database_url, tmp_path) as main:
        await main.submit(*(entry(f"a-{i}", usage(huge)) for i in range(5)))
        assert usage_of(main.memory()) == 5 * huge
        assert main.memory() == ledger(any_database_url)


async def test_nothing_is_left_in_the_session_which_a_pooler_may_give_to_another(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        for i in range(10):
            await main.submit(entry(f"a-{i}"))
        connection = main.writer._session._connection
        assert connection is not None
        for question, answer in (
            ("SELECT count(*) FROM pg_prepared_statements", 0),
            ("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0),
            ("SELECT current_setting('lock_timeout')", "0"),
            ("SELECT current_setting('statement_timeout')", "0"),
            ("SELECT current_setting('idle_in_transaction_session_timeout')", "0"),
        ):
            cursor = await connection.execute(question.encode())
            assert await cursor.fetchone() == (answer,), question
