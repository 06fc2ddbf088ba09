"""Rows of the dashboard about revenue: invoices not paid at once, and money that went back."""

from dashboards.counting import (
    AN_HOUR,
    CHOSEN,
    CURRENT,
    ONE_CURRENCY,
    an_hour,
    counted,
    in_range,
    seen_an_hour,
    seen_in_range,
)
from dashboards.panels import MONEY, Panel, Row, Shown, Step
from dashboards.selecting import series, series_or_none
from exporter.catalogue import metrics as m
from exporter.catalogue.own_metrics import SUBSCRIPTIONS
from exporter.settings.thresholds.money import PAYOUTS_FAILED_LEAST, REFUNDS_HIGH

_MONEY_BY = "source, currency"
_PLANS = 'plan=~"$plan"'
_REFUNDED = counted("source", CURRENT, name="refunds")
_SUCCEEDED = counted("source", CURRENT, 'status="succeeded"', name="processed")
_RECOVERED = counted("source", CHOSEN, name="recovered")
_GIVEN_UP = counted("source", CHOSEN, name="given_up")

DUNNING = Row(
    "Dunning",
    (
        Panel(
            title="Subscriptions by status",
            kind="timeseries",
            description=(
                "Subscriptions of the chosen plans as the ledger has them, from Stripe's events "
                "and its API; past due is what dunning works on."
            ),
            targets=(
                series_or_none(
                    "{{status}}",
                    "status",
                    "sum by (status) (max without (instance, replica) "
                    '(@subscriptions{<here>, <mode>, plan=~"$plan"}))',
                    subscriptions=SUBSCRIPTIONS,
                ),
            ),
            unit="short",
            stacked=True,
            alert="BillingDunningGrowing",
        ),
        Panel(
            title="Failed attempts at collecting per hour",
            kind="timeseries",
            description="By which attempt it was: the later, the less is to be expected of it.",
            targets=(an_hour(m.INVOICE_FAILED, "source, attempt"),),
            unit=AN_HOUR,
            least=0,
        ),
        Panel(
            title="Invoices that wait for somebody per hour",
            kind="timeseries",
            description=(
                "The customer has to act, the invoice could not be finished, or it is overdue."
            ),
            targets=(an_hour(m.INVOICE_ATTENTION, "source, reason"),),
            unit=AN_HOUR,
            least=0,
        ),
        Panel(
            title="Money of failed invoices per hour",
            kind="timeseries",
            description=(
                "What failed attempts left open, what was paid after a failure, and what was "
                "given up."
            ),
            targets=(
                an_hour(
                    m.INVOICE_FAILED_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} left open",
                ),
                an_hour(
                    m.INVOICE_RECOVERED_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} recovered",
                ),
                an_hour(
                    m.INVOICE_WRITTEN_OFF_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} given up",
                ),
            ),
            unit=MONEY,
            width=12,
            least=0,
        ),
        Panel(
            title="Recovered of what is settled",
            kind="stat",
            description=(
                "Of the invoices that failed and were settled in the chosen time, the share that "
                "was paid and not given up."
            ),
            targets=(
                series(
                    "{{source}}",
                    f"{_RECOVERED}\n/ ({_RECOVERED} + {_GIVEN_UP})",
                    recovered=m.INVOICE_RECOVERED,
                    given_up=m.INVOICE_WRITTEN_OFF,
                ),
            ),
            unit="percentunit",
            width=6,
            shown=(Shown("nan", "None settled yet"),),
        ),
        Panel(
            title="Recovered in the chosen time",
            kind="stat",
            description="Money of invoices that were paid after an attempt had failed.",
            targets=(in_range(m.INVOICE_RECOVERED_AMOUNT, _MONEY_BY, ONE_CURRENCY),),
            unit=MONEY,
            width=6,
        ),
        Panel(
            title="Subscriptions that ended per hour",
            kind="timeseries",
            description="By whether the customer asked for it, or it was for want of payment.",
            targets=(an_hour(m.SUBSCRIPTION_CANCELLED, "source, reason", _PLANS),),
            unit=AN_HOUR,
            width=12,
            least=0,
            alert="SubscriptionCancellationRateHigh",
        ),
        Panel(
            title="Changes of status per hour",
            kind="timeseries",
            description="From which status subscriptions went to which.",
            targets=(
                seen_an_hour(m.SUBSCRIPTION_STATUS_CHANGED, "source, from_status, to_status"),
            ),
            unit=AN_HOUR,
            width=12,
            least=0,
        ),
    ),
)
MOVED_BACK = Row(
    "Refunds, disputes and payouts",
    (
        Panel(
            title="Share that is refunded",
            kind="timeseries",
            description="Refunds of the succeeded payments and the refunds together.",
            targets=(
                series(
                    "{{source}}",
                    f"{_REFUNDED}\n/ ({_SUCCEEDED} + {_REFUNDED})",
                    refunds=m.REFUND_ISSUED,
                    processed=m.PAYMENT_PROCESSED,
                ),
            ),
            unit="percentunit",
            least=0,
            steps=(Step("green"), Step("red", REFUNDS_HIGH)),
            alert="BillingRefundSpike",
        ),
        Panel(
            title="Money that goes back per hour",
            kind="timeseries",
            description=(
                "Refunds, less those that failed afterwards, and what was withdrawn for disputes "
                "or given back from them."
            ),
            targets=(
                an_hour(
                    m.REFUND_ISSUED_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} refunded",
                ),
                an_hour(
                    m.REFUND_FAILED_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} refund failed",
                ),
                an_hour(
                    m.DISPUTE_WITHDRAWN_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} withdrawn",
                ),
                an_hour(
                    m.DISPUTE_REINSTATED_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} given back",
                ),
            ),
            unit=MONEY,
            least=0,
        ),
        Panel(
            title="Disputes opened",
            kind="bargauge",
            description=(
                "Disputes and inquiries of the chosen time; an inquiry withdraws no money yet."
            ),
            targets=(seen_in_range(m.DISPUTE_OPENED, "source, kind"),),
            unit="short",
            decimals=0,
            alert="BillingDisputesOverLimit",
        ),
        Panel(
            title="Payouts per hour",
            kind="timeseries",
            description="Money that reached the bank account, and that did not.",
            targets=(
                an_hour(
                    m.PAYOUT_PAID_AMOUNT,
                    _MONEY_BY,
                    ONE_CURRENCY,
                    legend="{{source}} {{currency}} paid",
                ),
                an_hour(
                    m.PAYOUT_FAILED_AMOUNT,
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
            title="Failed payouts",
            kind="stat",
            description=(
                "Payouts of the chosen time that the bank refused. Stripe may then stop paying out."
            ),
            targets=(in_range(m.PAYOUT_FAILED, "source"),),
            unit="short",
            width=6,
            decimals=0,
            steps=(Step("green"), Step("orange", PAYOUTS_FAILED_LEAST)),
            alert="BillingPayoutFailed",
        ),
        Panel(
            title="Early fraud warnings",
            kind="stat",
            description="Warnings of card issuers in the chosen time; a dispute mostly follows.",
            targets=(in_range(m.EARLY_FRAUD_WARNING, "source"),),
            unit="short",
            width=6,
            decimals=0,
        ),
    ),
)
