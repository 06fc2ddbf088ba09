"""The cutting proxy on an event loop of its own, for callers that have none."""

import asyncio
import threading
from collections.abc import Callable
from typing import Self, TypeVar

from tests.support.cutting_proxy import CuttingProxy

_SECONDS = 10.0

Result = TypeVar("Result")


class ProxyThread:
    """Runs a proxy between `with` and its end; `conninfo` leads through it."""

    def __init__(self, conninfo: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._proxy = CuttingProxy(conninfo)

    @property
    def conninfo(self) -> str:
        return self._proxy.conninfo

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._proxy.__aenter__(), self._loop).result(_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._proxy.__aexit__(), self._loop).result(_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()

    def ask(self, action: Callable[[CuttingProxy], Result]) -> Result:
        """Do something with the proxy on its own loop; what it returned."""

        async def act() -> Result:
            return action(self._proxy)

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_SECONDS)
