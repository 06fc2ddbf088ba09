"""Metrics as prometheus-client's strict parser reads them."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

_RISE_BY_THEMSELVES = (
    "billing_event_loop_lag_",
    "billing_monitor_",
    "billing_pool_",
    "process_",
)
Key = tuple[str, frozenset[tuple[str, str]]]


class Scrape:
    """The samples of one scrape. `families` are the names of the families, as exposed."""

    def __init__(self, samples: Mapping[Key, float], families: Mapping[str, str]) -> None:
        self.samples = dict(samples)
        self.families = dict(families)

    def value(self, name: str, **labels: str) -> float:
        """The sample with exactly these labels. KeyError if it's not there."""
        return self.samples[(name, frozenset(labels.items()))]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples of that name that have these labels; 0 if there are none."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, pairs), value in self.samples.items()
            if found == name and wanted <= pairs
        )

    def counters(self) -> dict[Key, float]:
        """Everything that may never fall: counters, and histograms' buckets, sums and counts; but
        for those that rise by themselves.
        """
        return {
            key: value
            for key, value in self.samples.items()
            if key[0].endswith(("_total", "_bucket", "_sum", "_count"))
            and not key[0].startswith(_RISE_BY_THEMSELVES)
        }


def parse(text: str) -> Scrape:
    """Parse Prometheus text."""
    samples: dict[Key, float] = {}
    families: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        families[family.name] = family.type
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{sample.name} {sample.labels} stands twice"
            samples[key] = sample.value
    return Scrape(samples, families)
