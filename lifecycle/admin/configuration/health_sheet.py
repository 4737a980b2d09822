"""A draft's own health as the form shows it: a row a part, that is the contract's JSON in another shape."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext

from lifecycle.admin.configuration.typed import read_value
from lifecycle.sentences.configuration import MEASURE_LABELS
from lifecycle.sentences.health import name_part
from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.errors import Finding
from tenants.rules.configuration.health_formula import CATEGORY, USUAL_HEALTH, write_health
from tenants.rules.configuration.health_reader import MOST_PARTS
from tenants.sentences.categories import name_category

# More than the rules allow, so that they can say so.
MOST_PART_ROWS: Final = 2 * MOST_PARTS
# Keys of the document -> fields of a row, as they are typed.
FIELDS: Final[Mapping[str, str]] = {
    "points": "points",
    "from": "begin",
    "to": "end",
    "if_missing": "if_missing",
    "weight": "weight",
}
NUMBERS: Final = ("start", "good_from", "watch_from")
_BOUNDS: Final[Mapping[str, str]] = {"at_least": ">=", "at_most": "<="}
_STEP: Final = re.compile(r"(>=|<=) *([^:]+?) *: *(\S.*)")


@dataclass(slots=True)
class PartRow:
    """One part, everything as it is typed. ``steps``: ">= 90: 40", one a line; ``categories``: their points."""

    key: str
    name: str = ""
    measure: str = "csat"
    points: str = ""
    begin: str = ""
    end: str = ""
    steps: str = ""
    categories: dict[str, str] = field(default_factory=dict)
    if_missing: str = ""
    weight: str = ""
    findings: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def by_category(self) -> list[tuple[str, str]]:
        """Each category and the points of it."""
        return [(category, self.categories.get(category, "")) for category in CATEGORIES]

    @property
    def is_even(self) -> bool:
        """Whether anything is typed, or wrong, of points that grow evenly."""
        return bool(self.points or self.begin or self.end or any(self.findings.get(key) for key in ("from", "to")))

    @property
    def is_unknown(self) -> bool:
        """Whether its measure is none of those that there are."""
        return self.measure not in MEASURE_LABELS

    @property
    def label(self) -> str:
        """Its name as it is shown to people."""
        return name_part(self.name)

    @property
    def measure_label(self) -> str:
        """What it measures, in words."""
        return str(MEASURE_LABELS.get(self.measure, self.measure))

    @property
    def in_words(self) -> str:
        """What it takes, in words."""
        if self.categories:
            return _joined(f"{name_category(category)}: {points}" for category, points in self.categories.items())
        if self.steps:
            return _joined(self.steps.splitlines())
        return gettext("up to %(points)s, evenly from %(begin)s to %(end)s") % {
            "points": self.points,
            "begin": self.begin,
            "end": self.end,
        }

    @property
    def own_findings(self) -> list[Finding]:
        """Findings of the part as a whole."""
        return self.findings.get("", [])


@dataclass(slots=True)
class HealthSheet:
    """The formula. Not ``is_own``: the usual one, and the rows are not looked at."""

    is_own: bool = False
    start: str = ""
    good_from: str = ""
    watch_from: str = ""
    parts: list[PartRow] = field(default_factory=list)
    findings: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def own_findings(self) -> list[Finding]:
        """Findings of the formula as a whole."""
        return self.findings.get("", [])

    @property
    def measures(self) -> list[tuple[str, str | Promise]]:
        """What can be measured, in words."""
        return list(MEASURE_LABELS.items())

    @property
    def usual(self) -> list[PartRow]:
        """The rows of the usual formula."""
        return usual_rows()

    def new_key(self) -> str:
        """A key that no row has."""
        return str(max((int(row.key) for row in self.parts), default=-1) + 1)


def _joined(texts: Iterable[str]) -> str:
    return gettext(", ").join(texts)


def usual_rows() -> list[PartRow]:
    """The usual formula, to begin with."""
    return [fill_row(str(index), part) for index, part in enumerate(write_health(USUAL_HEALTH)["parts"])]


def fill_row(key: str, part: Mapping[str, Any]) -> PartRow:
    """The row of a part that is in order."""
    typed: dict[str, Any] = {name: str(part[of]) for of, name in FIELDS.items() if of in part}
    return PartRow(
        key=key,
        name=part["name"],
        measure=part["measure"],
        steps="\n".join(map(write_step, part.get("steps", ()))),
        categories={category: str(points) for category, points in part.get("categories", {}).items()},
        **typed,
    )


def write_step(step: Mapping[str, Any]) -> str:
    """A step as it is typed."""
    bound = next(bound for bound in _BOUNDS if bound in step)
    return f"{_BOUNDS[bound]} {step[bound]}: {step['points']}"


def read_steps(text: str) -> list[Any]:
    """Steps as they are typed, one a line; what is none stays a text, and the rules say so."""
    return [_read_step(line) for line in text.splitlines() if line.strip()]


def _read_step(line: str) -> Any:
    found = _STEP.fullmatch(line.strip())
    if found is None:
        return line.strip()
    sign, limit, points = found.groups()
    bound = next(bound for bound, written in _BOUNDS.items() if written == sign)
    return {bound: read_value("eq", limit), "points": read_value("eq", points)}


def write_health_sheet(sheet: HealthSheet) -> dict[str, Any]:
    """The contract's JSON of the formula; empty for the usual one."""
    if not sheet.is_own:
        return {}
    numbers = {name: read_value("eq", text) for name in NUMBERS if (text := getattr(sheet, name))}
    return numbers | {"parts": [_write_row(row) for row in sheet.parts]}


def _write_row(row: PartRow) -> dict[str, Any]:
    written: dict[str, Any] = {"name": row.name, "measure": row.measure}
    categories = {name: read_value("eq", points) for name, points in row.categories.items() if points}
    if categories or row.measure == CATEGORY:
        written["categories"] = categories
    if row.steps:
        written["steps"] = read_steps(row.steps)
    return written | {of: read_value("eq", text) for of, name in FIELDS.items() if (text := getattr(row, name))}


def read_health_sheet(post: QueryDict) -> HealthSheet:
    """The formula that a form holds, in the order that its ORDER fields give."""
    sheet = HealthSheet(is_own=post.get("health_own") == "on")
    for name in NUMBERS:
        setattr(sheet, name, _line(post, f"health_{name}"))
    keys = [key for key in post.getlist("part") if key.isascii() and key.isdecimal() and len(key) < 6]
    rows = [_read_row(post, key) for key in list(dict.fromkeys(keys))[:MOST_PART_ROWS]]
    places = [_place(post, row, index) for index, row in enumerate(rows)]
    sheet.parts = [rows[index] for index in sorted(range(len(rows)), key=lambda index: (places[index], index))]
    return sheet


def _read_row(post: QueryDict, key: str) -> PartRow:
    prefix = f"part-{key}-"
    lines = post.get(f"{prefix}steps", "").replace("\x00", "").splitlines()
    typed: dict[str, Any] = {name: _line(post, f"{prefix}{name}") for name in FIELDS.values()}
    return PartRow(
        key=key,
        name=_line(post, f"{prefix}name"),
        measure=_line(post, f"{prefix}measure"),
        steps="\n".join(line.strip() for line in lines if line.strip()),
        categories={one: points for one in CATEGORIES if (points := _line(post, f"{prefix}category-{one}"))},
        **typed,
    )


def _place(post: QueryDict, row: PartRow, index: int) -> int:
    text = post.get(f"part-{row.key}-order", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else index + 1


def _line(post: QueryDict, name: str) -> str:
    return " ".join(post.get(name, "").replace("\x00", "").splitlines()).strip()


def change_health(sheet: HealthSheet, button: str) -> None:
    """Do what a button says: ``own_health``, ``usual_health``, ``add_part``, ``up_part:4``... Else nothing."""
    verb, _colon, key = button.partition(":")
    rows = sheet.parts
    if verb == "own_health":
        sheet.is_own, sheet.parts = True, rows or usual_rows()
        for name in NUMBERS:
            setattr(sheet, name, getattr(sheet, name) or str(getattr(USUAL_HEALTH, name)))
    elif verb == "usual_health":
        sheet.is_own, sheet.parts = False, []
    elif verb == "add_part" and len(rows) < MOST_PART_ROWS:
        rows.append(PartRow(sheet.new_key()))
    index = next((index for index, row in enumerate(rows) if row.key == key), None)
    if index is None:
        return
    if verb == "remove_part":
        del rows[index]
    elif verb in ("up_part", "down_part"):
        other = index + (-1 if verb == "up_part" else 1)
        if 0 <= other < len(rows):
            rows[index], rows[other] = rows[other], rows[index]


def file_health_finding(sheet: HealthSheet, finding: Finding) -> str:
    """Put a finding at the row and field that it is about, or at the formula as a whole; the id of that in the page."""
    parts = finding.path.split("/")[2:]
    if len(parts) > 1 and parts[0] == "parts" and parts[1].isdecimal() and int(parts[1]) < len(sheet.parts):
        row, name = sheet.parts[int(parts[1])], parts[2] if len(parts) > 2 else ""
        row.findings.setdefault(name, []).append(finding)
        return f"part-{row.key}-{FIELDS.get(name, name)}" if name else f"part-{row.key}"
    name = parts[0] if parts else ""
    sheet.findings.setdefault(name, []).append(finding)
    return f"health_{name}" if name in NUMBERS else "step-health"
