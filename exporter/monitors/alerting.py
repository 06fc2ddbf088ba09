"""The monitors that let people know of alerts."""

from collections.abc import Sequence

from exporter.alertmanager import Alertmanager
from exporter.domain.dispatch import Links
from exporter.monitors.console import CONSOLE_MONITOR
from exporter.monitors.dispatch import INTERVAL_SECONDS as DISPATCH_SECONDS
from exporter.monitors.dispatch import Dispatch
from exporter.monitors.silences import INTERVAL_SECONDS as SILENCES_SECONDS
from exporter.monitors.silences import KeepSilences
from exporter.monitors.supervisor import Monitor
from exporter.settings.alerts_yml import AlertsConfig
from exporter.totals import Totals

_TIMEOUT_SECONDS = 5.0


def make_alert_monitors(
    urls: Sequence[str], config: AlertsConfig, health: Totals
) -> tuple[Monitor, ...]:
    """Those for the Alertmanagers at `urls`; without any, the console is told, and acknowledgements
    run out all the same.
    """
    targets = [Alertmanager(url, _TIMEOUT_SECONDS) for url in urls]
    links = Links(config.links.runbooks, config.links.dashboards, config.links.exporter)
    dispatch = Dispatch(targets, links, config.summarise_above, health)
    return (
        Monitor("dispatch", DISPATCH_SECONDS, dispatch),
        Monitor("silences", SILENCES_SECONDS, KeepSilences(targets)),
        *(() if targets else (CONSOLE_MONITOR,)),
    )
