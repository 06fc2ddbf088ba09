"""One exporter: what it exposes, and how its Stripe route treats a stranger."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from exporter import __version__
from exporter.catalogue import metrics as m
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import METRICS
from exporter.catalogue.model import Metric
from exporter.cli.verification.samples import Samples, families, parse, total
from exporter.cli.verification.sheet import CLOCK, CLOCK_REMEDY, LOOSE_SECONDS, Item, Sheet
from exporter.endpoint import Endpoint, EndpointFault
from exporter.exposition import Exposition

CHECKS: Mapping[str, str] = {
    "answers": "It answers, and takes events",
    "version": "It is of the version of this command",
    "metrics": "The five metrics of billing are exported",
    "catalogue": "It has every metric of the catalogue, and no other",
    "events": "Billing events arrive",
    "webhooks": "Stripe's webhooks arrive, and are signed",
    "signatures": "A webhook with a wrong signature is refused and counted",
    "clock": CLOCK,
    "database_clock": "Its clock agrees with its database's",
}
FIVE = (
    m.SUBSCRIPTION_CREATED,
    m.PAYMENT_PROCESSED,
    m.STRIPE_WEBHOOK_RECEIVED,
    m.USAGE_TRACKED,
    m.CREDITS_ADDED,
)
_SERVE = "Start it with `billing-exporter serve`, look at its log, and name it by --exporter."
_FORGED = "t=1,v1=" + 64 * "0"
_FORGES = "signatures"
_REFUSED = 400
_CLOSED = 404


class ExporterServer(Endpoint):
    """An exporter by its address."""

    kind: ClassVar[str] = "exporter"
    remedies: ClassVar[Mapping[int, str]] = {
        401: "write name and password into its address: https://name:password@host:9568"
    }


@dataclass(frozen=True, slots=True)
class Exporter:
    """One that answered: its `samples` at that time, and the `names` of its metrics."""

    server: ExporterServer
    telemetry_path: str
    replica: str
    version: str
    names: frozenset[str]
    samples: Samples

    def scrape(self) -> Samples:
        """What it exposes now."""
        return parse(self.server.ask("GET", self.telemetry_path).body.decode())


@dataclass(frozen=True)
class ExporterLook:
    """Looks at exporters. `exposition` knows the deployment's names, `webhooks` says whether Stripe
    sends some, `forges` whether to send a forged one, and clocks may be `skew_seconds` apart.
    """

    exposition: Exposition
    telemetry_path: str
    webhooks: bool
    forges: bool
    skew_seconds: float

    def verify(self, server: ExporterServer) -> tuple[list[Item], Exporter | None]:
        """The answers, and the exporter if there is one."""
        checks = {name: item for name, item in CHECKS.items() if self.forges or name != _FORGES}
        sheet = Sheet(f"exporter {server.address}", checks, self.skew_seconds)
        exporter = None
        with sheet.reaching(_SERVE):
            sheet.judge_clock(server.ask("GET", "/-/healthy").skew_seconds)
            ready = _is_ready(server)
            sheet.judge("answers", ready, "" if ready else "it isn't ready", "Run `doctor`.")
            exporter = self._read(server)
            self._judge_names(sheet, exporter)
            self._judge_traffic(sheet, exporter)
            self._judge_database_clock(sheet, exporter)
            if self.forges:
                self._try_signature(sheet, exporter)
        return sheet.items(), exporter

    def _read(self, server: ExporterServer) -> Exporter:
        text = server.ask("GET", self.telemetry_path).body.decode()
        samples = parse(text)
        name = self.exposition.name(own.BUILD_INFO)
        build = next((dict(pairs) for found, pairs in samples if found == name), {})
        return Exporter(
            server,
            self.telemetry_path,
            build.get("replica", ""),
            build.get("version", ""),
            frozenset(families(text)),
            samples,
        )

    def _judge_names(self, sheet: Sheet, exporter: Exporter) -> None:
        namespace = "Give this command the exporter's billing.yml: its `namespace` is in the names."
        sheet.judge(
            "version",
            exporter.version == __version__,
            f"version {exporter.version or 'unknown'}, replica {exporter.replica or 'unknown'}",
            f"Roll {__version__} out to all replicas, or run the exporter's own `verify`.",
        )
        there = [metric for metric in FIVE if self._has_series(exporter, metric)]
        lacking = [self.exposition.name(metric) for metric in FIVE if metric not in there]
        sheet.judge(
            "metrics",
            not lacking,
            f"{', '.join(lacking)} not there" if lacking else self.exposition.name(FIVE[0]) + ", …",
            f"Wait until /-/ready answers 200. {namespace}",
        )
        known = {self.exposition.name(metric) for metric in METRICS}
        odd = sorted(known ^ exporter.names)
        sheet.judge(
            "catalogue",
            not odd,
            f"not on both sides: {', '.join(odd[:5])}" if odd else f"{len(known)} metrics",
            f"Run the exporter's own version of this command. {namespace}",
        )

    def _has_series(self, exporter: Exporter, metric: Metric) -> bool:
        """Also of one whose first series comes with its first event."""
        name = self.exposition.name(metric)
        return name in exporter.names and (
            not metric.zero or any(found == name for found, _ in exporter.samples)
        )

    def _judge_traffic(self, sheet: Sheet, exporter: Exporter) -> None:
        received = self.exposition.name(m.EVENTS_RECEIVED)
        app, stripe = (
            int(total(exporter.samples, received, source=source)) for source in ("app", "stripe")
        )
        sheet.judge(
            "events",
            bool(app or stripe),
            f"{app} from the app, {stripe} from Stripe",
            "Send one: POST /api/v1/events; docs/events.md has examples.",
        )
        signed = int(total(exporter.samples, self.exposition.name(own.WEBHOOK_SIGNATURES)))
        sheet.judge(
            "webhooks",
            bool(signed) or not self.webhooks,
            f"{signed} since its start" if self.webhooks else "the route is closed (billing.yml)",
            "Send a test event from Stripe; if it is answered 400, compare STRIPE_WEBHOOK_SECRET "
            "with the endpoint's signing secret.",
        )

    def _judge_database_clock(self, sheet: Sheet, exporter: Exporter) -> None:
        name = self.exposition.name(own.DATABASE_CLOCK_AHEAD)
        ahead = next(
            (value for (found, _), value in exporter.samples.items() if found == name), None
        )
        if ahead is None:
            sheet.miss("database_clock", "it hasn't measured it yet", "Ask again in a minute.")
        else:
            good = abs(ahead) <= self.skew_seconds + LOOSE_SECONDS
            sheet.judge("database_clock", good, f"{ahead:.3f} s", CLOCK_REMEDY)

    def _try_signature(self, sheet: Sheet, exporter: Exporter) -> None:
        """One forged event changes nothing but the count of those."""
        name = self.exposition.name(own.WEBHOOK_REJECTED)
        before = total(exporter.scrape(), name, reason="invalid_signature")
        status = 200
        try:
            headers = {"Stripe-Signature": _FORGED}
            exporter.server.ask("POST", "/api/webhooks/stripe", b"{}", headers)
        except EndpointFault as fault:
            if fault.status is None:
                raise
            status = fault.status
        if status == _CLOSED and not self.webhooks:
            sheet.judge("signatures", True, "the route is closed (billing.yml)", "")
            return
        counted = int(total(exporter.scrape(), name, reason="invalid_signature") - before)
        sheet.judge(
            "signatures",
            status == _REFUSED and counted > 0,
            f"answered {status}, counted {counted}",
            "It must be answered 400 and counted once: name the replica itself by --exporter, not "
            "what stands in front of it.",
        )


def _is_ready(server: ExporterServer) -> bool:
    try:
        server.ask("GET", "/-/ready")
    except EndpointFault as fault:
        if fault.status is None:
            raise
        return False
    return True
