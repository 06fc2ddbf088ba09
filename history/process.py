"""What the process shows of itself while all is well."""

from pathlib import Path

from exporter.catalogue import own_metrics as own
from exporter.catalogue import process_metrics as p
from exporter.catalogue import reload_metrics
from exporter.catalogue.book import MICRO
from exporter.catalogue.own_labels import MONITOR
from exporter.monitors.upkeep import make_monitors
from exporter.settings import Config
from exporter.totals import Totals
from exporter.web.disk import DiskHealth

_CORES_USED = 0.2
# Of monitors that are made with more than the configuration.
_OTHER_INTERVAL_SECONDS = 60.0
# The ledger keeps no time of their passes.
_OF_EACH_REPLICA = {"refresh", "replica"}
# It needs a key of Stripe's.
_NOT_HERE = {"ties"}
_MIB = 2**20
_PASS_SECONDS, _LAG_SECONDS = 0.003, 0.0004
_LEDGER_BYTES_A_SECOND = 500
_STEADY = (
    (own.READY, (), 1),
    (own.UP, ("postgres",), 1),
    (own.POOL_CONNECTIONS, ("idle",), 2),
    (own.DEAD_LETTERS, (), 0),
    (own.DEAD_LETTER_OLDEST, (), 0),
    (own.LEDGER_UNFOLDED_GROUPS, (), 20),
    (own.DATABASE_CLOCK_AHEAD, (), 200),
    (reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL, ("secrets",), 1),
    (reload_metrics.CONFIG_LAST_RELOAD_SUCCESSFUL, ("web",), 1),
    (p.PROCESS_RESIDENT_MEMORY, (), 120 * _MIB),
    (p.PROCESS_VIRTUAL_MEMORY, (), 900 * _MIB),
    (p.PROCESS_OPEN_FDS, (), 32),
    (p.PROCESS_MAX_FDS, (), 1024),
)


class Process:
    """Writes the metrics of a process that began at `start_seconds` to its totals. How long its
    passes take and how much it uses is made up: no traffic decides it. The disk is that of
    `folder` as it is now, so that an exporter which goes on from there tells of no leap.
    """

    def __init__(
        self, config: Config, health: Totals, version: str, start_seconds: float, folder: Path
    ) -> None:
        self._health = health
        self._start_seconds = start_seconds
        self._now = start_seconds
        self._monitors = {
            name: _OTHER_INTERVAL_SECONDS for name in MONITOR.values if name not in _NOT_HERE
        }
        for monitor in make_monitors(config, health):
            self._monitors[monitor.name] = monitor.interval_seconds
        started = round(start_seconds * MICRO)
        health.set(own.BUILD_INFO, (version, "main"), 1)
        health.set(p.PROCESS_START_TIME, (), started)
        for config_label in ("secrets", "web"):
            health.set(reload_metrics.CONFIG_LAST_RELOAD_SUCCESS, (config_label,), started)
        DiskHealth(health, folder).observe()
        for metric, labels, value in _STEADY:
            health.set(metric, labels, value)
        for name, interval in self._monitors.items():
            health.set(own.MONITOR_INTERVAL, (name,), round(interval * MICRO))

    def advance(self, now_seconds: float) -> None:
        """Bring them to that time."""
        health, before = self._health, self._now
        self._now = now_seconds
        age = now_seconds - self._start_seconds
        health.set(p.PROCESS_CPU, (), round(age * _CORES_USED * MICRO))
        health.set(own.WEBHOOK_LAST_RECEIVED, (), round(now_seconds * MICRO))
        health.set(own.LEDGER_SIZE, (), 64 * _MIB + round(age * _LEDGER_BYTES_A_SECOND))
        for name, interval in self._monitors.items():
            last = now_seconds // interval
            if name not in _OF_EACH_REPLICA:
                health.set(own.MONITOR_LAST_SUCCESS, (name,), round(last * interval * MICRO))
            for _ in range(int(last - before // interval)):
                health.observe(own.MONITOR_DURATION, (name,), _PASS_SECONDS)
        for _ in range(int(now_seconds) - int(before)):
            health.observe(own.EVENT_LOOP_LAG, (), _LAG_SECONDS)
