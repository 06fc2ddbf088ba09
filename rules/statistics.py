"""Ratios that are judged by a bound which holds with few events too."""

from exporter.settings.thresholds import Threshold
from rules.promql import Query, Recorded

# Wilson's lower bound of the ratio `bad` / `all`, one-sided 95 %: z = 1.645.
LOWER_BOUND = """(
    @bad + 1.353 - 1.645 * sqrt(@bad * clamp_min(@all - @bad, 0) / @all + 0.6765)
  ) / (@all + 2.706)"""
_WILSON = f"""
max without (source) (
  {LOWER_BOUND} > @limit
  and @bad >= @least
)
"""


def at_least(bad: Recorded, all_: Recorded, limit: Threshold, least: Threshold) -> Query:
    """Where the ratio `bad` / `all_` is above `limit` with 95 % certainty (Wilson's lower bound),
    and `bad` is `least` or more; each source by itself, the worst of them told.
    """
    return Query(_WILSON, {"bad": bad, "all": all_, "limit": limit, "least": least})
