"""The choices that dashboards offer, each declared once."""

from dataclasses import replace

from dashboards.panels import Sql, Variable
from exporter.catalogue.metrics import (
    INVOICE_PAID,
    INVOICE_PAID_AMOUNT,
    SUBSCRIPTION_CREATED,
    USAGE_TRACKED,
)
from exporter.catalogue.own_metrics import BUILD_INFO
from exporter.settings import Config
from rules.promql import Query

PROMETHEUS = "prometheus"
_FIXES = "fix"
POSTGRES_TYPE = "grafana-postgresql-datasource"

DATASOURCE = Variable("datasource", "Data Source", datasource=PROMETHEUS)
POSTGRES = Variable("postgres", "Ledger", datasource=POSTGRES_TYPE)
JOB = Variable(
    "job", "Job", Query("label_values(@build_info, job)", {"build_info": BUILD_INFO}), multiple=True
)
INSTANCE = Variable(
    "instance",
    "Instance",
    Query('label_values(@build_info{job=~"$job"}, instance)', {"build_info": BUILD_INFO}),
    multiple=True,
)
MODE = Variable(
    "livemode",
    "Mode",
    values={"true": "live", "false": "test"},
    default="true",
)
TOLD_BY = Variable(
    "source",
    "Source",
    Query('label_values(@paid{job=~"$job"}, source)', {"paid": INVOICE_PAID}),
    multiple=True,
)
PLAN = Variable(
    "plan",
    "Plan",
    Query('label_values(@created{job=~"$job"}, plan)', {"created": SUBSCRIPTION_CREATED}),
    multiple=True,
)
# Units of different meters don't add up either.
METER = Variable(
    "meter",
    "Meter",
    Query('label_values(@tracked{job=~"$job"}, resource_type)', {"tracked": USAGE_TRACKED}),
    default=_FIXES,
)
# Money of several currencies is never one figure: one is chosen at a time.
CURRENCY = Variable(
    "currency",
    "Currency",
    Query('label_values(@paid{job=~"$job"}, currency)', {"paid": INVOICE_PAID_AMOUNT}),
    default="usd",
)


def in_deployment(variable: Variable, config: Config) -> Variable:
    """The variable with what a deployment begins with."""
    if variable is CURRENCY:
        return replace(variable, default=config.default_currency)
    if variable is METER and config.meters and _FIXES not in config.meters:
        return replace(variable, default=config.meters[0])
    if variable is MODE and config.stripe.mode == "test":
        return replace(variable, default="false")
    return variable


def datasource_of(query: Query | Sql) -> dict[str, str]:
    """How Grafana is told which of the chosen data sources answers the query."""
    if isinstance(query, Sql):
        return {"type": POSTGRES_TYPE, "uid": f"${{{POSTGRES.name}}}"}
    return {"type": PROMETHEUS, "uid": f"${{{DATASOURCE.name}}}"}
