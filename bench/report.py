"""RESULTS.md: the conditions, the tables, the gates, and what bounds each figure."""

from collections.abc import Sequence
from pathlib import Path

from bench.conditions import Conditions
from bench.findings import Findings, Gate, Table, number
from bench.plot import draw

_BOUNDS = Path(__file__).parent / "bounds.md"
_HEAD = """\
# What it does, beside what others build

Written by `make bench`; not edited by hand. One run on one machine: the contenders take turns on
the same PostgreSQL server, each with a database of its own, and each figure is the median of the
rounds. Compare figures within a table only: the load generator and PostgreSQL share the cores with
what is measured.

The peers are in `bench/peers/`: (a) Flask with the SDK's `construct_event` under gunicorn, (b) bare
ASGI on uvicorn with BEGIN, INSERT and COMMIT a request through a pool of 16, (b1) the same with the
INSERT alone, (c) prometheus-client's own exposition, (d) Debian's Pushgateway. All of (a), (b) and
the exporter check the signature, store each id once with its body, count it once, and answer after
the commit. Durable totals are kept by (a) and the exporter; (b) counts its rows again when it
starts. A run in which (a) or (b) is too slow to be taken seriously is invalid. The column of the
load generator is the share of one core that it took: it isn't the limit while that is far from
100 %.
"""


def write_report(conditions: Conditions, findings: Sequence[Findings], folder: Path | None) -> str:
    """The report as Markdown; also written to `folder`, with its plot, if there is one."""
    parts = [_HEAD]
    if folder:
        parts.append("![The same as a plot](results.svg)\n")
    pairs = tuple((name, value) for name, value in conditions.pairs)
    parts += ["## Conditions\n", _markdown(Table(("what", "value"), pairs))]
    gates = [gate for part in findings for gate in part.gates]
    parts += ["## Gates and aims\n", _markdown(_gate_table(gates))]
    for part in findings:
        parts += [f"## {part.title}\n", f"{part.about}\n", *map(_markdown, part.tables)]
    parts += ["## What bounds it\n", _BOUNDS.read_text(encoding="utf-8")]
    text = "\n".join(parts)
    if folder:
        (folder / "RESULTS.md").write_text(text, encoding="utf-8")
        charts = [chart for part in findings for chart in part.charts]
        (folder / "results.svg").write_text(draw(charts), encoding="utf-8")
    return text


def _gate_table(gates: Sequence[Gate]) -> Table:
    rows = (
        (
            gate.promise,
            "aim" if gate.aimed else "gate",
            f"{gate.sense} {number(gate.limit)}",
            number(gate.measured),
            "yes" if gate.holds else "no",
        )
        for gate in gates
    )
    return Table(("what", "kind", "wanted", "measured", "holds"), tuple(rows))


def _markdown(table: Table) -> str:
    lines = [table.heads, tuple("---" for _ in table.heads), *table.rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
