"""The row that every dashboard begins with: whether there is an exporter, and anything to show.

Where an exporter is up and there were no events, panels show zeros or say so; where none is up,
these are red and every panel says that no exporter was scraped.
"""

from dashboards.panels import Panel, Row, Shown, Step, Target
from dashboards.selecting import or_none, risen, select
from exporter.catalogue.metrics import EVENTS_RECEIVED
from exporter.catalogue.own_metrics import BUILD_INFO, READY
from exporter.catalogue.own_metrics import UP as REACHED
from rules.external import ALERTS, UP
from rules.promql import days

_DAY = days(1)
_NO_ZOOM = "It says what is, whatever the time range."
_GOOD_AT_ONE = (Step("red"), Step("green", 1.0))

_UP = Panel(
    title="Exporter",
    kind="stat",
    description=(
        "Whether Prometheus reaches every chosen exporter. DOWN: nothing on this page is new. "
        "Not scraped: none was there in the whole time range, so that nothing can be shown."
    ),
    targets=(
        Target(
            # The choice All of the jobs would bring the targets of others, too.
            select(
                "min(@up{<here>} and on (job) "
                "group by (job) (last_over_time(@build_info{<here>}[$__range])))",
                up=UP,
                build_info=BUILD_INFO,
            ),
            "exporter",
        ),
    ),
    unit="bool_on_off",
    width=4,
    height=4,
    steps=_GOOD_AT_ONE,
    shown=(Shown(1, "Up", "green"), Shown(0, "DOWN", "red")),
    no_value="Not scraped",
    alert="BillingExporterDown",
)
_READY = Panel(
    title="Ready",
    kind="stat",
    description="Whether every exporter has loaded its totals and takes events.",
    targets=(Target(select("min(@ready{<here>})", ready=READY), "ready"),),
    unit="bool_yes_no",
    width=4,
    height=4,
    steps=_GOOD_AT_ONE,
    shown=(Shown(1, "Ready", "green"), Shown(0, "Not ready", "red")),
    no_value="Exporter down",
)
_LEDGER = Panel(
    title="Ledger",
    kind="stat",
    description="Whether every exporter reaches its database. Without it no event is taken.",
    targets=(
        Target(select('min(@reached{<here>, source="postgres"})', reached=REACHED), "ledger"),
    ),
    unit="bool_yes_no",
    width=4,
    height=4,
    steps=_GOOD_AT_ONE,
    shown=(Shown(1, "Reached", "green"), Shown(0, "Away", "red")),
    no_value="Exporter down",
    alert="BillingStoreDown",
)


def _events(text: str, legend: str, modes: str) -> Panel:
    """How many came in by `text`, in which `@events` and `@day` stand for what they name."""
    return Panel(
        title="Events in 24 hours",
        kind="stat",
        description=(
            f"Billing events of {modes} that were stored in the last 24 hours, of apps and of "
            "Stripe each. No events yet: an exporter runs, and none came in that time."
        ),
        targets=(
            Target(
                or_none(text, "source", events=EVENTS_RECEIVED, day=_DAY, ready=READY),
                legend,
            ),
        ),
        unit="short",
        width=8,
        height=4,
        decimals=0,
        shown=(Shown(0, "No events yet", "text"),),
        no_value="Exporter down",
        fixed_window=_NO_ZOOM,
    )


_FIRING = Panel(
    title="Alerts firing",
    kind="stat",
    description="Alerts of the billing rules that fire now; they are regions on the panels below.",
    targets=(
        Target(
            select(
                'count(@alerts{component="billing", alertstate="firing", '
                'alertname!="BillingWatchdog"}) or vector(0)',
                alerts=ALERTS,
            ),
            "alerts",
        ),
    ),
    unit="short",
    width=4,
    height=4,
    decimals=0,
    steps=(Step("green"), Step("red", 1.0)),
    shown=(Shown(0, "None", "green"),),
    everywhere="The rules' series have the labels that they are about, not those of a scrape.",
)


def _row(events: Panel) -> Row:
    return Row("Is it alive", (_UP, _READY, _LEDGER, events, _FIRING))


STATUS = _row(
    _events(
        f"sum by (source) ({risen('@events{<here>, <mode>}', '@day')}) > 0",
        "{{source}}",
        "the chosen mode",
    )
)
# Where no mode is chosen, each is shown by itself.
STATUS_OF_EACH_MODE = _row(
    _events(
        f"""
label_replace(
  sum by (source, livemode) ({risen("@events{<here>}", "@day")}) > 0,
  "mode", "test", "livemode", "false"
)
""",
        "{{source}} {{mode}}",
        "each mode, those of test mode named so",
    )
)
