"""What is kept of answers, for how long, and for whom."""

import time

from exporter.caching import Cache, Kept, Place, Shelf
from exporter.catalogue.book import Catalogue
from exporter.catalogue.own_metrics import CACHE_ANSWERS, OWN_METRICS
from exporter.totals import Totals

LASTS = 300
ACME = Place("usage", "", "acme")
MINE = ACME._replace(reader="acme")
RANGE = ACME._replace(part="a range")


def kept(body: bytes = b"{}", age_seconds: float = 0.0) -> Kept:
    return Kept(time.time() - age_seconds, body)


def put(shelf: Shelf, place: Place, one: Kept) -> bool:
    return shelf.put(place, one, LASTS, shelf.begin(place))


def test_an_answer_is_kept_for_its_own_place_until_it_is_too_old() -> None:
    shelf = Shelf()
    assert put(shelf, ACME, kept())
    assert shelf.find(ACME) is not None
    for other in (MINE, RANGE, ACME._replace(subject="b"), ACME._replace(kind="alert_counts")):
        assert shelf.find(other) is None
    put(shelf, RANGE, kept(age_seconds=LASTS + 1))
    assert shelf.find(RANGE) is None


def test_what_was_asked_for_least_lately_gives_way() -> None:
    shelf = Shelf(most_bytes=5000)
    for number in range(3):
        put(shelf, ACME._replace(subject=f"{number}"), kept(bytes(1000)))
    assert shelf.find(ACME._replace(subject="0")) is not None
    put(shelf, ACME, kept(bytes(1000)))
    found = [shelf.find(ACME._replace(subject=f"{number}")) is not None for number in range(3)]
    assert found == [True, False, True]


def test_a_change_shows_at_once_to_every_reader_of_the_topic() -> None:
    shelf = Shelf()
    for place in (ACME, MINE, RANGE, ACME._replace(subject="other")):
        put(shelf, place, kept())
    shelf.change(ACME, LASTS)
    assert [shelf.find(place) for place in (ACME, MINE, RANGE)] == [None, None, None]
    assert shelf.find(ACME._replace(subject="other")) is not None
    assert put(shelf, ACME, kept(b"new"))
    assert shelf.find(ACME) is not None
    # What the others had is older than what is known by now.
    assert [shelf.find(place) for place in (MINE, RANGE)] == [None, None]


def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    shelf = Shelf()
    begun, old = shelf.begin(ACME), kept(b"old", age_seconds=1)
    shelf.change(ACME, LASTS)
    assert not shelf.put(ACME, old, LASTS, begun)
    assert shelf.find(ACME) is None
    assert not shelf.holds(ACME, kept())
    put(shelf, ACME, kept(b"new"))
    # Neither is it taken from elsewhere.
    assert not shelf.holds(ACME, old)


async def test_an_answer_is_read_once_and_anew_when_that_is_asked() -> None:
    health, reads = Totals(Catalogue(), OWN_METRICS), 0

    async def read() -> Kept | None:
        nonlocal reads
        reads += 1
        return kept(b"%d" % reads) if reads < 4 else None

    cache = Cache(health)

    async def ask(*, anew: bool = False) -> bytes | None:
        found = await cache.ask(ACME, LASTS, read, anew=anew)
        return found and found.body

    assert [await ask(), await ask(), await ask(anew=True), await ask()] == [b"1", b"1", b"2", b"2"]
    await cache.change(LASTS, ACME)
    assert [await ask(), await ask()] == [b"3", b"3"]
    # Nothing known is nothing to keep.
    assert [await ask(anew=True), reads] == [None, 4]
    counts = dict(health.counts(CACHE_ANSWERS).items())
    assert (counts["usage", "process"], counts["usage", "ledger"]) == ([3], [4])
