"""Structured logs on stderr: for people on a terminal, JSON elsewhere."""

import logging
import os
import sys
from collections.abc import MutableMapping
from fnmatch import fnmatchcase
from typing import Any

import structlog

from exporter.cli.redaction import protect_stderr
from exporter.settings import Settings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(settings: Settings) -> None:
    """Set up structlog, and the libraries' own warnings through it; without any secret."""
    redactor = protect_stderr()
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    patterns = [pattern.strip() for pattern in settings.debug.split(",") if pattern.strip()]
    level = _LEVELS[settings.log_level]
    # Tracebacks as text: with rich at hand they would show the values of locals, and so secrets.
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor.clean_event,
    ]
    structlog.configure(
        processors=[_Filter(level, patterns), *shared, renderer],
        wrapper_class=structlog.BoundLogger,
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=renderer, foreign_pre_chain=[_name_library, *shared]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _Filter:
    """Drops what is below the level, unless DEBUG names the component: `billing:ledger`."""

    def __init__(self, level: int, patterns: list[str]) -> None:
        self._level = level
        self._patterns = patterns

    def __call__(
        self, _: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        component = f"billing:{event.get('component', '')}"
        debugged = any(fnmatchcase(component, pattern) for pattern in self._patterns)
        if _LEVELS.get(method, 40) < self._level and not debugged:
            raise structlog.DropEvent
        return event


def _name_library(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["component"] = event["_record"].name.partition(".")[0]
    return event
