"""Thresholds of the alerts in rules/alerts/saturation.py: what is nearly used up."""

from exporter.settings.thresholds.model import Threshold

QUEUE_EVENTS = Threshold(
    "queue_high_events",
    25_000,
    "events",
    "Half of what may wait; groups take 2 000 at once, so that it is nearly empty all day.",
    100,
    50_000,
)
QUEUE_BYTES = Threshold(
    "queue_high_bytes",
    33_554_432,
    "bytes",
    "Half of what may wait.",
    1_048_576,
    67_108_864,
)
QUEUE_REFUSED = Threshold(
    "queue_refused_least_requests",
    5,
    "requests in five minutes",
    "What is refused is sent again; but some every minute are delayed for want of room or time.",
    1,
    1_000_000,
)
POOL_WAITING = Threshold(
    "pool_waiting_high_requests",
    0.25,
    "requests waiting on average",
    "Hardly anybody waits while the four connections answer; when they hang, there is always one.",
    0.01,
    100,
)
DISK_LOW = Threshold(
    "disk_low_ratio",
    0.1,
    "ratio of the disk that is free",
    "PostgreSQL stops on a full disk; folding, vacuum and a backup need room for a while.",
    0.01,
    0.9,
)
DISK_FILLING = Threshold(
    "disk_filling_ratio",
    0.5,
    "ratio of the disk that is free",
    "An hour of much writing says nothing about a disk of which half is free.",
    0.02,
    1,
)
DISK_FULL_WITHIN = Threshold(
    "disk_full_within_hours",
    24,
    "hours, going by the last one",
    "It leaves a working day to make room.",
    1,
    240,
)
LEDGER_BACKLOG = Threshold(
    "ledger_backlog_high_groups",
    5000,
    "groups",
    "A pass folds 20 000 within two seconds: when so many wait for long, nobody folds.",
    100,
    99_999,
)
SAMPLES_HIGH = Threshold(
    "scrape_samples_high_samples",
    24_000,
    "samples of one scrape",
    "Four fifths of the 30 000 that the catalogue is held to.",
    3000,
    1_000_000,
)
SERIES_OVERFLOW = Threshold(
    "series_overflow_least_increments",
    10,
    "increments in an hour",
    "One customer's rare combination does not matter; what comes again and again is miscounted.",
    1,
    1_000_000,
)

THRESHOLDS: tuple[Threshold, ...] = (
    QUEUE_EVENTS,
    QUEUE_BYTES,
    QUEUE_REFUSED,
    POOL_WAITING,
    DISK_LOW,
    DISK_FILLING,
    DISK_FULL_WITHIN,
    LEDGER_BACKLOG,
    SAMPLES_HIGH,
    SERIES_OVERFLOW,
)
