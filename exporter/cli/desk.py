"""What the commands about alerts and organisations have in common."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import click
import psycopg
from rich.console import Console
from rich.table import Column, Table

from exporter.cli.context import database, fail
from exporter.ledger.questions import Change, Question, ask_once, make_once
from exporter.settings import Settings

T = TypeVar("T")

LONGEST_ID = 255
LONGEST_TEXT = 2000
_PIPE_COLUMNS = 200


class Text(click.ParamType[str]):
    """Text that the ledger can hold."""

    name = "text"

    def __init__(self, longest: int = LONGEST_ID) -> None:
        self._longest = longest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 0 < len(text) <= self._longest or not text.isprintable():
            self.fail(f"{text!r} isn't 1 to {self._longest} characters.", param, ctx)
        return text


class Desk:
    """Asks the ledger, and makes changes in it; what fails ends the command with 1."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def ask(self, question: Question[T]) -> T:
        """The answer."""
        return ask_once(self._conninfo, question)

    def make(self, change: Change) -> str:
        """What became of the change."""
        return make_once(self._conninfo, change)


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """The ledger of the settings, directly: no exporter needs to run."""
    with database(settings) as conninfo:
        try:
            yield Desk(conninfo)
        except (
            psycopg.errors.InvalidSchemaName,
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedFunction,
        ):
            fail("the ledger has no organisations yet. Run `billing-exporter migrate`.")
        except psycopg.Error as error:
            fail(f"the ledger can't be used: {error}")


def print_table(
    rows: Iterable[Sequence[object]], columns: Sequence[str], *, whole: Sequence[str] = ()
) -> None:
    """Rows as a table that fits the terminal; the columns `whole` are never cut or broken."""
    table = Table(
        *(
            Column(name, no_wrap=name in whole, overflow="ignore" if name in whole else "fold")
            for name in columns
        ),
        box=None,
        pad_edge=False,
    )
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    Console(width=width, highlight=False, markup=False, emoji=False).print(table)


def money(amount_minor: int, currency: str, decimals: int) -> str:
    """As in 49.00 USD."""
    return f"{Decimal(amount_minor).scaleb(-decimals):.{decimals}f} {currency.upper()}"


def short_time(text: str | None) -> str:
    """A document's time to the minute, in UTC."""
    return text[:16].replace("T", " ") + "Z" if text else ""


def age(text: str) -> str:
    """How long ago a document's time is, in the largest unit that fits: 45s, 12m, 3h or 20d."""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
