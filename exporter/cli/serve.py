"""`serve`: the exporter itself."""

import json
import shlex
import signal
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

import click
import structlog
import uvloop

from exporter.catalogue.events import APP_KINDS
from exporter.cli.context import read_settings, refuse_settings
from exporter.cli.logs import configure
from exporter.cli.secrets import ADMIN_KEY_FILE, WEBHOOK_SECRET_FILE, find_keys
from exporter.cli.signals import SHELL_SIGNAL, EarlySignals
from exporter.errors import BillingError
from exporter.ledger.embedded import EmbeddedServer
from exporter.ledger.place import make_data_folder
from exporter.settings import Settings, SettingsError
from exporter.web.web_file import WebFile
from exporter.wiring import Exporter, Keys

_log = structlog.get_logger(component="serve")


@click.command()
@click.option(
    "--web.listen-address",
    "listen_addresses",
    multiple=True,
    metavar="HOST:PORT",
    envvar="BILLING_LISTEN_ADDRESS",
    show_envvar=True,
    help="Where to listen; repeatable.",
)
@click.option(
    "--web.config.file",
    "web_config_file",
    metavar="FILE",
    envvar="BILLING_WEB_CONFIG_FILE",
    show_envvar=True,
    help="TLS, basic authentication, headers and rate limit; read again when it changes.",
)
@click.option(
    "--web.telemetry-path",
    "telemetry_path",
    metavar="PATH",
    envvar="BILLING_TELEMETRY_PATH",
    show_envvar=True,
    help="Path of the metrics.",
)
def serve(
    listen_addresses: tuple[str, ...], web_config_file: str | None, telemetry_path: str | None
) -> None:
    """Take events and serve metrics until SIGINT or SIGTERM."""
    overrides = {}
    if listen_addresses:
        overrides["BILLING_LISTEN_ADDRESS"] = ",".join(listen_addresses)
    if telemetry_path:
        overrides["BILLING_TELEMETRY_PATH"] = telemetry_path
    if web_config_file:
        overrides["BILLING_WEB_CONFIG_FILE"] = web_config_file
    settings = read_settings(overrides)
    web = _read_web_file(settings)
    configure(settings)
    signals = EarlySignals()
    try:
        sockets = [_listen(host, port) for host, port in settings.listen_addresses]
        keys = _prepare(settings)
        if len(settings.livemodes) > 1:
            _log.info("no Stripe mode is set: live and test events both count, by `livemode`")
        server = None
        if settings.database_url:
            database: Callable[[], str] = settings.database_url.reveal
        else:
            server = EmbeddedServer.open(settings.data_dir, binaries=settings.postgres_binaries)
            database = server.conninfo
        try:
            signals.release()
            exporter = Exporter(settings, keys, database, server, web)
            _run(settings, exporter, sockets, "https" if web and web.context else "http")
        finally:
            if server:
                server.close()
    except BillingError as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(SHELL_SIGNAL + signal.SIGINT)


def _read_web_file(settings: Settings) -> WebFile | None:
    if settings.web_config_file is None:
        return None
    try:
        return WebFile(settings.web_config_file)
    except SettingsError as error:
        refuse_settings(error)


def _prepare(settings: Settings) -> Keys:
    """The data folder is there, and the secrets are known."""
    try:
        make_data_folder(settings.data_dir)
        return find_keys(settings)
    except OSError as error:
        _refuse(
            f"the data folder {settings.data_dir} can't be used: {error.strerror}. Mend its "
            "permissions, or name another one with BILLING_DATA_DIR."
        )


def _refuse(message: str) -> NoReturn:
    """Say why in the log's own form, and exit with 1."""
    _log.error(message)
    sys.exit(1)


def _run(settings: Settings, exporter: Exporter, sockets: list[socket.socket], scheme: str) -> None:
    host, port = sockets[0].getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    _log.info("listening", address=address, replica=settings.replica)

    def announce() -> None:
        _log.info("taking events", address=address)
        if settings.development:
            click.echo(_first_steps(settings, f"{scheme}://{address}"))
            sys.stdout.flush()

    uvloop.run(exporter.serve(sockets, announce))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        _refuse(
            f"can't listen on {host}:{port}: {error.strerror}. Stop what listens there, or choose "
            "another address with --web.listen-address."
        )
    return listening


def _first_steps(settings: Settings, base: str) -> str:
    example = next(kind.example for kind in APP_KINDS if kind.name == "payment_processed")
    event = {
        **example,
        "id": "first-payment",
        "occurred_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    key = shlex.quote(str(settings.data_dir / ADMIN_KEY_FILE))
    secret = shlex.quote(str(settings.data_dir / WEBHOOK_SECRET_FILE))
    return f"""
The exporter takes events at {base} (metrics at {base}{settings.telemetry_path}).
Nothing is configured, so development secrets are kept in {settings.data_dir}.
Send the first event:

curl -sS -X POST {base}/api/v1/events -H "Authorization: Bearer $(cat {key})" \
-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(event))}

Stripe's events go to {base}/api/webhooks/stripe; the signing secret is in {secret}.
"""
