"""Histograms judged by what is above one of their bounds, where a quantile would be blind above
the highest of them.
"""

from exporter.catalogue.model import Metric


def up_to(metric: Metric, bound: float) -> dict[str, str]:
    """The label of the bucket that ends at `bound`. Raises ValueError if none does."""
    if bound not in metric.bounds:
        raise ValueError(f"{metric.name} has no bucket that ends at {bound:g}")
    return {"le": str(float(bound))}


def above(metric: Metric, bound: float, name: str, by: str = "") -> str:
    """Text for a query in which `name` stands for the histogram and `window` for a duration: how
    many observations were above `bound` in it, summed by the labels in `by`.
    """
    label, value = next(iter(up_to(metric, bound).items()))
    total = f"sum by ({by})" if by else "sum"
    return (
        f"{total} (increase(@{{{name}}}_count[@window]))"
        f' - {total} (increase(@{{{name}}}_bucket{{{label}="{value}"}}[@window]))'
    )
