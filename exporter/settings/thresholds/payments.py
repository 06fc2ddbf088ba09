"""Thresholds of the alerts about payments."""

from exporter.settings.thresholds.model import Threshold

PAYMENT_FAILURE_HIGH = Threshold(
    "payment_failure_high_ratio",
    0.10,
    "ratio of attempts",
    "Card declines are commonly 3 to 8 % of attempts; above a tenth something is wrong.",
    0.01,
    0.9,
)
PAYMENT_FAILURE_CRITICAL = Threshold(
    "payment_failure_critical_ratio",
    0.25,
    "ratio of attempts",
    "A quarter declined is an outage of a method or an issuer, and money is lost now.",
    0.02,
    0.95,
)
PAYMENT_FAILURES_LEAST = Threshold(
    "payment_failures_least_events",
    5,
    "failed attempts",
    "Fewer are chance on a quiet day, whatever their ratio.",
    1,
    1000,
)
PAYMENT_FAILURES_CRITICAL_LEAST = Threshold(
    "payment_failures_critical_least_events",
    20,
    "failed attempts",
    "Somebody is woken; a dozen declines of a quiet night can be one customer, and can wait.",
    1,
    10_000,
)
PAYMENT_ATTEMPTS_LEAST = Threshold(
    "payment_attempts_least_events",
    15,
    "attempts",
    "With a tenth of all payments declined, so many in a row are never chance.",
    2,
    10_000,
)
DECLINE_BURST_LEAST = Threshold(
    "payment_decline_burst_least_events",
    20,
    "failed attempts",
    "Who tests cards tries them by the dozen; fewer in ten minutes are customers.",
    2,
    10_000,
)
DECLINE_BURST_FACTOR = Threshold(
    "payment_decline_burst_factor",
    4,
    "times the usual",
    "The busiest hour of an ordinary day has at most about twice the declines of its median.",
    1.5,
    100,
)
THRESHOLDS = (
    PAYMENT_FAILURE_HIGH,
    PAYMENT_FAILURE_CRITICAL,
    PAYMENT_FAILURES_LEAST,
    PAYMENT_FAILURES_CRITICAL_LEAST,
    PAYMENT_ATTEMPTS_LEAST,
    DECLINE_BURST_LEAST,
    DECLINE_BURST_FACTOR,
)
