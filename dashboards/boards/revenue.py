"""Revenue and dunning: what comes in, what fails to, and what becomes of it."""

from dashboards.boards.dunning import DUNNING, MOVED_BACK
from dashboards.boards.status import STATUS
from dashboards.counting import (
    AN_HOUR,
    CHOSEN,
    CURRENT,
    ONE_CURRENCY,
    an_hour,
    counted,
    in_range,
    seen_an_hour,
)
from dashboards.panels import MONEY, Dashboard, Panel, Row, Shown, Step, Target
from dashboards.selecting import risen, series, series_or_none
from dashboards.variables import CURRENCY, DATASOURCE, INSTANCE, JOB, MODE, PLAN, TOLD_BY
from exporter.catalogue import metrics as m
from exporter.catalogue.own_metrics import (
    BUILD_INFO,
    READY,
    REVENUE_AMOUNT,
    REVENUE_EXPECTED_AMOUNT,
    SUBSCRIPTIONS,
)
from exporter.settings.thresholds.money import REVENUE_LOW
from exporter.settings.thresholds.payments import PAYMENT_FAILURE_CRITICAL, PAYMENT_FAILURE_HIGH

_PLANS = 'plan=~"$plan"'
_MONEY_BY = "source, currency"
_FAILURES_IN_RANGE = risen("@metric{<here>, <mode>, <told>}")
_NO_HOUR = "No full hour with a payment yet"
_FAILURES = (
    Step("green"),
    Step("orange", PAYMENT_FAILURE_HIGH),
    Step("red", PAYMENT_FAILURE_CRITICAL),
)


def _last_hour(name: str) -> str:
    return f"max without (instance, replica) (@{name}{{<here>, <mode>, <told>, {ONE_CURRENCY}}})"


def _failed_share(window: str) -> Target:
    some = counted("source", window, 'status="failed"')
    text = f"{some}\n/ {counted('source', window)}"
    return series("{{source}}", text, metric=m.PAYMENT_PROCESSED)


_NOW = Row(
    "Now",
    (
        Panel(
            title="Revenue of the last full hour",
            kind="stat",
            description=(
                "Money of the payments that succeeded in the last full hour (UTC), as each source "
                "told of them. Sources describe the same payments and are never added up."
            ),
            targets=(
                series("{{source}} {{currency}}", _last_hour("amount"), amount=REVENUE_AMOUNT),
            ),
            unit=MONEY,
            width=6,
            height=5,
            no_value=_NO_HOUR,
        ),
        Panel(
            title="Against the expected",
            kind="stat",
            description=(
                "The last full hour against the median of the same hour of two to four past "
                "weeks. There is no figure before the second week."
            ),
            targets=(
                series(
                    "{{source}}",
                    f"{_last_hour('amount')}\n/ ({_last_hour('expected')} > 0)",
                    amount=REVENUE_AMOUNT,
                    expected=REVENUE_EXPECTED_AMOUNT,
                ),
            ),
            unit="percentunit",
            width=6,
            height=5,
            steps=(Step("red"), Step("green", REVENUE_LOW)),
            no_value="Nothing was expected",
            alert="BillingRevenueBelowExpected",
        ),
        Panel(
            title="Failed attempts",
            kind="stat",
            description="Share of the payment attempts of the chosen time that failed.",
            targets=(_failed_share(CHOSEN),),
            unit="percentunit",
            width=4,
            height=5,
            steps=_FAILURES,
            shown=(Shown("nan", "No attempts yet"),),
            alert="BillingPaymentFailureRateHigh",
        ),
        Panel(
            title="Past due",
            kind="stat",
            description=(
                "Subscriptions whose last invoice isn't paid and is tried again, by the ledger."
            ),
            targets=(
                series(
                    "past due",
                    "sum(max without (instance, replica) "
                    '(@subscriptions{<here>, <mode>, plan=~"$plan", status="past_due"}))\n'
                    "or 0 * group(@build_info{<here>})",
                    subscriptions=SUBSCRIPTIONS,
                    build_info=BUILD_INFO,
                ),
            ),
            unit="short",
            width=4,
            height=5,
            decimals=0,
            alert="BillingDunningGrowing",
        ),
        Panel(
            title="Written off",
            kind="stat",
            description="Money of invoices that were given up in the chosen time.",
            targets=(in_range(m.INVOICE_WRITTEN_OFF_AMOUNT, _MONEY_BY, ONE_CURRENCY),),
            unit=MONEY,
            width=4,
            height=5,
        ),
    ),
)
_REVENUE = Row(
    "Revenue",
    (
        Panel(
            title="Revenue by full hour",
            kind="timeseries",
            description=(
                "What each full hour brought, beside what the same hour of past weeks lets expect."
            ),
            targets=(
                series("{{source}} {{currency}}", _last_hour("amount"), amount=REVENUE_AMOUNT),
                series(
                    "{{source}} {{currency}} expected",
                    _last_hour("expected"),
                    expected=REVENUE_EXPECTED_AMOUNT,
                ),
            ),
            unit=MONEY,
            width=12,
            least=0,
            no_value=_NO_HOUR,
            alert="BillingRevenueBelowExpected",
        ),
        Panel(
            title="Succeeded and failed payments per hour",
            kind="timeseries",
            description=(
                "Money of payment attempts. One that failed may be tried again, so it isn't lost "
                "yet."
            ),
            targets=(
                an_hour(
                    m.PAYMENT_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} succeeded",
                ),
                an_hour(
                    m.PAYMENT_FAILED_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} failed",
                ),
            ),
            unit=MONEY,
            width=12,
            least=0,
        ),
        Panel(
            title="Paid invoices by plan per hour",
            kind="timeseries",
            description="Money of paid invoices. `other` is what belongs to no configured plan.",
            targets=(
                an_hour(m.INVOICE_PAID_AMOUNT, "source, plan, currency", ONE_CURRENCY, _PLANS),
            ),
            unit=MONEY,
            width=12,
            least=0,
        ),
        Panel(
            title="Subscriptions begun and renewed per hour",
            kind="timeseries",
            description="Money of subscriptions, by whether they began or went on.",
            targets=(
                an_hour(m.SUBSCRIPTION_AMOUNT, "source, step, currency", ONE_CURRENCY, _PLANS),
            ),
            unit=MONEY,
            width=12,
            least=0,
        ),
    ),
)
_ATTEMPTS = Row(
    "Payment attempts",
    (
        Panel(
            title="Share of attempts that fail",
            kind="timeseries",
            description=(
                "Failed of all payment attempts, each source by itself. Alerts judge half an "
                "hour, and only if more failed than chance would have it."
            ),
            targets=(_failed_share(CURRENT),),
            unit="percentunit",
            least=0,
            steps=_FAILURES,
            alert="BillingPaymentFailureRateHigh",
        ),
        Panel(
            title="Attempts by method per hour",
            kind="timeseries",
            description="Payment attempts by type of payment method.",
            targets=(seen_an_hour(m.PAYMENT_PROCESSED, "source, payment_method"),),
            unit=AN_HOUR,
            least=0,
        ),
        Panel(
            title="Why attempts failed",
            kind="bargauge",
            description=(
                "The ten most frequent reasons in the chosen time: the issuer's decline code "
                "where it is known, else the error code."
            ),
            targets=(
                series_or_none(
                    "{{source}} {{failure_code}}",
                    "failure_code",
                    f"topk(10, sum by (source, failure_code) ({_FAILURES_IN_RANGE}) > 0)",
                    metric=m.PAYMENT_FAILURES,
                    ready=READY,
                ),
            ),
            unit="short",
            decimals=0,
            alert="BillingPaymentDeclineBurst",
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="billing-revenue",
    title="Billing: revenue and dunning",
    description=(
        "What comes in, in one currency and one mode at a time, what fails to, and what becomes "
        "of what failed."
    ),
    rows=(STATUS, _NOW, _REVENUE, _ATTEMPTS, DUNNING, MOVED_BACK),
    variables=(DATASOURCE, JOB, INSTANCE, MODE, CURRENCY, TOLD_BY, PLAN),
    since="now-7d",
)
