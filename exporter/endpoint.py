"""Requests to somebody else's HTTP server. They block."""

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from exporter.errors import BillingError

_TIMEOUT_SECONDS = 10.0
_LONGEST_SHOWN = 300


class EndpointFault(BillingError):
    """A server can't be reached (`status` is None), or answered with an error."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A password must not follow to another address."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


@dataclass(frozen=True)
class Reply:
    """What was answered. `skew_seconds` is how far the server's clock is ahead of ours, to the
    second; None if it doesn't tell.
    """

    body: bytes
    skew_seconds: float | None


@dataclass(frozen=True)
class Endpoint:
    """One server by its address, in which a name and a password may stand; `bearer` is sent in
    their place. Its methods raise EndpointFault.
    """

    kind: ClassVar[str] = "server"
    remedies: ClassVar[Mapping[int, str]] = {}

    url: str
    timeout_seconds: float = _TIMEOUT_SECONDS
    bearer: str = field(default="", repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The address without name and password."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; an answer of 300 or more is a fault."""
        sent = {"Content-Type": "application/json", **self._authorization(), **(headers or {})}
        call = urllib.request.Request(  # noqa: S310 - whoever gave the address, checked its scheme
            self.address.rstrip("/") + path, body, sent, method=method
        )
        opener = urllib.request.build_opener(
            _NoRedirects(), urllib.request.HTTPSHandler(context=self.context)
        )
        begun_seconds = time.time()
        try:
            with opener.open(call, timeout=self.timeout_seconds) as answer:
                raw = answer.read()
                return Reply(raw, _skew_seconds(answer.headers.get("Date"), begun_seconds))
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace").strip()[:_LONGEST_SHOWN]
            remedy = self.remedies.get(error.code, "")
            told = f"answered {error.code}{remedy and f' ({remedy})'}: {said}"
            raise self.fault(told, error.code) from None
        except (OSError, http.client.HTTPException) as error:
            raise self.fault(f"can't be reached: {getattr(error, 'reason', error)}") from None

    def ask_json(
        self,
        method: str,
        path: str,
        content: Any = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        """The same with JSON both ways; None for an empty answer."""
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        body = None if content is None else json.dumps(content).encode()
        raw = self.ask(method, path + query, body).body
        try:
            return json.loads(raw) if raw else None
        except ValueError:
            raise self.fault(f"answered something else than JSON at {path}", 200) from None

    def fault(self, what: str, status: int | None = None) -> EndpointFault:
        """What is wrong with it, to be raised."""
        return EndpointFault(f"the {self.kind} at {self.address} {what}", status)

    def _authorization(self) -> dict[str, str]:
        if self.bearer:
            return {"Authorization": f"Bearer {self.bearer}"}
        user, colon, password = urlsplit(self.url).netloc.rpartition("@")[0].partition(":")
        if not user and not colon:
            return {}
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _skew_seconds(date: str | None, begun_seconds: float) -> float | None:
    """From a Date header, which is cut to the second, and when the request began."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    if told > time.time():
        return told - time.time()
    return min(0.0, told + 1 - begun_seconds)
