"""uvicorn's server, as part of ours."""

import contextlib
from collections.abc import Iterator

import uvicorn

from exporter.web.web_file import WebFile


class Server(uvicorn.Server):
    """Leaves the signals to us: the writer has to finish after the last request. Adds to every
    answer the headers of the web configuration that is in force.
    """

    def __init__(self, config: uvicorn.Config, web: WebFile | None) -> None:
        super().__init__(config)
        self._web = web

    async def on_tick(self, counter: int) -> bool:
        if self._web:
            self.config.encoded_headers = self._web.in_force.headers
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
