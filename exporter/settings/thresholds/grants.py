"""Thresholds of the alerts in rules/alerts/grants.py.

Sizes are bounds of the buckets of billing_credit_grant_size_credits: what lies between two of them
can't be told apart.
"""

from exporter.settings.thresholds.model import Threshold

SIZES = (250, 500, 1000, 2500, 5000, 10_000, 50_000, 100_000)

GRANT_LARGE = Threshold(
    "credit_grant_large_credits",
    1000,
    "credits at once",
    "Ordinary grants are tens to hundreds of credits.",
    250,
    100_000,
    one_of=SIZES,
)
GRANTS_LARGE_SHARE = Threshold(
    "credit_grants_large_ratio",
    0.01,
    "ratio of grants",
    "More than a hundredth above it means that the 99th percentile is.",
    0.0001,
    0.9,
)
GRANTS_LARGE_LEAST = Threshold(
    "credit_grants_large_least_events",
    3,
    "large grants in an hour",
    "One or two are by hand; a job that went wrong makes more.",
    1,
    100_000,
)
GRANT_HUGE = Threshold(
    "credit_grant_huge_credits",
    100_000,
    "credits at once",
    "Nobody means to grant a hundred thousand: it is a slip of three zeros.",
    250,
    100_000,
    one_of=SIZES,
)
GRANTS_HUGE_LEAST = Threshold(
    "credit_grants_huge_least_events",
    1,
    "huge grants in an hour",
    "One is too many.",
    1,
    1000,
)
GRANTED_GROWTH = Threshold(
    "credits_granted_growth_ratio",
    3,
    "times the mean of past hours",
    "The busiest hour of a day grants about twice the mean.",
    1.1,
    1000,
)
GRANTED_LEAST = Threshold(
    "credits_granted_least_credits",
    5000,
    "credits in an hour",
    "Less costs little, even if there is mostly none.",
    1,
    1_000_000_000,
)
GRANTED_HISTORY = Threshold(
    "credits_granted_history_least_hours",
    24,
    "hours of history",
    "A mean over less than a day has seen neither day nor night.",
    1,
    168,
)

THRESHOLDS = (
    GRANT_LARGE,
    GRANTS_LARGE_SHARE,
    GRANTS_LARGE_LEAST,
    GRANT_HUGE,
    GRANTS_HUGE_LEAST,
    GRANTED_GROWTH,
    GRANTED_LEAST,
    GRANTED_HISTORY,
)
