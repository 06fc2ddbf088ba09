"""Puts the parts together and runs them; the only module that knows them all."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.routing import Route

from exporter import __version__
from exporter.catalogue import own_metrics as own
from exporter.catalogue.book import Catalogue
from exporter.catalogue.labels import PLAN
from exporter.catalogue.metrics import EVENT_METRICS
from exporter.catalogue.own_metrics import OWN_METRICS
from exporter.exposition import Exposition
from exporter.ingest.auth import AdminKey
from exporter.ingest.dead_letters import PATH as REPLAY_PATH
from exporter.ingest.dead_letters import ReplayRoute
from exporter.ingest.events import EventsRoute
from exporter.ingest.stripe import StripeRoute
from exporter.ingest.stripe_entry import StripeEntries
from exporter.ingest.telemetry import Telemetry
from exporter.ledger.connection import make_pool
from exporter.ledger.dead_letters import DeadLetters
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.highwater import Highwater
from exporter.ledger.lease import Lease
from exporter.ledger.sealing import Sealer
from exporter.ledger.writer import Writer
from exporter.monitors.supervisor import Supervisor
from exporter.monitors.ties import make_fetch, make_ties_monitor
from exporter.monitors.upkeep import make_monitors
from exporter.settings import Config, Secret, Settings
from exporter.stripe_events.plans import PlanNames
from exporter.totals import Totals
from exporter.web.app import make_app
from exporter.web.pages import Pages

_log = structlog.get_logger(component="serve")
_REVIVE_SECONDS = 1.0


@dataclass(frozen=True)
class Keys:
    """The secrets that the running server checks requests with."""

    admin_key: Secret
    stripe_webhook_secrets: tuple[Secret, ...]


def make_catalogue(config: Config, livemodes: tuple[bool, ...]) -> Catalogue:
    """The catalogue with the closed sets that the configuration gives."""
    configured: dict[str, tuple[str, ...]] = {
        "stripe.mode": tuple("true" if livemode else "false" for livemode in livemodes),
        "currencies": config.currencies or (config.default_currency,),
    }
    for key in ("plans", "meters", "credit_reasons"):
        if names := tuple(getattr(config, key)):
            configured[key] = names
    return Catalogue(configured)


class Exporter:
    """The running exporter. `database` gives the connection string at any time; `server` is
    the embedded PostgreSQL behind it, if it is that.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        database: Callable[[], str],
        server: EmbeddedServer | None,
    ) -> None:
        self._settings = settings
        self._server = server
        config = settings.config
        catalogue = make_catalogue(config, settings.livemodes)
        self.totals = Totals(catalogue, EVENT_METRICS)
        self.health = Totals(catalogue, OWN_METRICS)
        self.health.set(own.BUILD_INFO, (__version__, settings.replica), 1)
        lease = Lease(settings.replica, Highwater(settings.data_dir, settings.replica))
        sealer = Sealer()
        self.writer = Writer(
            database,
            lease=lease,
            catalogue=catalogue,
            totals=self.totals,
            health=self.health,
            sealer=sealer,
        )
        self._pool = make_pool(database)
        self._supervisor = Supervisor(self._pool, lease.holder, self.health, self.writer.ready)
        key = AdminKey(keys.admin_key.reveal())
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
        secrets = tuple(secret.reveal() for secret in keys.stripe_webhook_secrets)
        pages = Pages(
            Exposition(config.namespace),
            self.totals,
            self.health,
            self.writer,
            settings.telemetry_path,
            settings.replica,
            self.writer.observe,
        )
        replay = ReplayRoute(key, entries, self.writer, DeadLetters(self._pool, sealer))
        self.app = make_app(
            {
                "/api/v1/events": EventsRoute(key, telemetry, self.writer),
                "/api/webhooks/stripe": StripeRoute(
                    secrets if config.stripe.webhooks else (),
                    entries,
                    self.writer,
                    catalogue,
                    self.health,
                ),
            },
            [
                *pages.routes(),
                Route(REPLAY_PATH, replay.replay, methods=["POST"]),
            ],
        )

    async def serve(self, sockets: list[socket.socket], announce: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; calls `announce` once events are taken. Raises
        LeaseHeld, Superseded or MigrationError.
        """
        config = uvicorn.Config(
            self.app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            ws="none",
        )
        server = _Server(config)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stopped.set)
        writer = asyncio.create_task(self.writer.run(), name="writer")
        http = asyncio.create_task(server.serve(sockets), name="http")
        await self._pool.open(wait=False)
        side = [
            asyncio.create_task(self._supervise_monitors(), name="monitors"),
            asyncio.create_task(self._revive(), name="revive"),
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
        await self._pool.close(timeout=2)
        await writer
        await http

    async def _supervise_monitors(self) -> None:
        settings = self._settings
        monitors = list(make_monitors(settings.config.id_retention_days, self.health))
        if settings.stripe_secret_key:
            key = settings.stripe_secret_key.reveal()
            monitors.append(
                make_ties_monitor(make_fetch(key, settings.stripe_api_base), self._plans)
            )
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
    announce()


class _Server(uvicorn.Server):
    """Leaves the signals to us: the writer has to finish after the last request."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
