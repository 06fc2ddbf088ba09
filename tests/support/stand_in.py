"""An HTTP server that stands in for another one, or between it and who asks."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

import requests


class Told(NamedTuple):
    """A status, a body, and headers besides its length."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


# What is answered to a method, a path with its query, headers and a body.
Answer = Callable[[str, str, Mapping[str, str], bytes], Told]


class StandIn:
    """Answers as it is told, at `url`, inside a `with`."""

    def __init__(self, answer: Answer) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer))
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


def in_between(
    upstream: str, *changes: tuple[bytes, bytes], wait: Callable[[], object] = lambda: None
) -> StandIn:
    """Hands everything on to the server at `upstream` after a `wait`, and its answers back with
    these changes of their text.
    """

    def answer(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Told:
        wait()
        kept = {name: value for name, value in headers.items() if name.lower() != "host"}
        found = requests.request(
            method, f"{upstream}{path}", headers=kept, data=body, timeout=10, allow_redirects=False
        )
        text = found.content
        for old, new in changes:
            text = text.replace(old, new)
        return Told(found.status_code, text, {"Date": found.headers["Date"]})

    return StandIn(answer)


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            told = answer(self.command, self.path, dict(self.headers), body)
            self.send_response_only(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        do_GET = do_POST = _do  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
