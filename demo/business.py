"""The business of the demo: how large it is, and what it has behind it."""

import time
from dataclasses import dataclass

from exporter.settings import Config
from exporter.simulation.deployment import Deployment
from exporter.simulation.model import Simulation
from exporter.wiring import make_catalogue
from history.traffic import Business
from history.writing import Order

LIVEMODES = (True,)
REPLICA = "main"
_HOUR_SECONDS = 3600
_SEED = 1
_CUSTOMERS = "demo"
# So much of the past is different, so that what is rare is in it, too.
_TRAFFIC_SECONDS = 6 * _HOUR_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`past_seconds` are behind it, in which it had events at the same rate as it has now: so many
    a second in the mean. A `coarse` past has few scrapes, and is quick to write.
    """

    past_seconds: int = 14 * 86_400
    events_per_second: float = 3.0
    customers: int = 1_000
    coarse: bool = False
    scenario: str = "steady"

    def order(self, config: Config) -> Order:
        """The past to be written for Prometheus, but for its gauges."""
        return Order(
            config=config,
            livemodes=LIVEMODES,
            span_seconds=self.past_seconds,
            business=Business(self.events_per_second, self.customers),
            traffic_seconds=_TRAFFIC_SECONDS // 12 if self.coarse else _TRAFFIC_SECONDS,
            older_scrape_seconds=1800 if self.coarse else 150,
            week_ago_scrape_seconds=60,
            recent_seconds=_HOUR_SECONDS if self.coarse else 24 * _HOUR_SECONDS,
            recorded_seconds=_HOUR_SECONDS if self.coarse else None,
            instance=REPLICA,
        )

    def simulation(self, config: Config) -> Simulation:
        """The business as it is now."""
        return Simulation(
            deployment=Deployment.of(make_catalogue(config, LIVEMODES), config, LIVEMODES),
            start_seconds=time.time(),
            seed=_SEED,
            events_per_second=self.events_per_second,
            organizations=self.customers,
            livemode=LIVEMODES[0],
            customers=_CUSTOMERS,
        )

    def arguments(self) -> list[str]:
        """Of `simulate`, for that business from now on; an incident lasts all the time."""
        return [
            *("--scenario", self.scenario, "--incident-after", "0s", "--incident-for", "7d"),
            *("--rate", f"{self.events_per_second:g}", "--organizations", str(self.customers)),
            *("--seed", str(_SEED), "--customers", _CUSTOMERS),
            *("--until-stopped", "--livemode", "--yes"),
        ]
