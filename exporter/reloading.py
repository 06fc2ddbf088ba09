"""What is read again while the exporter runs: secrets from files, and the web configuration."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from exporter.catalogue import reload_metrics
from exporter.catalogue.book import MICRO
from exporter.catalogue.own_labels import CONFIG
from exporter.settings import SettingsError
from exporter.totals import Totals

LOOK_SECONDS = 1.0
_log = structlog.get_logger(component="settings")


class Reloadable(Protocol):
    """Something that was read from a file. `config` is what it is part of, a value of the label
    of that name, and `setting` names it in messages.
    """

    config: str
    setting: str

    def reload(self, *, force: bool) -> bool | None:
        """Read it again if it changed, or in any case: whether something else is in force then,
        None if it was not read. Raises SettingsError, once for each change, and keeps what was in
        force. Blocks.
        """


class Reloader:
    """Looks each second whether a file changed, and at once when asked to.

    What can't be used is logged and counted, and what was in force stays so until a file that can
    be used takes its place.
    """

    def __init__(self, sources: Sequence[Reloadable], health: Totals) -> None:
        self._sources = sources
        self._health = health
        self._asked = asyncio.Event()
        self._bad: set[str] = set()
        for config in CONFIG.values:
            self._note_success(config)

    def ask(self) -> None:
        """Read everything again, changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._asked.wait()
            force = self._asked.is_set()
            self._asked.clear()
            for source in self._sources:
                await self._reload(source, force=force)

    async def _reload(self, source: Reloadable, *, force: bool) -> None:
        try:
            changed = await asyncio.to_thread(source.reload, force=force)
        except SettingsError as error:
            self._bad.add(source.setting)
            self._note_failure(source, str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, look again
            self._bad.add(source.setting)
            self._note_failure(source, f"it can't be used: {type(error).__name__}")
            return
        if changed is not None:
            self._bad.discard(source.setting)
            _log.info("read again", setting=source.setting, changed=changed)
            self._note_success(source.config)

    def _note_success(self, config: str) -> None:
        mates = {source.setting for source in self._sources if source.config == config}
        if not mates & self._bad:
            self._health.set(reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL, (config,), 1)
            self._health.set(
                reload_metrics.CONFIG_LAST_RELOAD_SUCCESS, (config,), int(time.time() * MICRO)
            )

    def _note_failure(self, source: Reloadable, faults: str) -> None:
        _log.error(
            "a file can't be used; what was read before stays in force",
            setting=source.setting,
            faults=faults.splitlines(),
        )
        self._health.set(reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL, (source.config,), 0)
        self._health.count(reload_metrics.CONFIG_RELOAD_FAILURES, (source.config,))
