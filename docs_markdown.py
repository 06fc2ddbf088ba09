"""Markdown for the pages in docs/."""

from collections.abc import Iterable, Sequence


def page(*blocks: str) -> str:
    return "\n\n".join(blocks) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def code(text: str) -> str:
    return f"`{text}`" if text else ""
