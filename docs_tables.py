"""The tables in docs/, built from the catalogue and the settings, and whether every name in use
is in them.

`build()` is pure; `bundle.py` writes what it returns. `python -m docs_tables --check` looks for
metrics and settings that the code names and nobody declared.
"""

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import docs_access
import docs_alerts
import docs_simulate
from docs_markdown import code, page, table
from exporter.catalogue.accounting import ACCOUNTING
from exporter.catalogue.book import METRICS
from exporter.catalogue.events import APP_KINDS, KINDS, MEASUREMENTS, METADATA, Kind
from exporter.catalogue.model import Label, Metric
from exporter.settings import CONFIG_KEYS, PLANS_EXAMPLE, SETTINGS
from exporter.stripe_events.translate import TRANSLATED_TYPES

SOURCE_FOLDERS = ("exporter", "rules")
LISTED_VALUES = 12  # a longer set is counted in the table, and listed nowhere else

# Names that read like a metric's and are something else.
OTHER_NAMES = {
    "billing_cycle_anchor": "a field of Stripe's subscription",
    "billing_details": "a field of Stripe's charge",
    "billing_mode": "a field of Stripe's subscription",
    "billing_operator": "a role of PostgreSQL",
    "billing_reason": "a field of Stripe's invoice",
    "billing_scheme": "a field of Stripe's price",
}

_METRIC_WORD = re.compile(r"(?<![A-Za-z0-9:])(?:[a-z0-9]+_)*?(billing_[a-z0-9_]*[a-z0-9])(?![\w:])")
_SETTING_WORD = re.compile(r"\bBILLING_[A-Z0-9_]*[A-Z0-9]\b")
_HISTOGRAM_SAMPLES = ("_bucket", "_count", "_sum")


def build() -> dict[str, str]:
    """The generated pages, {path: text}, without their header."""
    return {
        "docs/access.md": docs_access.build(),
        "docs/alerts.md": docs_alerts.build(),
        "docs/metrics.md": _metrics_page(),
        "docs/events.md": _events_page(),
        "docs/settings.md": _settings_page(),
        "docs/simulate.md": docs_simulate.build(),
    }


def undeclared_names(root: Path) -> list[str]:
    """A sentence for each metric or setting that a string in the code below `root` names and
    the catalogue or the settings do not.
    """
    metrics = _metric_names() | OTHER_NAMES.keys() | _database_names(root) | _label_values()
    settings = _setting_names()
    findings = []
    for path, line, text in _strings(root):
        where = f"{path.relative_to(root)}:{line}"
        findings += [
            f"{where}: {name} is not a metric of the catalogue. Declare it in exporter/catalogue, "
            "or say in OTHER_NAMES of docs_tables.py what else it is."
            for name in _METRIC_WORD.findall(text)
            if name not in metrics
        ]
        findings += [
            f"{where}: {name} is not a setting. Declare it in SETTINGS of exporter/settings."
            for name in _SETTING_WORD.findall(text)
            if name not in settings
        ]
    return findings


def _metrics_page() -> str:
    counted = [metric for metric in METRICS if metric.ledger]
    own = [metric for metric in METRICS if not metric.ledger]
    labels = sorted(
        {label for metric in METRICS for label in metric.labels},
        key=lambda label: (label.name, label.help),
    )
    return page(
        "# Metrics",
        "A configured `namespace` is put before every name that begins with `billing_`, with an "
        "underscore.",
        "## Counted from events",
        "Each event counts once. These totals are in the ledger and survive a restart.",
        _metric_table(counted),
        "## Of the exporter itself",
        "These begin anew with the process, or show the ledger's state.",
        _metric_table(own),
        "## Buckets of the histograms",
        table(
            ("Metric", "Upper bounds"),
            (
                (code(metric.name), ", ".join(f"{bound:g}" for bound in metric.bounds))
                for metric in METRICS
                if metric.bounds
            ),
        ),
        "## Labels",
        "A value outside its set is exposed as `other`, and counted in "
        "`billing_label_values_other_total`.",
        table(
            ("Label", "Meaning", "Values", "Key in `billing.yml`"),
            (
                (code(label.name), label.help, _values(label), code(label.configured or ""))
                for label in labels
            ),
        ),
    )


def _metric_table(metrics: Iterable[Metric]) -> str:
    return table(
        ("Metric", "Type", "Unit", "Labels", "Meaning"),
        (
            (
                code(metric.name),
                metric.kind,
                metric.unit,
                " ".join(code(name) for name in metric.label_names),
                metric.help,
            )
            for metric in metrics
        ),
    )


def _values(label: Label) -> str:
    if not label.values:
        return "free"
    if len(label.values) > LISTED_VALUES:
        return f"{len(label.values)} values, from {code(label.values[0])}"
    return " ".join(code(value) for value in label.values)


def _events_page() -> str:
    stripe_kinds = [kind for kind in KINDS if not kind.from_app]
    return page(
        "# Events",
        "## Sent by an app",
        "`POST /api/v1/events` takes one event, an array, one event a line, or CloudEvents. "
        "Required are `id`, `event`, `occurred_at`, and the measurement printed in bold. Every "
        "event, an app's or Stripe's, counts on `billing_events_received_total` too.",
        table(
            ("Event", "Meaning", "Measurements", "Counts on"),
            (
                (code(kind.name), kind.help, _measurements(kind), _counts_on(kind))
                for kind in APP_KINDS
            ),
        ),
        "### Measurements",
        table(("Measurement", "Meaning"), ((code(n), text) for n, text in MEASUREMENTS.items())),
        "### Metadata",
        table(("Field", "Meaning"), ((code(n), text) for n, text in METADATA.items())),
        "### Examples",
        *(_example(kind) for kind in APP_KINDS),
        "## Only from Stripe",
        "Stripe's events are translated to the events above and to these.",
        table(
            ("Event", "Meaning", "Counts on"),
            ((code(kind.name), kind.help, _counts_on(kind)) for kind in stripe_kinds),
        ),
        "### Event types to subscribe to",
        "These count, or tell a subscription's state. Any other type is answered, counted in "
        "`billing_stripe_webhook_received_total`, and changes nothing else.",
        "\n".join(f"- {code(name)}" for name in TRANSLATED_TYPES),
    )


def _measurements(kind: Kind) -> str:
    return " ".join(
        f"**{code(name)}**" if name in kind.required else code(name) for name in kind.measurements
    )


def _counts_on(kind: Kind) -> str:
    names = dict.fromkeys(rule.metric.name for rule in ACCOUNTING[kind.name])
    return " ".join(code(name) for name in names)


def _example(kind: Kind) -> str:
    return f"```json\n{json.dumps(kind.example, indent=2)}\n```"


def _settings_page() -> str:
    return page(
        "# Settings",
        "## Environment",
        "`.env` in the working folder is read as well; the environment wins over it. A secret "
        "may be given as the path of a file instead, in the variable with `_FILE` at its end; "
        "then it is read again when it changes ([security.md](security.md)).",
        table(
            ("Variable", "Default", "Secret", "Meaning"),
            (
                (
                    code(setting.name),
                    code(setting.default),
                    "yes" if setting.secret else "",
                    setting.help,
                )
                for setting in SETTINGS
            ),
        ),
        "## billing.yml",
        "The file that `BILLING_CONFIG` names. A missing file or key means its default; an "
        "unknown key is an error that names its line.",
        table(("Key", "Meaning"), ((code(key), text) for key, text in CONFIG_KEYS.items())),
        "`*` stands for a name, or for each item of a list. Plans with their quotas and prices:",
        f"```yaml\n{PLANS_EXAMPLE}```",
        "Prices are exact: integers, or decimals in quotes. `serve` writes plans, quotas and "
        "prices to the ledger when it starts; of several replicas the one that started last "
        "holds. What organisations have used already is judged by them within a minute or two.",
    )


def _metric_names() -> set[str]:
    names = {metric.name for metric in METRICS}
    histograms = {metric.name for metric in METRICS if metric.kind == "histogram"}
    return names | {name + sample for name in histograms for sample in _HISTOGRAM_SAMPLES}


def _setting_names() -> set[str]:
    names = {setting.name for setting in SETTINGS}
    return names | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}


def _label_values() -> set[str]:
    return {value for metric in METRICS for label in metric.labels for value in label.values}


def _database_names(root: Path) -> set[str]:
    """What the SQL calls its tables, roles and functions."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(root.glob("exporter/**/*.sql")))
    return {name for text in texts for name in _METRIC_WORD.findall(text)}


def _strings(root: Path) -> Iterator[tuple[Path, int, str]]:
    """Every string in the Python code below `root` with its line; the catalogue declares the
    names, so it is left out.
    """
    for folder in SOURCE_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if path.is_relative_to(root / "exporter" / "catalogue"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield path, node.lineno, node.value


def main(arguments: Sequence[str]) -> int:
    """0 when every name in use is declared, 1 with the findings on stderr, 2 for wrong usage."""
    if list(arguments) != ["--check"]:
        print("usage: python -m docs_tables --check", file=sys.stderr)
        return 2
    findings = undeclared_names(Path(__file__).parent)
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
