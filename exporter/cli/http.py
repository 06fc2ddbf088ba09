"""The command line's requests to the running exporter."""

import json
import urllib.error
import urllib.request
from typing import Any

from exporter.cli.secrets import find_keys
from exporter.settings import Settings

_TIMEOUT_SECONDS = 10.0


def base_url(settings: Settings) -> str:
    """Where the exporter of these settings listens."""
    host, port = settings.listen_addresses[0]
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared only
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def request(settings: Settings, method: str, path: str, *, key: bool = False) -> tuple[int, Any]:
    """Status and content (JSON decoded) of an answer. Raises OSError when nobody answers."""
    headers = {}
    if key:
        headers["Authorization"] = f"Bearer {find_keys(settings).admin_key.reveal()}"
    call = urllib.request.Request(base_url(settings) + path, method=method, headers=headers)  # noqa: S310 - http of our own
    try:
        with urllib.request.urlopen(call, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return answer.status, _content(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _content(error.read())


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
