"""An exporter behind TLS, and clients that call it without a pause."""

import http.client
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from tests.support.exporter import ExporterProcess

# Method, path, body and headers.
Call = tuple[str, str, bytes, Mapping[str, str]]


class SecureExporter(ExporterProcess):
    """One that is reached by HTTPS; `authority` is the file that its certificate is checked by."""

    def __init__(
        self, data_dir: Path, database_url: str | None, settings: Mapping[str, str], authority: Path
    ) -> None:
        super().__init__(data_dir, database_url, settings)
        self.session.verify = str(authority)
        # Else a bundle of authorities that the environment names is taken in place of it.
        self.session.trust_env = False

    def wait_listening(self) -> Self:
        """As its parent does."""
        super().wait_listening()
        self.url = self.url.replace("http://", "https://")
        return self


class Caller(threading.Thread):
    """Calls without a pause, on one connection that it keeps or on a new one each time.

    `answers` counts statuses, and by their class the errors; `connections` counts connections.
    """

    def __init__(
        self, make: Callable[[], Call], address: str, context: ssl.SSLContext | None, *, keep: bool
    ) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.connections = 0
        self.keep = keep
        self._make = make
        self._address = address
        self._context = context
        self._stopping = threading.Event()

    def run(self) -> None:
        """Call until `stop`."""
        connection = self._connect()
        while not self._stopping.wait(0.005):
            try:
                method, path, body, headers = self._make()
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                answer.read()
                self.answers[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"{type(error).__name__}: {error}"] += 1
                connection.close()
            if not self.keep or connection.sock is None:
                connection.close()
                connection = self._connect()
        connection.close()

    def stop(self) -> None:
        """End after the current call."""
        self._stopping.set()
        self.join(30)

    def _connect(self) -> http.client.HTTPConnection:
        self.connections += 1
        if self._context is None:
            return http.client.HTTPConnection(self._address, timeout=30)
        return http.client.HTTPSConnection(self._address, timeout=30, context=self._context)
