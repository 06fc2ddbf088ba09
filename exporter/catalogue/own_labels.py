"""Labels of what the exporter tells of itself: of its process, its jobs and what it asks."""

from exporter.catalogue.model import Label

VERSION = Label("version", (), "Version of the exporter.")
REPLICA = Label("replica", (), "Stable name of this replica.")
CONFIG = Label(
    "config",
    ("secrets", "web"),
    "What was read again: secrets that are in files, or the file of `--web.config.file`.",
    collapsible=False,
)
MONITOR = Label(
    "monitor",
    (
        "aggregates",
        "conditions",
        "console",
        "dispatch",
        "fold",
        "forecasts",
        "health",
        "measure",
        "prune",
        "quotas",
        "refresh",
        "replica",
        "revenue",
        "silences",
        "subscriptions",
        "ties",
        "usage",
    ),
    "Which periodic job.",
    collapsible=False,
)
CONNECTION_STATE = Label("state", ("idle", "used"), "What the connection does.", collapsible=False)
POOL_ERROR = Label(
    "error",
    ("timeout", "connect", "lost"),
    "No connection was free in time, none could be made, or one was found broken.",
    collapsible=False,
)
CACHE = Label(
    "cache",
    ("alert_counts", "usage"),
    "Of what the answers are.",
    collapsible=False,
)
CACHE_ORIGIN = Label(
    "origin",
    ("process", "shared", "ledger"),
    "Whether it was kept in this process, or in the cache that replicas share, or was read anew.",
    collapsible=False,
)
CACHE_FAULT = Label(
    "fault",
    ("away", "garbage"),
    "The shared cache did not answer in time, or with something that isn't ours.",
    collapsible=False,
)
QUERY = Label(
    "query",
    (
        "acknowledge_alert",
        "clear_quota",
        "count_alerts",
        "find_key",
        "list_alerts",
        "map_customer",
        "note_refused_attempt",
        "note_replay",
        "read_aggregates",
        "read_alert",
        "read_dead_letter",
        "read_health",
        "read_subscription",
        "read_usage",
        "resolve_alert",
        "set_quota",
        "store_alerts",
        "unacknowledge_alert",
    ),
    "What a request asked the database.",
    collapsible=False,
)
DEPENDENCY = Label("source", ("postgres",), "What the exporter depends on.", collapsible=False)
