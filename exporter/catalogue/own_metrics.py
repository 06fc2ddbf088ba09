"""The metrics of the exporter itself: of this process, or of the ledger's state."""

from exporter.catalogue import bounds as b
from exporter.catalogue import labels as l
from exporter.catalogue import own_labels as o
from exporter.catalogue.alert_metrics import ALERT_METRICS
from exporter.catalogue.model import Metric
from exporter.catalogue.own_metric import own_metric as _own
from exporter.catalogue.process_metrics import PROCESS_METRICS
from exporter.catalogue.reload_metrics import RELOAD_METRICS
from exporter.catalogue.usage_metrics import USAGE_METRICS

BUILD_INFO = _own(
    "build_info",
    "gauge",
    "Always 1; which build runs as which replica.",
    "info",
    o.VERSION,
    o.REPLICA,
    zero=False,
)
UP = _own(
    "up",
    "gauge",
    "Whether the last contact with it succeeded (1) or not (0).",
    "boolean",
    o.DEPENDENCY,
)
READY = _own("ready", "gauge", "Whether the totals are loaded and events are taken.", "boolean")
SUBSCRIPTIONS = _own(
    "subscriptions",
    "gauge",
    "Subscriptions by plan and status, from the ledger; the same on every replica.",
    "subscriptions",
    l.LIVEMODE,
    l.PLAN,
    l.SUBSCRIPTION_STATUS,
    zero=False,
)
REVENUE_AMOUNT = _own(
    "revenue_amount",
    "gauge",
    "Money of the payments that succeeded in the last full hour, in whole currency units.",
    "currency units",
    l.SOURCE,
    l.LIVEMODE,
    l.CURRENCY,
    zero=False,
)
REVENUE_EXPECTED_AMOUNT = _own(
    "revenue_expected_amount",
    "gauge",
    "What that hour brought in past weeks, the median of two to four, in whole currency units.",
    "currency units",
    l.SOURCE,
    l.LIVEMODE,
    l.CURRENCY,
    zero=False,
)
MONITOR_LAST_SUCCESS = _own(
    "monitor_last_success_timestamp_seconds",
    "gauge",
    "When a periodic job last succeeded on any replica; 0 means never.",
    "seconds",
    o.MONITOR,
    zero=False,
)
MONITOR_INTERVAL = _own(
    "monitor_interval_seconds",
    "gauge",
    "How long a periodic job that runs in this version rests between two passes.",
    "seconds",
    o.MONITOR,
    zero=False,
)
MONITOR_FAILURES = _own(
    "monitor_failures_total",
    "counter",
    "Runs of a periodic job that failed here.",
    "runs",
    o.MONITOR,
)
MONITOR_DURATION = _own(
    "monitor_duration_seconds",
    "histogram",
    "How long each run of a periodic job took here.",
    "seconds",
    o.MONITOR,
    bounds=b.DURATION_SECONDS,
)
QUEUE_EVENTS = _own("queue_events", "gauge", "Events that wait to be committed.", "events")
QUEUE_BYTES = _own("queue_bytes", "gauge", "Size of the events that wait.", "bytes")
QUEUE_REFUSED = _own(
    "queue_refused_total",
    "counter",
    "Requests answered 503 because nothing could be stored.",
    "requests",
)
QUEUE_WAIT = _own(
    "queue_wait_seconds",
    "histogram",
    "How long the first to come of each group had waited for it.",
    "seconds",
    bounds=b.DURATION_SECONDS,
)
GROUPS_COMMITTED = _own("groups_committed_total", "counter", "Groups committed.", "groups")
GROUPS_RETRIED = _own(
    "groups_retried_total", "counter", "Groups that were sent to the database again.", "groups"
)
GROUP_DURATION = _own(
    "group_duration_seconds",
    "histogram",
    "Time from a group's begin to its commit.",
    "seconds",
    bounds=b.DURATION_SECONDS,
)
GROUP_WRITE_DURATION = _own(
    "group_write_duration_seconds",
    "histogram",
    "The part of it that the database took, waiting for locks included.",
    "seconds",
    bounds=b.DURATION_SECONDS,
)
GROUP_SIZE = _own(
    "group_size_events",
    "histogram",
    "How many events a group had, repeated ones included.",
    "events",
    bounds=b.GROUP_SIZE_EVENTS,
)
POOL_CONNECTIONS = _own(
    "pool_connections",
    "gauge",
    "Connections to the database beside the writer's; those being made are used.",
    "connections",
    o.CONNECTION_STATE,
)
POOL_REQUESTS_WAITING = _own(
    "pool_requests_waiting", "gauge", "Who waits for a connection of the pool.", "requests"
)
POOL_WAIT = _own(
    "pool_wait_seconds_total",
    "counter",
    "Time waited for connections of the pool.",
    "seconds",
)
POOL_ERRORS = _own(
    "pool_errors_total", "counter", "What failed in the pool.", "errors", o.POOL_ERROR
)
CACHE_ANSWERS = _own(
    "cache_answers_total",
    "counter",
    "Answers that may be kept for a while, by where they came from.",
    "answers",
    o.CACHE,
    o.CACHE_ORIGIN,
)
CACHE_FAULTS = _own(
    "cache_faults_total",
    "counter",
    "Failures of the cache that replicas share (`REDIS_URL`); answers come from the ledger then.",
    "failures",
    o.CACHE_FAULT,
)
QUERY_DURATION = _own(
    "query_duration_seconds",
    "histogram",
    "How long a request held a connection of the pool, by what it asked.",
    "seconds",
    o.QUERY,
    bounds=b.DURATION_SECONDS,
)
LEDGER_UNFOLDED_GROUPS = _own(
    "ledger_unfolded_groups",
    "gauge",
    "Groups not yet folded into the totals, of all replicas; counted up to 100000.",
    "groups",
    zero=False,
)
LEDGER_SIZE = _own(
    "ledger_size_bytes", "gauge", "Size of the database on its disk.", "bytes", zero=False
)
DISK_FREE = _own(
    "disk_free_bytes",
    "gauge",
    "What is free for programs on the disk that the data folder is on.",
    "bytes",
    zero=False,
)
DISK_SIZE = _own(
    "disk_size_bytes",
    "gauge",
    "Size of the disk that the data folder is on.",
    "bytes",
    zero=False,
)
DATABASE_CLOCK_AHEAD = _own(
    "database_clock_ahead_seconds",
    "gauge",
    "How far the database's clock is ahead of ours; below 0 it is behind.",
    "seconds",
    zero=False,
)
EVENT_LOOP_LAG = _own(
    "event_loop_lag_seconds",
    "histogram",
    "How late the process came to what was due, looked at once a second.",
    "seconds",
    bounds=b.DURATION_SECONDS,
)
EVENTS_REPEATED = _own(
    "events_repeated_total",
    "counter",
    "Events whose id was known already: duplicates, and conflicts where the content differed.",
    "events",
    l.SOURCE,
    l.OUTCOME,
)
DEAD_LETTERS = _own(
    "dead_letters",
    "gauge",
    "Stripe events kept because they could not be processed.",
    "events",
    zero=False,
)
DEAD_LETTER_OLDEST = _own(
    "dead_letter_oldest_timestamp_seconds",
    "gauge",
    "When the oldest of the dead letters was received; 0 means that there are none.",
    "seconds",
    zero=False,
)
WEBHOOK_REJECTED = _own(
    "stripe_webhook_rejected_total",
    "counter",
    "Requests to the Stripe route turned away before they counted as an event.",
    "requests",
    l.REJECTION,
)
WEBHOOK_HANDLING_DURATION = _own(
    "stripe_webhook_handling_duration_seconds",
    "histogram",
    "From a Stripe event's arrival to its answer, its commit included.",
    "seconds",
    bounds=b.DURATION_SECONDS,
)
WEBHOOK_LAG = _own(
    "stripe_webhook_delivery_lag_seconds",
    "histogram",
    "From a Stripe event's creation to its arrival here.",
    "seconds",
    bounds=b.DELIVERY_LAG_SECONDS,
)
WEBHOOK_LAST_RECEIVED = _own(
    "stripe_webhook_last_received_timestamp_seconds",
    "gauge",
    "When this replica last received a Stripe event with a valid signature; 0 means never.",
    "seconds",
)
AUTH_FAILURES = _own(
    "auth_failures_total",
    "counter",
    "Requests refused for want of an API key that is good for them.",
    "requests",
    l.AUTH_FAILURE,
)
ALERTS_RECEIVED = _own(
    "alertmanager_alerts_received_total",
    "counter",
    "Alerts that Alertmanager told of and that were stored, each time that it told of them.",
    "alerts",
    l.ALERT_STATUS,
)
WEBHOOK_SIGNATURES = _own(
    "stripe_webhook_signatures_total",
    "counter",
    "Stripe events with a valid signature, by the secret that gave it.",
    "events",
    l.SIGNING_SECRET,
)
SERIES_OVERFLOW = _own(
    "series_overflow_total",
    "counter",
    "Increments that met a metric's cap of series and were counted with other labels.",
    "increments",
)

OWN_METRICS: tuple[Metric, ...] = (
    *(value for value in list(globals().values()) if isinstance(value, Metric)),
    *ALERT_METRICS,
    *PROCESS_METRICS,
    *RELOAD_METRICS,
    *USAGE_METRICS,
)
