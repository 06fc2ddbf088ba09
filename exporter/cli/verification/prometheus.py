"""Prometheus: what it scrapes, which rules it evaluates, and whom it tells."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from exporter.catalogue import own_metrics as own
from exporter.cli.verification.samples import Samples, make_key
from exporter.cli.verification.sheet import CLOCK, Item, Sheet
from exporter.endpoint import Endpoint
from exporter.exposition import Exposition

CHECKS: Mapping[str, str] = {
    "answers": "It answers",
    "scraped": "It scrapes every exporter, under the job that the rules name",
    "instance": "`instance` is the replica's stable name",
    "alerts": "The alert rules are loaded",
    "rules": "Every rule is evaluated without an error",
    "names": "Every rule names metrics that the exporter has",
    "quiet": "No alert fires",
    "alertmanagers": "It sends alerts to Alertmanager",
    "clock": CLOCK,
}
# Those by which an installation of this kind is known; more come with the same files.
SEVEN = (
    "BillingPaymentFailureRateHigh",
    "BillingPaymentFailureRateCritical",
    "StripeWebhookFailureRateHigh",
    "StripeWebhookProcessingDurationHigh",
    "StripeWebhooksStalled",
    "SubscriptionCancellationRateHigh",
    "BillingCreditGrantAnomalyDetected",
)
GROUP_PREFIX = "billing-"
WATCHDOG = "watchdog"
_START = "Start it, and give its address by --prometheus or PROMETHEUS_URL."
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_NAME = re.compile(r"(?<![\w:])[a-zA-Z_]\w*(?![\w:(])")
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")
_PIECE = re.compile(r"(\d+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Prometheus(Endpoint):
    """One Prometheus. Its methods raise EndpointFault."""

    kind: ClassVar[str] = "Prometheus"
    remedies: ClassVar[Mapping[int, str]] = dict.fromkeys(
        (401, 403), "write name and password into its address: http://name:password@host:9090"
    )

    def read(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        answer = self.ask_json("GET", f"/api/v1/{path}", parameters=parameters)
        if not isinstance(answer, dict) or "data" not in answer:
            raise self.fault(f"tells nothing at /api/v1/{path}", 200)
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: `metric` and `value` of each."""
        found: list[dict[str, Any]] = self.read("query", query=expression)["result"]
        return found


@dataclass(frozen=True, slots=True)
class Target:
    """One exporter as Prometheus scrapes it, every `interval_seconds`."""

    job: str
    instance: str
    replica: str
    interval_seconds: float

    def samples(self, prometheus: Prometheus, names: Collection[str]) -> Samples:
        """What Prometheus has of those metrics."""
        pattern = f"({'|'.join(names)})(_bucket|_sum|_count)?"
        selector = f'{{job="{self.job}",instance="{self.instance}",__name__=~"{pattern}"}}'
        return {
            make_key(labels.pop("__name__"), labels): float(one["value"][1])
            for one in prometheus.query(selector)
            for labels in [dict(one["metric"])]
        }


@dataclass(frozen=True)
class PrometheusLook:
    """Looks at a Prometheus. `job` is the exporter's there, `replicas` are those that must be
    scraped, `names` the metrics that exporters have, `alerts` the rules that must be there, and to
    so many `alertmanagers` it must send them.
    """

    exposition: Exposition
    job: str
    replicas: Collection[str]
    names: Collection[str]
    alerts: Collection[str]
    alertmanagers: int
    skew_seconds: float

    def verify(self, prometheus: Prometheus) -> tuple[list[Item], list[Target]]:
        """The answers, and the exporters that it scrapes."""
        sheet = Sheet(f"Prometheus {prometheus.address}", CHECKS, self.skew_seconds)
        targets: list[Target] = []
        with sheet.reaching(_START):
            sheet.judge_clock(prometheus.ask("GET", "/-/ready").skew_seconds)
            version = prometheus.read("status/buildinfo")["version"]
            sheet.judge("answers", True, f"version {version}", "")
            targets = self._find_targets(prometheus)
            self._judge_targets(sheet, prometheus, targets)
            self._judge_rules(sheet, prometheus.read("rules")["groups"])
            self._judge_alertmanagers(sheet, prometheus.read("alertmanagers"))
        return sheet.items(), targets

    def _find_targets(self, prometheus: Prometheus) -> list[Target]:
        intervals = {
            (one["labels"]["job"], one["labels"]["instance"]): _seconds(one["scrapeInterval"])
            for one in prometheus.read("targets", state="active")["activeTargets"]
        }
        found = []
        for one in prometheus.query(self.exposition.name(own.BUILD_INFO)):
            labels = one["metric"]
            place = labels.get("job", ""), labels.get("instance", "")
            found.append(Target(*place, labels.get("replica", ""), intervals.get(place, 60.0)))
        return found

    def _judge_targets(self, sheet: Sheet, prometheus: Prometheus, targets: list[Target]) -> None:
        ours = [target for target in targets if target.job == self.job]
        down = [
            one["metric"].get("instance", "")
            for one in prometheus.query(f'up{{job="{self.job}"}} == 0')
        ]
        missing = sorted(set(self.replicas) - {target.replica for target in ours})
        troubles = [
            *([f"down: {', '.join(down)}"] if down else []),
            *([f"not scraped: {', '.join(missing)}"] if missing else []),
            *([] if ours else [f"no exporter in the job {self.job}"]),
            *sorted({f"scraped as the job {one.job}" for one in targets if one.job != self.job}),
        ]
        told = ", ".join(sorted(target.replica for target in ours))
        sheet.judge(
            "scraped",
            not troubles,
            "; ".join(troubles) or f"job {self.job}: {told}",
            "Mend scrape_configs, or let alerts.job in billing.yml name the job and make the rules "
            "again.",
        )
        odd = [f"{one.instance} is {one.replica}" for one in targets if one.instance != one.replica]
        sheet.judge(
            "instance",
            bool(targets) and not odd,
            "; ".join(odd) or (told if targets else "no exporter is scraped"),
            "Set the label `instance` of the target to the replica's name (BILLING_REPLICA), or "
            "relabel it so: counters of a replica go by one name for good.",
        )

    def _judge_rules(self, sheet: Sheet, groups: list[dict[str, Any]]) -> None:
        rules = [
            rule
            for group in groups
            if group["name"].startswith(GROUP_PREFIX)
            for rule in group["rules"]
        ]
        make = "Run `make rules`, let rule_files name the files, and reload Prometheus."
        there = {rule["name"] for rule in rules}
        lacking = sorted(set(self.alerts) - there)
        alerts = sum(rule["type"] == "alerting" for rule in rules)
        sheet.judge(
            "alerts",
            not lacking,
            f"not there: {', '.join(lacking[:5])}{' …' * (len(lacking) > 5)}"
            if lacking
            else f"{alerts} alerts, {len(rules) - alerts} recording rules",
            make,
        )
        ill = [f"{one['name']}: {_trouble(one)}" for one in rules if one["health"] != "ok"]
        sheet.judge(
            "rules",
            bool(rules) and not ill,
            "; ".join(ill[:3]) or f"{len(rules)} rules",
            "Look at /rules there; one that isn't evaluated yet is within a minute."
            if rules
            else make,
        )
        strange = sorted({name for rule in rules for name in self._strange_names(rule["query"])})
        sheet.judge(
            "names",
            bool(rules) and not strange,
            f"unknown: {', '.join(strange[:5])}" if strange else f"{len(rules)} rules",
            "Make the rules of this version with the exporter's billing.yml: "
            "`make rules CONFIG=billing.yml OUT=dir`."
            if rules
            else make,
        )
        firing = sorted(
            rule["name"]
            for rule in rules
            if rule.get("state") == "firing" and rule["labels"].get("subsystem") != WATCHDOG
        )
        sheet.judge(
            "quiet",
            bool(rules) and not firing,
            ", ".join(firing) or (f"{alerts} alerts are quiet" if rules else "there are no rules"),
            "Each alert's page in rules/runbooks/ tells what to do." if rules else make,
        )

    def _strange_names(self, query: str) -> Iterator[str]:
        """What looks like a metric of billing in an expression, and is none of the exporter's."""
        for name in _NAME.findall(_STRING.sub('""', query)):
            bare = _SUFFIX.sub("", name)
            if "billing_" in name and name not in self.names and bare not in self.names:
                yield name

    def _judge_alertmanagers(self, sheet: Sheet, told: dict[str, Any]) -> None:
        active = [urlsplit(one["url"]).netloc for one in told["activeAlertmanagers"]]
        # By how many, as the names that Prometheus has for them may be others than ours.
        lacking = max(1, self.alertmanagers) - len(active)
        sheet.judge(
            "alertmanagers",
            lacking <= 0,
            (f"{lacking} fewer than there are; " if lacking > 0 else "")
            + (", ".join(active) or "to none"),
            "Put alertmanager/generated/prometheus-alerting.yml into prometheus.yml, or in "
            "Kubernetes the part `alerting` of the ConfigMap billing-scrape: each Alertmanager by "
            "its own address.",
        )


def _trouble(rule: Mapping[str, Any]) -> str:
    return str(rule.get("lastError") or f"health {rule['health']}")


def _seconds(text: str) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _PIECE.findall(text)) or 60.0
