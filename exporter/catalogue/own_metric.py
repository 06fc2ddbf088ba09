"""How a metric of the exporter itself is declared."""

from exporter.catalogue.model import Label, Metric, MetricKind, Scale

_SCALES: dict[str, Scale] = {"seconds": "micro", "ratio": "micro", "currency units": "minor"}


def own_metric(
    name: str,
    kind: MetricKind,
    help_: str,
    unit: str,
    *labels: Label,
    bounds: tuple[float, ...] = (),
    zero: bool = True,
    cap: int = 2000,
) -> Metric:
    """A metric that no event counts: `billing_` is put before its name, and its unit tells how it
    is stored.
    """
    return Metric(
        f"billing_{name}",
        kind,
        help_,
        unit,
        labels,
        bounds,
        scale=_SCALES.get(unit, "one"),
        ledger=False,
        zero=zero,
        cap=cap,
    )
