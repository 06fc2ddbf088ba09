"""A whole installation, part by part: each tells the next what it found."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

import psycopg

from exporter.alertmanager import Alertmanager
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import METRICS, Catalogue
from exporter.cli.http import base_url, tls_context
from exporter.cli.secrets import ADMIN_KEY_FILE, WEBHOOK_SECRET_FILE, find_keys
from exporter.cli.verification import alertmanagers as am
from exporter.cli.verification import ledger as lg
from exporter.cli.verification import prometheus as pm
from exporter.cli.verification.exporters import Exporter, ExporterLook, ExporterServer
from exporter.cli.verification.grafana import Grafana, dashboards, verify_grafana
from exporter.cli.verification.samples import Counted
from exporter.cli.verification.sheet import Item, Sheet
from exporter.exposition import Exposition
from exporter.ledger.connection import connect_once
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.verification import LedgerView
from exporter.settings import Settings
from exporter.settings.thresholds import THRESHOLDS
from exporter.wiring import make_catalogue

_SKEW = "clock_skew_high_seconds"
_LEDGER = "Set DATABASE_URL, or BILLING_DATA_DIR, as the exporter has it."


@dataclass(frozen=True)
class Installation:
    """Where the settings say that all of it is. Prometheus must have the rules `alerts`; a backup
    may be `backup_seconds` old, 0 asks for none. With `trial` people are sent a test alert, and
    with `forges` exporters a forged webhook.
    """

    settings: Settings
    alerts: Sequence[str]
    backup_seconds: float
    trial: bool
    forges: bool

    def verify(self, addresses: Sequence[str]) -> list[Item]:
        """All items, in the order in which somebody would look; the exporters are there."""
        exporters, items = self._look_at_exporters(addresses)
        replicas = {exporter.replica for exporter in exporters}
        with self._opened() as (view, reason):
            usable = view if view and not reason else None
            # Where they can't be read, the ledger's own item says so.
            with suppress(psycopg.Error):
                replicas |= _live(usable)
            prometheus, targets, of_prometheus = self._look_at_prometheus(exporters, replicas)
            if view:
                items += self._ledger_look(exporters, prometheus, targets).verify(view)
            else:
                items += _left("ledger", lg.CHECKS, reason, _LEDGER)
            items += of_prometheus
            items += self._look_at_alertmanagers(usable)
        if url := self.settings.grafana_url:
            token = self.settings.grafana_token
            server = Grafana(url, bearer=token.reveal() if token else "")
            name = self._exposition.name(own.BUILD_INFO)
            wanted = dashboards(webhooks=self.settings.config.stripe.webhooks)
            items += verify_grafana(server, wanted, name, self._skew_seconds)
        return items

    @cached_property
    def _exposition(self) -> Exposition:
        return Exposition(self.settings.config.namespace)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return make_catalogue(self.settings.config, self.settings.livemodes)

    @cached_property
    def _skew_seconds(self) -> float:
        default = next(one.default for one in THRESHOLDS if one.name == _SKEW)
        return self.settings.config.alerts.thresholds.get(_SKEW, default)

    def _look_at_exporters(self, addresses: Sequence[str]) -> tuple[list[Exporter], list[Item]]:
        settings = self.settings
        look = ExporterLook(
            self._exposition,
            settings.telemetry_path,
            settings.config.stripe.webhooks,
            self.forges,
            self._skew_seconds,
        )
        own_address = base_url(settings)
        exporters, items = [], []
        for address in addresses:
            server = ExporterServer(address)
            if address.rstrip("/") == own_address:
                server = ExporterServer(
                    address, bearer=_find_key(settings), context=tls_context(settings)
                )
            found, exporter = look.verify(server)
            items += found
            exporters += [exporter] if exporter else []
        return exporters, items

    def _look_at_prometheus(
        self, exporters: Sequence[Exporter], replicas: set[str]
    ) -> tuple[pm.Prometheus | None, list[pm.Target], list[Item]]:
        if not self.settings.prometheus_url:
            return None, [], _not_given("Prometheus", pm.CHECKS, "--prometheus or PROMETHEUS_URL")
        names = {name for exporter in exporters for name in exporter.names}
        look = pm.PrometheusLook(
            self._exposition,
            self.settings.config.alerts.job,
            replicas,
            names or {self._exposition.name(metric) for metric in METRICS},
            self.alerts,
            len(self.settings.alertmanager_urls),
            self._skew_seconds,
        )
        prometheus = pm.Prometheus(self.settings.prometheus_url)
        items, targets = look.verify(prometheus)
        return prometheus, targets, items

    def _ledger_look(
        self,
        exporters: Sequence[Exporter],
        prometheus: pm.Prometheus | None,
        targets: Sequence[pm.Target],
    ) -> lg.LedgerLook:
        return lg.LedgerLook(
            Counted(self._catalogue, self.settings.config.namespace),
            exporters,
            prometheus,
            targets,
            self.backup_seconds,
            self._skew_seconds,
        )

    def _look_at_alertmanagers(self, view: LedgerView | None) -> list[Item]:
        urls = self.settings.alertmanager_urls
        if not urls:
            return _not_given("Alertmanager", am.CHECKS, "--alertmanager or ALERTMANAGER_URL")
        last_told = view.last_told if view else None
        look = am.AlertmanagerLook(last_told, self.trial, self._skew_seconds)
        return [item for url in urls for item in look.verify(Alertmanager(url))]

    @contextmanager
    def _opened(self) -> Iterator[tuple[LedgerView | None, str]]:
        """The ledger if it can be reached, and why it can't be used."""
        settings, server = self.settings, None
        conninfo = settings.database_url.reveal() if settings.database_url else ""
        if not conninfo and (server := EmbeddedServer.find_running(settings.data_dir)):
            conninfo = server.conninfo()
        try:
            if not conninfo:
                yield None, f"no embedded PostgreSQL runs in {settings.data_dir}"
                return
            try:
                connection = connect_once(conninfo)
            except psycopg.Error as error:
                yield None, str(error).strip().partition("\n")[0]
                return
            with connection:
                view, lacks = LedgerView(connection, self._catalogue), False
                with suppress(psycopg.Error):
                    lacks = view.missing_migrations() > 0
                yield view, "its schema isn't there" if lacks else ""
        finally:
            if server:
                server.close()


def _find_key(settings: Settings) -> str:
    """What opens /metrics where the web configuration guards it; "" if there is none yet."""
    made = (ADMIN_KEY_FILE, WEBHOOK_SECRET_FILE) if settings.development else ()
    if settings.web_config_file is None or not all(
        (settings.data_dir / name).exists() for name in made
    ):
        return ""
    return find_keys(settings).admin_key.reveal()


def _live(view: LedgerView | None) -> set[str]:
    return {one.replica for one in view.names() if one.live} if view else set()


def _not_given(part: str, checks: Mapping[str, str], options: str) -> list[Item]:
    return _left(part, checks, "no address is given", f"Give it by {options}.")


def _left(part: str, checks: Mapping[str, str], reason: str, remedy: str) -> list[Item]:
    sheet = Sheet(part, checks)
    sheet.leave(reason, remedy)
    return sheet.items()
