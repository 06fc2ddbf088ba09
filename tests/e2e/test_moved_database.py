"""The embedded database comes back elsewhere, and the exporter finds it."""

import contextlib
import os
import signal
import socketserver
import threading
import time
from collections.abc import Iterator

from tests.support.exporter import running_exporter
from tests.support.postgres import live_postmaster, reachable_folder
from tests.support.telemetry import payment
from tests.support.waiting import wait_until


def test_a_database_that_comes_back_at_another_port_is_followed() -> None:
    """By the writer and by the periodic jobs: something else took its port meanwhile."""
    with reachable_folder() as folder, running_exporter(folder / "data", None) as process:
        killed = live_postmaster(folder / "data")
        os.kill(killed.pid, signal.SIGKILL)
        with taken(killed.port):
            gone_seconds = time.time()

            def works() -> bool:
                fold = process.scrape().total(
                    "billing_monitor_last_success_timestamp_seconds", monitor="fold"
                )
                return fold > gone_seconds and process.send_events(payment()).ok

            wait_until(works, 30, "events are taken and folded again")
            assert live_postmaster(folder / "data").port != killed.port


class Other(socketserver.TCPServer):
    """Something else that listens: it hangs up on everybody."""

    allow_reuse_address = True


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    def try_to_listen() -> Other | None:
        with contextlib.suppress(OSError):
            return Other(("127.0.0.1", port), socketserver.BaseRequestHandler)
        return None

    found = wait_until(try_to_listen, 5, "the port is taken")
    assert found is not None
    with found as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            other.shutdown()
