"""docs/simulate.md: how to send simulated traffic, and what the scenarios are."""

from docs_markdown import code, page, table
from exporter.simulation.conditions import STEADY_SHARES
from exporter.simulation.scenarios import (
    INCIDENT_AFTER_SECONDS,
    INCIDENT_FOR_SECONDS,
    SCENARIOS,
)

_EXAMPLES = """```sh
billing-exporter simulate                                    # ten minutes, 20 events a second
billing-exporter simulate --scenario payment-failures --rate 100 --flat
billing-exporter simulate --start -14d --duration 14d --speed max --rate 0.5
billing-exporter simulate --dry-run --events 1000 --start 2026-11-20T12:00:00Z > requests.ndjson
```"""


def build() -> str:
    """The page, without its header."""
    minutes = (INCIDENT_AFTER_SECONDS / 60, INCIDENT_FOR_SECONDS / 60)
    return page(
        "# Simulated traffic",
        "`billing-exporter simulate` plays a business with customers, subscriptions, payments and "
        "usage, and sends what comes of it to a running exporter: Stripe's webhooks, signed, and "
        "the app's events in batches. It needs no account and no network but the way to the "
        "exporter, and it finds address, key and secret as the other commands do.",
        _EXAMPLES,
        "## Time and volume",
        "`--seed` decides every chance. Equal seeds, scenarios, starts and volumes send the same "
        "bytes, but for the time in Stripe's signatures; a dry run takes the simulated time for "
        "these as well. The ids follow from seed, scenario, start and mode: the same run sent "
        "again adds nothing, and another run shares no id with it. Runs with the same "
        "`--customers` and seed share the customers of their start; what counts once a customer is "
        "told too high in the summaries of all but the first.",
        "`--rate` is the mean of events a simulated second over a week, Stripe's and the app's "
        "together. By day and on workdays there are more, at night and on weekends fewer, and "
        "every week a little more than the week before; `--flat` turns that off. `--speed` is how "
        "many simulated seconds go by in one; nothing is sent before the time at which it happens. "
        "Without `--start` a faster run begins so long ago that it ends now. Things happen as "
        "often as the rate demands: at a high one an organisation may renew several times a day.",
        "Stripe delivers late, twice and out of order, and the app repeats batches. After a 503 or "
        "a lost connection a request is sent again as it was.",
        "## What must show",
        "The summary tells what was sent by event and outcome, and by how much each series of "
        "`/metrics` must have risen for it: all that events count on, but for the buckets of "
        "histograms. It is the model's own reckoning, not the exporter's, and holds to the last "
        "minor unit if nothing else sends events meanwhile. Only `billing_events_repeated_total` "
        "may have risen by more, up to `more_repeats_possible`: a request that was sent again may "
        "have been taken the first time.",
        "## Where it is sent",
        "Counters never fall, so simulated events can't be taken back. Unless `--yes` is given, "
        "nothing is sent to another machine, nor to a configured exporter that would count it as "
        "live. Stripe's events are of test mode unless `--livemode` is given; the app's events "
        "have no mode of their own and count as the exporter's first.",
        "## Scenarios",
        f"A scenario is a steady day with an incident, which begins after {minutes[0]:g} minutes "
        f"and lasts for {minutes[1]:g}, or as `--incident-after` and `--incident-for` say.",
        table(
            ("Scenario", "What happens", "In the incident"),
            ((code(name), one.summary, one.difference) for name, one in SCENARIOS.items()),
        ),
        "A number behind the name of a happening is its share in everything that happens on a "
        "steady day:",
        table(
            ("Happening", "Share"),
            ((code(name), f"{share:g}") for name, share in STEADY_SHARES.items()),
        ),
    )
