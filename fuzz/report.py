"""What fuzzing came to, as a table for people and a line of JSON for programs."""

import json
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from fuzz.guided import Guided
from fuzz.routes import Routes

_COLUMNS = ("what", "seconds", "inputs", "edges", "crashes", "hangs", "5xx", "broken expositions")


def figures(guided: Sequence[Guided], routes: Routes | None, seed: int) -> dict[str, object]:
    """The figures by name; every one but `inputs`, `edges`, `answers` and `seed` has to be 0."""
    told: dict[str, object] = {
        "inputs": sum(one.inputs for one in guided) + (routes.cases if routes else 0),
        "crashes": sum(one.crashes for one in guided) + (routes.wrong if routes else 0),
        "5xx": routes.server_faults if routes else 0,
        "hangs": sum(one.hangs for one in guided) + (routes.hangs if routes else 0),
        "broken_expositions": routes.broken_expositions if routes else 0,
        "edges": sum(one.edges for one in guided),
        "seed": seed,
    }
    if routes:
        told["answers"] = dict(sorted((str(k), v) for k, v in routes.statuses.items()))
    return told


def is_clean(told: dict[str, object]) -> bool:
    """Whether nothing was found."""
    return not any(told[name] for name in ("crashes", "5xx", "hangs", "broken_expositions"))


def print_report(guided: Sequence[Guided], routes: Routes | None, seed: int) -> bool:
    """Print table and JSON line to stdout; whether nothing was found."""
    console = Console()
    table = Table(box=SIMPLE)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "what" else "right")
    for one in guided:
        counts = (one.inputs, one.edges, one.crashes, one.hangs)
        table.add_row(one.name, f"{one.seconds:.0f}", *map(str, counts), "", "")
    if routes:
        found = (routes.wrong, routes.hangs, routes.server_faults, routes.broken_expositions)
        row = ("routes", f"{routes.seconds:.0f}", str(routes.cases), "")
        table.add_row(*row, *map(str, found))
    console.print(table)
    told = figures(guided, routes, seed)
    print(json.dumps(told))
    return is_clean(told)
