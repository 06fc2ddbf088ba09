"""What many organisations do at once, and alerts about them that nobody takes."""

from dataclasses import replace

from drill import organizations, setups
from drill.plan import MINUTES, Act, Trouble

_HURRIED = replace(MINUTES, prepare=setups.hurried)
_QUOTA = {"fix": {"quota": organizations.QUOTA, "overage_price_minor": 5}}
_WITH_QUOTA = replace(
    _HURRIED, config={"plans": {"free": {}, "pro": {"meters": _QUOTA}}, "default_plan": "pro"}
)

ACTS: tuple[Act, ...] = (
    Act(
        "organizations-over-quota",
        (
            Trouble(
                "most organisations are over their quotas at once, and nobody looks after them",
                organizations.many_over_quota,
                (
                    "BillingOrganizationAlertsSurge",
                    "BillingOverageCostSurge",
                    "BillingOrganizationsOverQuotaMany",
                    "BillingAlertsUnacknowledged",
                ),
                slack_seconds=20,
            ),
        ),
        setup=_WITH_QUOTA,
        steady=None,
        lead_seconds=80,
        history=organizations.some_over_quota,
    ),
    Act(
        "organizations-unusual",
        (
            Trouble(
                "many organisations use a hundred times what they did in past weeks",
                organizations.many_unusual,
                ("BillingUsageAnomaliesMany",),
                slack_seconds=20,
            ),
        ),
        setup=_HURRIED,
        steady=None,
        history=organizations.steady_weeks,
    ),
)
