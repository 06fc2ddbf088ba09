"""Stripe's API key: each request carries the one that holds at the time."""

import http.server
import threading

from exporter.monitors.ties import make_fetch
from exporter.settings import Secret


def test_the_next_request_carries_the_new_key() -> None:
    seen: list[tuple[str | None, str | None]] = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Authorization"], self.headers["Stripe-Account"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        secret = Secret("rk_test_first")
        fetch = make_fetch(secret.reveal, f"http://127.0.0.1:{server.server_port}")
        assert fetch("own", "sub_1") == {}
        secret.replace("rk_test_second")
        assert fetch("acct_1", "sub_1") == {}
        server.shutdown()
    assert seen == [("Bearer rk_test_first", None), ("Bearer rk_test_second", "acct_1")]
