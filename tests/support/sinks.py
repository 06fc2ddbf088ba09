"""What receives notifications in place of the real services: mail, Slack, PagerDuty, webhooks."""

import email.policy
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from exporter.ledger.ports import find_free_port

PAGERDUTY_PATH = "/v2/enqueue"
# What the real ones answer; everything else gets a bare 200.
ANSWERS: Mapping[str, tuple[int, bytes]] = {
    PAGERDUTY_PATH: (202, b'{"status":"success","message":"Event processed"}'),
    "/slack": (200, b"ok"),
}


@dataclass(frozen=True)
class Mail:
    """One mail as it came in: the envelope's recipients, and the message."""

    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def body(self, kind: str) -> str:
        """The text of the part `html` or `plain`; "" without one."""
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""


class MailSink:
    """An SMTP server without TLS or logins; `address` is HOST:PORT, `mails` what came so far."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        port = find_free_port()
        self.address = f"127.0.0.1:{port}"
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        message = BytesParser(policy=email.policy.default).parsebytes(envelope.content or b"")
        self.mails.append(Mail(tuple(envelope.rcpt_tos), message))
        return "250 OK"


@dataclass(frozen=True)
class Call:
    """One POST: `path` with its query, `headers` by lower case name, `body` as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class HttpSink:
    """An HTTP server that takes every POST; `url` is its address, `calls` what came so far.

    `failing` maps paths to the status that they answer while they stand there; such calls are not
    among `calls` but counted in `refused`.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.failing: dict[str, int] = {}
        self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def at(self, path: str) -> list[Call]:
        """The calls to a path, whatever their query."""
        return [call for call in self.calls if call.path.partition("?")[0] == path]


def _handler(sink: HttpSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Alertmanager keeps connections; a sink that closes them would look like a failure.
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0]
            status, answer = ANSWERS.get(path, (200, b""))
            if path in sink.failing:
                sink.refused += 1
                status, answer = sink.failing[path], b""
            else:
                sink.calls.append(Call(self.path, headers, body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: what came is in `calls`."""

    return Handler
