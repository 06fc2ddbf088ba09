"""The ledger beside what the exporters and Prometheus tell of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.cli.verification.exporters import Exporter
from exporter.cli.verification.prometheus import Prometheus, Target
from exporter.cli.verification.samples import Agreement, Counted, Samples, compare
from exporter.cli.verification.sheet import LOOSE_SECONDS, Item, Sheet
from exporter.ledger.verification import LedgerView

CHECKS: Mapping[str, str] = {
    "answers": "It answers, and has the schema of this version",
    "leases": "Every exporter has its name to itself",
    "counters": "The exporters' counters are its totals, exactly",
    "prometheus": "The counters in Prometheus are its totals, exactly",
    "backup": "There is a recent backup",
    "clock": "Its clock agrees with this machine's",
}
_MIGRATE = "Run `billing-exporter migrate`, or the version that the ledger is of."
_READ = (
    "Look at the database's log, and ask again; with the role that the exporters have, if one may "
    "not read it."
)
_LAG_SECONDS = 5.0


@dataclass(frozen=True)
class LedgerLook:
    """Looks at the ledger. A backup may be `backup_seconds` old; 0 asks for none."""

    counted: Counted
    exporters: Sequence[Exporter]
    prometheus: Prometheus | None
    targets: Sequence[Target]
    backup_seconds: float
    skew_seconds: float

    def verify(self, view: LedgerView) -> list[Item]:
        """The answers."""
        checks = {name: item for name, item in CHECKS.items() if name in self._asked()}
        sheet = Sheet("ledger", checks, self.skew_seconds)
        missing = 0
        with sheet.reaching(_READ, "answers"):
            missing = view.missing_migrations()
            told = (
                f"{abs(missing)} migrations {'lack' if missing > 0 else 'are of a newer version'}"
            )
            sheet.judge("answers", not missing, told if missing else "all migrations", _MIGRATE)
        with sheet.reaching(_READ, "clock"):
            skew = view.clock_seconds() - datetime.now(UTC).timestamp()
            sheet.judge_clock(skew if abs(skew) > LOOSE_SECONDS else 0.0)
        if missing > 0:
            sheet.leave("its schema isn't there", _MIGRATE)
            return sheet.items()
        with sheet.reaching(_READ, "leases"):
            self._judge_leases(sheet, view)
        with sheet.reaching(_READ, "counters"):
            self._judge_exporters(sheet, view)
        with sheet.reaching(_READ, "prometheus"):
            self._judge_prometheus(sheet, view)
        if self.backup_seconds:
            with sheet.reaching(_READ, "backup"):
                self._judge_backup(sheet, view)
        return sheet.items()

    def _asked(self) -> set[str]:
        return {*CHECKS} - (set() if self.backup_seconds else {"backup"})

    def _judge_leases(self, sheet: Sheet, view: LedgerView) -> None:
        names = view.names()
        live = {one.replica for one in names if one.live}
        seen = Counter(exporter.replica for exporter in self.exporters)
        troubles = [
            *(f"{name} has no live lease" for name in sorted(seen.keys() - live)),
            *(f"{name} is the name of several" for name, number in seen.items() if number > 1),
            *([] if live else ["no exporter holds any"]),
        ]
        gone = sorted(one.replica for one in names if not one.live)
        told = f"live: {', '.join(sorted(live))}" + (f"; gone: {', '.join(gone)}" if gone else "")
        sheet.judge(
            "leases",
            not troubles,
            "; ".join(troubles) or told,
            "Give the command the DATABASE_URL of the exporters, and each exporter a "
            "BILLING_REPLICA of its own.",
        )

    def _judge_exporters(self, sheet: Sheet, view: LedgerView) -> None:
        if not self.exporters:
            sheet.miss("counters", "no exporter answers", "Name it by --exporter.")
            return
        found = [
            compare(
                lambda one=exporter: self._totals(view, one.replica),  # type: ignore[misc]
                lambda one=exporter: self.counted.among(one.scrape()),  # type: ignore[misc]
                _LAG_SECONDS,
            )
            for exporter in self.exporters
        ]
        _judge_agreement(
            sheet,
            "counters",
            dict(zip((exporter.replica for exporter in self.exporters), found, strict=True)),
            "Run `doctor`. If the exporter is this ledger's, stop it and start it again: it loads "
            "the totals anew. Then report it, with its log.",
        )

    def _judge_prometheus(self, sheet: Sheet, view: LedgerView) -> None:
        prometheus, live = self.prometheus, {one.replica for one in view.names() if one.live}
        targets = [target for target in self.targets if target.replica in live]
        if prometheus is None or not targets:
            sheet.miss(
                "prometheus",
                "no replica of this ledger is scraped",
                "Let Prometheus scrape the exporters, and give its address by --prometheus.",
            )
            return
        found = {
            target.replica: compare(
                lambda one=target: self._totals(view, one.replica),  # type: ignore[misc]
                lambda one=target: self.counted.among(  # type: ignore[misc]
                    one.samples(prometheus, self.counted.names)
                ),
                target.interval_seconds + _LAG_SECONDS,
            )
            for target in targets
        }
        _judge_agreement(
            sheet,
            "prometheus",
            found,
            "Look at /targets there: what drops labels or metrics (relabelling, sample_limit)?",
        )

    def _totals(self, view: LedgerView, replica: str) -> Samples:
        return self.counted.from_increments(view.totals(replica))

    def _judge_backup(self, sheet: Sheet, view: LedgerView) -> None:
        last = view.last_backup()
        if last is None:
            told, good = "none by `billing-exporter backup` is known", False
        else:
            at, checked = last
            age_seconds = (datetime.now(UTC) - at).total_seconds()
            good = age_seconds <= self.backup_seconds
            told = f"{at:%Y-%m-%d %H:%M} UTC, {'checked' if checked else 'not checked'}"
        sheet.judge(
            "backup",
            good,
            told,
            "Run `billing-exporter backup` each day. With backups by other means: --backup-age 0.",
        )


def _judge_agreement(sheet: Sheet, check: str, found: Mapping[str, Agreement], remedy: str) -> None:
    told = "; ".join(f"{replica}: {agreement}" for replica, agreement in found.items())
    sheet.judge(check, not any(agreement.off for agreement in found.values()), told, remedy)
