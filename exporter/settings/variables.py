"""The environment variables that there are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable; a `secret` may also come from the file that NAME_FILE names, and
    `several` of it may hold at once, the newest first.
    """

    name: str
    default: str
    help: str
    secret: bool = False
    several: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "ALERTMANAGER_URL",
        "",
        "Where an Alertmanager is, as in http://127.0.0.1:9093; several with commas.",
    ),
    Setting(
        "BILLING_ADMIN_KEY",
        "",
        "API key with every scope, 16 characters at least; several with commas, the newest first.",
        True,
        several=True,
    ),
    Setting("BILLING_CONFIG", "./billing.yml", "The configuration file; it need not exist."),
    Setting("BILLING_DATA_DIR", "./.billing", "Embedded PostgreSQL and development secrets."),
    Setting(
        "BILLING_ENCRYPTION_KEY",
        "",
        "Encrypts what is kept of events: 32 bytes in base64; several with commas, newest first.",
        True,
        several=True,
    ),
    Setting(
        "BILLING_HEARTBEAT_URL",
        "",
        "Where Alertmanager shows that alerts work; what misses it there raises the alarm.",
        True,
    ),
    Setting(
        "BILLING_LISTEN_ADDRESS",
        "127.0.0.1:9568",
        "Address to listen on (`--web.listen-address`); several with commas.",
    ),
    Setting("BILLING_LOG_FORMAT", "auto", "`console`, `json`, or `auto`: console on a terminal."),
    Setting("BILLING_LOG_LEVEL", "info", "`debug`, `info`, `warning` or `error`."),
    Setting(
        "BILLING_POSTGRES_BIN",
        "",
        "Folder of PostgreSQL's programs for the embedded server; else the wheel's.",
    ),
    Setting("BILLING_REPLICA", "main", "Stable name of this replica; its counters go by it."),
    Setting(
        "BILLING_STRIPE_API_BASE",
        "",
        "Address of Stripe's API, for a proxy or a test; Stripe's own by default.",
    ),
    Setting("BILLING_TELEMETRY_PATH", "/metrics", "Path of the metrics (`--web.telemetry-path`)."),
    Setting(
        "BILLING_WEB_CONFIG_FILE",
        "",
        "File with TLS, basic authentication and headers (`--web.config.file`).",
    ),
    Setting(
        "CUSTOM_WEBHOOKS",
        "",
        "Addresses that get every alert as well; several with commas, in a fixed order.",
        True,
        several=True,
    ),
    Setting("DATABASE_URL", "", "PostgreSQL 15 or newer; without it an embedded one.", True),
    Setting("DEBUG", "", "`billing:*` or `billing:COMPONENT`: debug logs of these components."),
    Setting("GRAFANA_TOKEN", "", "Grafana service account's token; to upload, an Editor's.", True),
    Setting("GRAFANA_URL", "", "Where Grafana is, as in http://127.0.0.1:3000."),
    Setting("HEALTH_CHECK_INTERVAL", "30000", "Time between two checks of health, in ms."),
    Setting("PROMETHEUS_URL", "", "Where Prometheus is, as in http://127.0.0.1:9090."),
    Setting(
        "REDIS_URL",
        "",
        "A Redis or Valkey that replicas share their caches through; nothing needs it.",
        True,
    ),
    Setting("STRIPE_SECRET_KEY", "", "Tells live from test mode by its kind (sk_live_, …).", True),
    Setting(
        "STRIPE_WEBHOOK_SECRET",
        "",
        "Signing secret of the webhook endpoint; several with commas, the newest first.",
        True,
        several=True,
    ),
)
