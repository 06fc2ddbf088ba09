"""Data that the database refuses: it hits its own request, never its neighbours."""

import asyncio
import random
from pathlib import Path

import pytest

from exporter.errors import InvalidEvents
from exporter.ledger.entry import DeadLetter, Outcome, Submission
from exporter.ledger.sealing import Sealer
from tests.support.writing import ask, entry, ledger, running, usage, usage_of

POISONED = "ALTER TABLE ledger.event_ids ADD CHECK (id NOT LIKE 'poison%')"
OVERFLOWING = """
CREATE FUNCTION ledger.overflow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id LIKE 'poison%' THEN PERFORM (2147483647 + length(NEW.id))::integer; END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER overflow BEFORE INSERT ON ledger.event_ids
FOR EACH ROW EXECUTE FUNCTION ledger.overflow();
"""


DEFERRED = """
CREATE FUNCTION ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id LIKE 'poison%' THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'refused at COMMIT';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON ledger.event_ids
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.refuse();
"""
# Random, as PostgreSQL compresses what repeats itself before it measures it.
LONG_ID = random.Random(1).randbytes(9000).hex()


def webhook(id_: str) -> Submission:
    """A Stripe event as its route submits it."""

    def letter(reason: str) -> DeadLetter:
        return DeadLetter(
            scope="own:live",
            id=id_,
            event_type="invoice.paid",
            reason=reason,
            body=b"{}",
            increments=(usage(1000),),
        )

    event = entry(id_, source="stripe", scope="own:live")
    return Submission((event,), 100, urgent=True, if_refused=letter)


def is_refused(outcome: object) -> bool:
    """Whether the client was told that its data can't be stored."""
    return isinstance(outcome, InvalidEvents)


@pytest.mark.parametrize(
    "refusing",
    [POISONED, OVERFLOWING, DEFERRED],
    ids=["a constraint", "an overflow", "only at COMMIT"],
)
async def test_three_culprits_among_two_hundred_are_found_and_the_rest_is_counted(
    any_database_url: str, tmp_path: Path, refusing: str
) -> None:
    async with running(any_database_url, tmp_path) as main:
        ask(any_database_url, refusing)
        ids = [f"poison-{i}" if i in {0, 77, 199} else f"good-{i}" for i in range(200)]
        outcomes = await asyncio.gather(
            *(main.submit(entry(id_)) for id_ in ids), return_exceptions=True
        )
        refused = [id_ for id_, one in zip(ids, outcomes, strict=True) if is_refused(one)]
        assert refused == ["poison-0", "poison-77", "poison-199"]
        assert outcomes.count([Outcome.NEW]) == 197
        assert usage_of(main.memory()) == 197
        assert main.memory() == ledger(any_database_url)
        (error,) = {str(one) for one in outcomes if isinstance(one, InvalidEvents)}
        assert error.startswith("The database refused the event: ")
        assert "poison" not in error


async def test_a_batch_with_a_culprit_is_refused_as_a_whole(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        ask(any_database_url, POISONED)
        batch = main.submit(entry("a"), entry("poison"), entry("b"))
        outcomes = await asyncio.gather(batch, main.submit(entry("c")), return_exceptions=True)
        assert is_refused(outcomes[0])
        assert outcomes[1] == [Outcome.NEW]
        assert ask(any_database_url, "SELECT id FROM ledger.event_ids") == [("c",)]
        assert await main.submit(entry("a"), entry("b")) == [Outcome.NEW] * 2
        assert main.memory() == ledger(any_database_url)


async def test_a_stripe_event_becomes_a_dead_letter_and_its_neighbours_are_counted(
    any_database_url: str, tmp_path: Path
) -> None:
    async with running(any_database_url, tmp_path) as main:
        ask(any_database_url, POISONED)
        ids = ["evt_1", "poison", "evt_2"]
        outcomes = await asyncio.gather(*(main.writer.submit(webhook(id_)) for id_ in ids))
        assert outcomes == [[Outcome.NEW], [Outcome.DEAD_LETTER], [Outcome.NEW]]
        # Delivered again, it's the same letter.
        assert await main.writer.submit(webhook("poison")) == [Outcome.DEAD_LETTER]
        ((id_, reason, body),) = ask(
            any_database_url, "SELECT id, reason, body FROM ledger.dead_letters"
        )
        assert isinstance(body, bytes)
        assert (id_, Sealer().open(body)) == ("poison", b"{}")
        assert "check constraint" in str(reason)
        assert usage_of(main.memory()) == 1002
        assert main.memory() == ledger(any_database_url)
        # Once it's mended, the event can be taken: its id is free.
        ask(any_database_url, "ALTER TABLE ledger.event_ids DROP CONSTRAINT event_ids_id_check")
        assert await main.writer.submit(webhook("poison")) == [Outcome.NEW]


async def test_a_letter_that_is_refused_itself_is_told_to_the_sender(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as main:
        ask(database_url, POISONED)
        ask(database_url, "ALTER TABLE ledger.dead_letters ADD CHECK (id <> 'poison')")
        with pytest.raises(InvalidEvents):
            await main.writer.submit(webhook("poison"))
        assert await main.submit(entry("a")) == [Outcome.NEW]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"id_": "n\x00l"}, id="a character that text can't hold"),
        pytest.param({"id_": "\ud800"}, id="a lone surrogate"),
        pytest.param({"id_": "i", "digest": 2**63}, id="a number past its column's type"),
        pytest.param({"id_": LONG_ID}, id="a key too long for its index"),
    ],
)
async def test_what_the_edges_let_through_by_mistake_stops_nothing_else(
    any_database_url: str, tmp_path: Path, bad: dict[str, object]
) -> None:
    async with running(any_database_url, tmp_path) as main:
        outcomes = await asyncio.gather(
            main.submit(entry("a")),
            main.submit(entry(**bad)),  # type: ignore[arg-type]
            main.submit(entry("b")),
            return_exceptions=True,
        )
        assert outcomes[0] == outcomes[2] == [Outcome.NEW]
        assert is_refused(outcomes[1])
        assert await main.submit(entry("c")) == [Outcome.NEW]
        assert main.memory() == ledger(any_database_url)
