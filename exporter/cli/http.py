"""The command line's requests to the running exporter."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from exporter.cli.secrets import find_keys
from exporter.errors import BillingError
from exporter.ledger.audit import os_actor
from exporter.settings import Settings, SettingsError
from exporter.settings.web_config import TlsConfig, read_web_config
from exporter.web.tls import TlsFault, read_certificate

_TIMEOUT_SECONDS = 10.0


def base_url(settings: Settings) -> str:
    """Where the exporter of these settings listens."""
    host, port = settings.listen_addresses[0]
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared only
    scheme = "https" if _tls(settings) else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _tls(settings: Settings) -> TlsConfig | None:
    """How the exporter of these settings speaks TLS. Raises BillingError for a bad file."""
    if settings.web_config_file is None:
        return None
    try:
        return read_web_config(settings.web_config_file, lambda _: ()).tls_server_config
    except SettingsError as error:
        raise BillingError(f"the web configuration can't be used: {error}") from None


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Trusts the exporter's own certificate, whoever signed it and whatever it is for: the
    address is one of this machine's.
    """
    tls, path = _tls(settings), settings.web_config_file
    if tls is None or path is None:
        return None
    try:
        certificate = read_certificate(tls, path.parent).decode("ascii")
        context = ssl.create_default_context(cadata=certificate)
    except (TlsFault, ValueError, ssl.SSLError) as error:
        raise BillingError(f"the exporter's certificate can't be used: {error}") from None
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def request(settings: Settings, method: str, path: str, *, key: bool = False) -> tuple[int, Any]:
    """Status and content (JSON decoded) of an answer. Raises OSError when nobody answers."""
    headers = {}
    if key:
        headers["Authorization"] = f"Bearer {find_keys(settings).admin_key.reveal()}"
        headers["Billing-Operator"] = os_actor()
    call = urllib.request.Request(base_url(settings) + path, method=method, headers=headers)  # noqa: S310 - http of our own
    try:
        with urllib.request.urlopen(  # noqa: S310 - the same
            call, timeout=_TIMEOUT_SECONDS, context=tls_context(settings)
        ) as answer:
            return answer.status, _content(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _content(error.read())


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
