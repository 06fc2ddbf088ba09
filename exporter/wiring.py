"""Puts the parts together and runs them; the only module that knows them all."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
import uvicorn

from exporter import __version__
from exporter.caching import Cache, Shared
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.labels import PLAN, RESOURCE_TYPE
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.exposition import Exposition
from exporter.ingest.alertmanager import AlertmanagerRoute
from exporter.ingest.attempts import RefusedAttempts
from exporter.ingest.auth import ApiKeys
from exporter.ingest.dead_letters import ROUTE as REPLAY_ROUTE
from exporter.ingest.dead_letters import ReplayRoute
from exporter.ingest.events import EventsRoute
from exporter.ingest.stripe import StripeRoute
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.alert_history import AlertHistory
from exporter.ledger.api_keys import KeyStore
from exporter.ledger.connection import make_pool
from exporter.ledger.dead_letters import DeadLetters
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.highwater import Highwater
from exporter.ledger.lease import Lease
from exporter.ledger.lending import Lender
from exporter.ledger.plans import write_plans
from exporter.ledger.sealing import Sealer
from exporter.ledger.writer import Writer
from exporter.monitors.alerting import make_alert_monitors
from exporter.monitors.health import make_health_monitors, note_outage
from exporter.monitors.supervisor import Supervisor
from exporter.monitors.ties import make_fetch, make_ties_monitor
from exporter.monitors.upkeep import make_monitors
from exporter.reloading import Reloadable, Reloader
from exporter.settings import Config, Secret, SecretFile, Settings, decoded
from exporter.stripe_events.plans import PlanNames
from exporter.totals import Totals
from exporter.web.access import routes_with
from exporter.web.alerts import alert_pages
from exporter.web.app import make_site
from exporter.web.disk import DiskHealth
from exporter.web.guard import guarded
from exporter.web.health import health_pages
from exporter.web.organizations import organization_pages
from exporter.web.pages import Pages
from exporter.web.process import ProcessHealth
from exporter.web.protocol import make_protocol, sweep
from exporter.web.server import Server
from exporter.web.web_file import WebFile

_log = structlog.get_logger(component="serve")
_REVIVE_SECONDS = 1.0
# Few objects here form cycles, and a request makes hundreds.
_GC_THRESHOLDS = (20_000, 20, 50)


@dataclass(frozen=True)
class Keys:
    """The secrets that the running server checks requests with, and the files of any secret."""

    admin_key: Secret
    stripe_webhook_secret: Secret
    files: tuple[SecretFile, ...]


def make_catalogue(config: Config, livemodes: tuple[bool, ...]) -> Catalogue:
    """The catalogue with the closed sets that the configuration gives."""
    configured: dict[str, tuple[str, ...]] = {
        "stripe.mode": tuple("true" if livemode else "false" for livemode in livemodes),
        "currencies": config.currencies or (config.default_currency,),
    }
    for key in ("plans", "meters", "credit_reasons"):
        if names := tuple(getattr(config, key)):
            configured[key] = names
    places = range(1, config.usage.top_organizations + 1)
    configured["usage.top_organizations"] = tuple(str(place) for place in places)
    return Catalogue(configured)


class Exporter:
    """The running exporter. `database` gives the connection string at any time; `server` is
    the embedded PostgreSQL behind it, if it is that, and `web` what `--web.config.file` names.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        database: Callable[[], str],
        server: EmbeddedServer | None,
        web: WebFile | None = None,
    ) -> None:
        self._settings = settings
        self._server = server
        self._web = web
        config = settings.config
        catalogue = make_catalogue(config, settings.livemodes)
        self.totals = Totals(catalogue, EVENT_METRICS)
        self.health = Totals(catalogue, OWN_METRICS)
        self.health.set(own.BUILD_INFO, (__version__, settings.replica), 1)
        lease = Lease(settings.replica, Highwater(settings.data_dir, settings.replica))
        sealer = Sealer(decoded(settings.encryption_key))
        self.writer = Writer(
            database,
            lease=lease,
            catalogue=catalogue,
            totals=self.totals,
            health=self.health,
            sealer=sealer,
            prepare=partial(write_plans, config=config),
        )
        self._pool = make_pool(database)
        self._lender = Lender(self._pool, self.health)
        redis_url = settings.redis_url.reveal()

        def cache_secret() -> str:
            # Who reads the ledger, or a backup's manifest, knows its id.
            return lease.ledger_id and lease.ledger_id + settings.encryption_key.reveal()

        shared = Shared(redis_url, cache_secret, self.health) if redis_url else None
        self._cache = Cache(self.health, shared)
        self._process = ProcessHealth(self.health)
        self._disk = DiskHealth(self.health, settings.data_dir)
        self._supervisor = Supervisor(self._pool, lease.holder, self.health, self.writer.ready)
        api_keys = ApiKeys(
            keys.admin_key.reveal_all,
            KeyStore(self._lender),
            RefusedAttempts(self._lender),
            self.health,
        )
        self._plans = _plan_names(config, catalogue)
        entries = StripeEntries(
            catalogue,
            self._plans,
            settings.livemodes,
            config.stripe.accounts,
        )
        telemetry = Telemetry(
            catalogue, config.default_currency, settings.livemodes[0], config.id_retention_days
        )
        pages = Pages(
            Exposition(config.namespace),
            self.totals,
            self.health,
            self.writer,
            settings.telemetry_path,
            settings.replica,
            self._observe,
        )
        replay = ReplayRoute(entries, self.writer, DeadLetters(self._lender, sealer))
        site = make_site(
            routes_with(settings.telemetry_path),
            intakes={
                "POST /api/v1/events": EventsRoute(api_keys, telemetry, self.writer),
                "POST /api/webhooks/stripe": StripeRoute(
                    keys.stripe_webhook_secret.reveal_all if config.stripe.webhooks else tuple,
                    entries,
                    self.writer,
                    self.health,
                ),
                "POST /api/webhooks/alertmanager": AlertmanagerRoute(
                    api_keys, AlertHistory(self._lender), self.health
                ),
            },
            open_pages=pages.endpoints(),
            keyed_pages={
                REPLAY_ROUTE: replay.replay,
                **alert_pages(self._lender, self._cache),
                **health_pages(self._lender, self.totals, settings.replica, self._cache),
                **organization_pages(self._lender, catalogue.spellings(RESOURCE_TYPE), self._cache),
            },
            keys=api_keys,
        )
        self.app, self.intakes = site.app, site.intakes
        files: list[Reloadable] = [*keys.files]
        if web:
            self.app = guarded(self.app, lambda: web.in_force, keys.admin_key.reveal_all)
            files.append(web)
        self.reloader = Reloader(files, self.health)

    def _observe(self) -> None:
        """Bring the gauges of this process up to date."""
        self.writer.observe()
        self._lender.observe()
        self._process.observe()
        self._disk.observe()
        if self.writer.ready.is_set() and self.writer.away:
            note_outage(self.health)

    async def serve(self, sockets: list[socket.socket], announce: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; calls `announce` once events are taken. SIGHUP reads
        secrets and the web configuration again. Raises LeaseHeld, Superseded or MigrationError.
        """
        context = self._web.context if self._web else None
        config = uvicorn.Config(
            self.app,
            loop="uvloop",
            http=make_protocol(self.intakes),
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            ws="none",
            ssl_context_factory=(lambda *_: context) if context else None,
        )
        server = Server(config, self._web)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stopped.set)
        had_terminal = sys.stderr.isatty()

        def hang_up() -> None:
            # From a terminal that was closed, it means what it does to any other program.
            gone = had_terminal and not sys.stderr.isatty()
            (stopped.set if gone else self.reloader.ask)()

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        writer = asyncio.create_task(self.writer.run(), name="writer")
        http = asyncio.create_task(server.serve(sockets), name="http")
        await self._pool.open(wait=False)
        side = [
            asyncio.create_task(self._supervise_monitors(), name="monitors"),
            asyncio.create_task(self._revive(), name="revive"),
            asyncio.create_task(self.reloader.run(), name="reload"),
            asyncio.create_task(
                sweep(server.server_state.connections, self._note_lag), name="sweep"
            ),
            asyncio.create_task(_announce(self.writer, announce), name="announce"),
        ]
        stop = asyncio.create_task(stopped.wait(), name="stop")
        await asyncio.wait({writer, http, stop}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await asyncio.wait({http})
        self.writer.stop()
        for task in (*side, stop):
            task.cancel()
        await asyncio.gather(*side, stop, return_exceptions=True)
        await self._cache.close()
        await self._pool.close(timeout=2)
        await writer
        await http

    def _note_lag(self, seconds: float) -> None:
        self.health.observe(own.EVENT_LOOP_LAG, (), seconds)

    async def _supervise_monitors(self) -> None:
        settings = self._settings
        monitors = list(make_monitors(settings.config, self.health))
        if settings.stripe_secret_key:
            fetch = make_fetch(settings.stripe_secret_key.reveal, settings.stripe_api_base)
            monitors.append(make_ties_monitor(fetch, self._plans))
        monitors += make_alert_monitors(
            settings.alertmanager_urls, settings.config.alerts, self.health
        )
        monitors += make_health_monitors(settings, monitors, self.health, self._observe)
        await self._supervisor.run(monitors)

    async def _revive(self) -> None:
        """Start the embedded server again when it went away."""
        while self._server is not None:
            await asyncio.sleep(_REVIVE_SECONDS)
            if self.writer.away:
                try:
                    await asyncio.to_thread(self._server.ensure_running)
                except Exception as error:  # noqa: BLE001 - whatever it is, try again
                    _log.error("the embedded PostgreSQL can't be started", error=str(error))


def _plan_names(config: Config, catalogue: Catalogue) -> PlanNames:
    stripe_ids = {name: plan.stripe for name, plan in config.plans.items()}
    return PlanNames({name: stripe_ids.get(name, ()) for name in catalogue.values(PLAN)})


async def _announce(writer: Writer, announce: Callable[[], None]) -> None:
    await writer.ready.wait()
    # What is there now lives as long as the process: looking through it again and again would
    # hold up requests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    announce()
