"""What is fuzzed with bytes: each target takes an input, and raises where a promise is broken."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import yaml

from exporter.catalogue.book import Catalogue
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import PLAN, RESOURCE_TYPE
from exporter.domain.alert import settle
from exporter.errors import InvalidSignature, MalformedBody, Problem
from exporter.ingest import strict_json
from exporter.ingest.alertmanager import read_message
from exporter.ingest.batch import read_entries
from exporter.ingest.refusal import EventRefusedError
from exporter.ingest.signature import verify
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ingest.telemetry import Telemetry
from exporter.settings import SettingsError
from exporter.settings.billing_yml import read_config
from exporter.stripe_events.plans import PlanNames
from exporter.web.problems import encode_document
from exporter.wiring import make_catalogue
from fuzz.corpus import NOW, SECRET, texts
from tests.support.soundness import check_entry, check_submission, check_text, demand
from tests.support.stripe import signature as true_signature

MEDIA = (
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
_LONGEST_ERROR = 1_000
_LONGEST_TEXT = 255
_ORGANIZATION = "acme"
_CATALOGUE = Catalogue()
_TELEMETRY = Telemetry(_CATALOGUE, "usd", True, 90, lambda: NOW)
_STRIPE = StripeEntries(
    _CATALOGUE, PlanNames(dict.fromkeys(PLAN.values, ())), (True, False), ("acct_1",)
)


def read_events(raw: bytes) -> None:
    """Telemetry in every format: sound entries that read the same once more, or a refusal. With
    the key of an organisation all of them are that one's.
    """
    for media in MEDIA:
        for organization_id in (None, _ORGANIZATION):
            try:
                entries = read_entries(raw, media, _TELEMETRY, organization_id)
            except Problem as problem:
                _check_problem(problem)
                continue
            demand(bool(entries), "a body was taken that holds no event")
            for entry in entries:
                check_entry(entry, _CATALOGUE)
                again = _TELEMETRY.decode(entry.content)
                same = (again.digest, again.increments) == (entry.digest, entry.increments)
                demand(same, "the kept content reads as another event")
                content = json.loads(entry.content)
                for text in texts(content):
                    check_text(text, longest=_LONGEST_TEXT)
                if organization_id is not None:
                    told = content["metadata"]["organization_id"]
                    demand(told == organization_id, f"an event of {told!r} was taken")
                    scope = entry.key[1]
                    demand(organization_id in scope, f"an id was taken in the scope {scope!r}")


def read_alerts(raw: bytes) -> None:
    """A message of Alertmanager: alerts that PostgreSQL can hold, which come to the same in
    whatever order they are told, or a refusal.
    """
    try:
        message, told = read_message(raw)
    except Problem as problem:
        _check_problem(problem)
        return
    demand(bool(told), "a message was taken that holds no alert")
    for text in (message.receiver, *(text for one in told for text in texts(asdict(one)))):
        check_text(text, longest=len(raw), empty=True)
    for one in told:
        demand(one.starts_at <= (one.ends_at or one.starts_at), "an alert ends before it starts")
        demand(1970 <= one.starts_at.year < 3000, f"an alert starts at {one.starts_at}")
        demand(len(one.fingerprint) == 16, "a fingerprint was taken that is none")
    ends = {one.key: one.ends_at for one in settle(told)}
    again = {one.key: one.ends_at for one in settle([*reversed(told), *told])}
    demand(ends == again, "an alert's end depends on the order in which it is told")


def make_stripe_target(runner: asyncio.Runner) -> Callable[[bytes], None]:
    """A target that reads signed Stripe bodies: a sound submission, the same each time, or a
    refusal.
    """

    async def read_in_loop(raw: bytes) -> None:
        try:
            event = _STRIPE.read(raw)
        except MalformedBody as problem:
            _check_problem(problem)
            return
        submission = _STRIPE.submission(raw, event)
        check_submission(submission, _CATALOGUE)
        again = _STRIPE.submission(raw, _STRIPE.read(raw))
        demand(again.entries == submission.entries, "one body was translated in two ways")
        demand(again.dead_letter == submission.dead_letter, "one body became two dead letters")

    # An answer that is waited for belongs to a loop.
    return lambda raw: runner.run(read_in_loop(raw))


def read_json(raw: bytes) -> None:
    """What is taken is what another reader takes, to the value; what isn't is refused."""
    try:
        value = strict_json.decode(raw)
    except (MalformedBody, EventRefusedError):
        return
    expected = json.loads(raw, object_pairs_hook=_demand_unique, parse_constant=_refuse_constant)
    demand(expected == value, f"{value!r:.200} was read for {expected!r:.200}")


def check_signature(raw: bytes) -> None:
    """The first line as the header of the rest: taken only if it was signed within 5 minutes."""
    header, _, body = raw.partition(b"\n")
    try:
        verify(body, header, (SECRET,), NOW.timestamp)
    except InvalidSignature as problem:
        _check_problem(problem)
        return
    parts = [part.split("=") for part in header.decode("ascii").split(",")]
    seconds = next(int(part[1]) for part in parts if part[0] == "t")
    demand(abs(seconds - NOW.timestamp()) <= 300, f"a signature of {seconds} was taken")
    signed = true_signature(body, SECRET, seconds)
    demand(["v1", signed] in [part[:2] for part in parts], "a forged signature was taken")


def make_config_target(folder: Path) -> Callable[[bytes], None]:
    """A target that reads `billing.yml`: a usable configuration, or errors with their line."""
    path = folder / "billing.yml"

    def read(raw: bytes) -> None:
        path.write_bytes(raw)
        try:
            config = read_config(path, DECIMALS, RESOURCE_TYPE.values)
        except SettingsError as error:
            for line in str(error).splitlines():
                demand(line.startswith(f"{path}"), f"an error without its place: {line}")
            return
        catalogue = make_catalogue(config, (True, False))
        demand(config.default_currency in DECIMALS, "a currency was taken that isn't one")
        demand(bool(catalogue.values(PLAN)), "no plan is left")
        for name in (*config.plans, *config.meters, *config.credit_reasons):
            demand(name.isascii() and name.isprintable(), f"a name was taken: {name!r}")
        demand(read_again(config, path) == config, "a configuration reads otherwise once written")

    def read_again(config: Any, path: Path) -> Any:
        plain = msgspec.to_builtins(config)
        path.write_text(yaml.safe_dump(plain), encoding="utf-8")
        return read_config(path, DECIMALS, RESOURCE_TYPE.values)

    return read


_TARGETS = {
    "events": read_events,
    "alerts": read_alerts,
    "json": read_json,
    "signature": check_signature,
}
TARGETS = ("events", "stripe", "alerts", "json", "signature", "config")


@contextmanager
def opened_target(name: str, folder: Path) -> Iterator[Callable[[bytes], None]]:
    """The target of that name; `folder` is where one that reads files may write them."""
    if name == "stripe":
        with asyncio.Runner() as runner:
            yield make_stripe_target(runner)
    elif name == "config":
        yield make_config_target(folder)
    else:
        yield _TARGETS[name]


def _check_problem(problem: Problem) -> None:
    """It can be told, in few words."""
    encode_document(problem, "/")
    demand(400 <= problem.status < 500, f"{problem.status} for what the client sent")
    demand(bool(problem.detail and problem.remedy), "a refusal says nothing")
    demand(len(problem.detail) < _LONGEST_ERROR, "a refusal repeats what was sent")
    for error in problem.errors:
        demand(bool(error["reason"] and error["remedy"]), "a bad event is named without a reason")
        demand(len(error["reason"]) < _LONGEST_ERROR, "a reason repeats what was sent")


def _demand_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    demand(len(found) == len(pairs), "a key that stands twice was taken")
    return found


def _refuse_constant(name: str) -> Any:
    demand(False, f"{name} was taken")
