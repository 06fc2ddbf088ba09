"""A double of Stripe's API: it answers over HTTP what a test wants, and notes what it was asked."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "rate_limit_error"}


class StripeApi(ThreadingHTTPServer):
    """Answers every GET with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: StripeApi

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status = self.server.status
        fault = {"error": {"message": "No.", "type": _TYPES.get(status, "api_error")}}
        body = json.dumps({"object": "balance"} if status == 200 else fault).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextlib.contextmanager
def running_stripe_api() -> Iterator[StripeApi]:
    """One that answers; it may be shut down before the end."""
    with StripeApi() as api:
        thread = threading.Thread(target=api.serve_forever)
        thread.start()
        try:
            yield api
        finally:
            api.shutdown()
            thread.join()
