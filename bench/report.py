"""The figures of a run: a table to read, and JSON to keep."""

import datetime as dt
import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypedDict

_MARKS: Final = {True: "met", False: "MISSED", None: ""}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, beside what it is compared with, and what is asked for.

    ``wanted`` reads for example ">= 3" or "< 30 ms" and is about ``measured``. ``met`` None: nothing is asked.
    """

    part: str
    what: str
    value: str
    beside: str = ""
    measured: str = ""
    wanted: str = ""
    met: bool | None = None


class Judged(TypedDict):
    """The last three fields of a Figure."""

    measured: str
    wanted: str
    met: bool


def at_least(number: float, limit: float, unit: str = "") -> Judged:
    """A figure that must reach a limit."""
    return {"measured": f"{number:.2f}{unit}", "wanted": f">= {limit:g}{unit}", "met": number >= limit}


def up_to(number: float, limit: float, unit: str = "") -> Judged:
    """A figure that must not pass a limit."""
    return {"measured": f"{number:.2f}{unit}", "wanted": f"<= {limit:g}{unit}", "met": number <= limit}


def below(number: float, limit: float, unit: str = "") -> Judged:
    """A figure that must stay below a limit."""
    return {"measured": f"{number:.2f}{unit}", "wanted": f"< {limit:g}{unit}", "met": number < limit}


def print_figure(figure: Figure) -> None:
    """One figure while the others are measured, on standard error: the table comes at the end."""
    parts = (figure.value, figure.beside, figure.measured, figure.wanted, _MARKS[figure.met])
    print(f"bench: {figure.part}: {figure.what}: {', '.join(filter(None, parts))}", file=sys.stderr, flush=True)


def print_table(figures: Iterable[Figure]) -> None:
    """All figures, in columns."""
    rows = [("part", "what", "value", "beside", "measured", "wanted", "")]
    rows += [(f.part, f.what, f.value, f.beside, f.measured, f.wanted, _MARKS[f.met]) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def write_json(figures: Iterable[Figure], path: Path, *, facts: dict[str, object]) -> None:
    """The figures with what the machine was, for the documents."""
    document = {
        "taken_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        **facts,
        "figures": [asdict(figure) for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
