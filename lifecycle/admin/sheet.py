"""A draft as the form shows it: rows of stages, rules and effects, that are the contract's JSON in another shape.

Rows refer to one another by key and not by name, so that a stage can be renamed without losing its transitions. A
*reference* is the key of a stage row, or ``?`` and a name that is none of this draft's stages.
"""

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tenants.rules.configuration.definitions import CATEGORIES, DEFAULT_CATEGORY
from tenants.rules.configuration.errors import Fault

UNKNOWN = "?"
_SURROGATE = re.compile("[\ud800-\udfff]")
# More than the rules allow, so that they can say so; what has more is edited as JSON, and of a forged form not read.
MOST_ROWS = {"stage": 60, "rule": 120, "effect": 120}
MOST_CONDITIONS = 20
# References in one list, and names in it that are no stages.
MOST_REFERENCES = 100
MOST_UNKNOWN = 40
# In the order in which the form shows them; faults are filed under these names.

Faults = dict[str, list[Fault]]


@dataclass(slots=True)
class StageRow:
    """One stage. ``origin`` is the name that it has in the live version, empty for a new one. ``to``: references."""

    key: str
    name: str = ""
    origin: str = ""
    category: str = DEFAULT_CATEGORY
    color: str = ""
    requires_reason: bool = False
    reasons: str = ""
    days: str = ""
    guidance: str = ""
    to: set[str] = field(default_factory=set)
    faults: Faults = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in: such a row is left out."""
        return not (self.name or self.origin or self.color or self.reasons or self.days or self.guidance)

    @property
    def is_renamed(self) -> bool:
        """Whether customers of the live stage come along under another name."""
        return bool(self.origin) and self.origin != self.name

    @property
    def label(self) -> str:
        """What the stage is called where it is referred to."""
        return self.name or "(no name yet)"


@dataclass(slots=True)
class ConditionRow:
    """One condition of a rule. ``value`` as it is typed: see ``read_value``."""

    field: str = ""
    op: str = "eq"
    value: str = ""
    faults: Faults = dataclasses.field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was filled in."""
        return not (self.field or self.value)


@dataclass(slots=True)
class RuleRow:
    """One event rule. ``from_any``: it speaks of customers in every stage, and ``origins`` is not looked at."""

    key: str
    event: str = ""
    to: str = ""
    from_any: bool = True
    origins: set[str] = field(default_factory=set)
    reason: str = ""
    when: list[ConditionRow] = field(default_factory=list)
    faults: Faults = field(default_factory=dict)
    # Asked to be shown in a form that folds its rows, and what a folded one carries (see ``folding``).
    is_open: bool = False
    folded: str = ""
    target: str = ""

    @property
    def when_shown(self) -> list[ConditionRow]:
        """The conditions, and an empty line for one more."""
        return [*(row for row in self.when if not row.is_blank), ConditionRow()]

    @property
    def unknown_to(self) -> str:
        """The name that the rule leads to, if it is none of a stage."""
        return _unknown(self.to)

    @property
    def unknown_origins(self) -> list[str]:
        """References to what is no stage."""
        return sorted(ref for ref in self.origins if ref.startswith(UNKNOWN))

    @property
    def all_faults(self) -> list[Fault]:
        """Faults of the rule and of everything in it."""
        parts = [self.faults, *(condition.faults for condition in self.when)]
        return [fault for part in parts for faults in part.values() for fault in faults]

    @property
    def own_faults(self) -> list[Fault]:
        """Faults of the rule as a whole."""
        return self.faults.get("", [])


@dataclass(slots=True)
class EffectRow:
    """One effect. ``to``: a recipient a line."""

    key: str
    name: str = ""
    on: str = "enter"
    kind: str = "alert"
    to: str = ""
    template: str = ""
    stages: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    faults: Faults = field(default_factory=dict)
    is_open: bool = False
    folded: str = ""

    @property
    def unknown_stages(self) -> list[str]:
        """References to what is no stage."""
        return sorted(ref for ref in self.stages if ref.startswith(UNKNOWN))

    @property
    def unknown_categories(self) -> list[str]:
        """Names that are no category."""
        return sorted(self.categories - set(CATEGORIES))

    @property
    def all_faults(self) -> list[Fault]:
        """Faults of the effect and of everything in it."""
        return [fault for faults in self.faults.values() for fault in faults]

    @property
    def own_faults(self) -> list[Fault]:
        """Faults of the effect as a whole."""
        return self.faults.get("", [])


@dataclass(slots=True)
class GoneRow:
    """A stage of today that the draft does not have: where its customers shall go."""

    stage: str
    customers: int = 0
    to: str = ""
    reason: str = ""
    faults: Faults = field(default_factory=dict)

    @property
    def unknown_to(self) -> str:
        """The name of the target, if it is none of a stage."""
        return _unknown(self.to)


@dataclass(slots=True)
class Sheet:
    """A whole draft. ``is_open``: every stage leads to every other, and the matrix is not looked at."""

    stages: list[StageRow] = field(default_factory=list)
    initial: str = ""
    is_open: bool = True
    rules: list[RuleRow] = field(default_factory=list)
    effects: list[EffectRow] = field(default_factory=list)
    gone: list[GoneRow] = field(default_factory=list)
    # The tenant's currency, and the worth of others: "USD 0.92", one per line.
    currency: str = ""
    rates: str = ""
    faults: Faults = field(default_factory=dict)
    # A sent form had more than can be shown: it must not be taken for the whole.
    is_cut: bool = False

    @property
    def present(self) -> list[StageRow]:
        """The stages that are filled in."""
        return [row for row in self.stages if not row.is_blank]

    @property
    def unknown_initial(self) -> str:
        """The name of the initial stage, if it is none of a stage."""
        return _unknown(self.initial)

    @property
    def columns(self) -> int:
        """The columns of the matrix."""
        return max(1, len(self.present) + len(self.unknown_targets))

    @property
    def unknown_targets(self) -> list[str]:
        """References of the matrix to what is no stage, each once."""
        return sorted({ref for row in self.stages for ref in row.to if ref.startswith(UNKNOWN)})

    def name_of(self, reference: str) -> str:
        """The name behind a reference; empty if there is none."""
        if reference.startswith(UNKNOWN):
            return reference.removeprefix(UNKNOWN)
        return next((row.name for row in self.stages if row.key == reference), "")

    def reference_to(self, name: str) -> str:
        """The reference of a name: to its row, or to a name that is none of the stages."""
        return next((row.key for row in self.present if row.name == name), f"{UNKNOWN}{name}")

    def new_key(self) -> str:
        """A key that no row has."""
        keys = [row.key for row in self.stages] + [row.key for row in self.rules] + [row.key for row in self.effects]
        return str(max(map(int, keys), default=-1) + 1)


def _unknown(reference: str) -> str:
    return reference.removeprefix(UNKNOWN) if reference.startswith(UNKNOWN) else ""


class SameNameTwice(Exception):
    """Two rows have the very same name, and JSON keeps what belongs to a stage under its name: it holds one of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"Two stages are called “{name}”. Give one of them another name: until then the draft cannot be saved."
        )


def write_document(sheet: Sheet) -> dict[str, Any]:
    """The contract's JSON of a sheet, faulty where the sheet is. Raises SameNameTwice."""
    rows = sheet.present
    names = [row.name for row in rows]
    name, count = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise SameNameTwice(name)
    document: dict[str, Any] = {"stages": names}
    if sheet.initial and (initial := sheet.name_of(sheet.initial)):
        document["initial"] = initial
    if not sheet.is_open:
        targets = {row.name: list(_in_order(sheet, row.to)) for row in rows}
        document["transitions"] = {name: to for name, to in targets.items() if to}
    if rows:
        document["categories"] = {row.name: row.category for row in rows}
    document["required_reason_codes"] = [row.name for row in rows if row.requires_reason]
    optional: dict[str, Any] = {
        "reason_codes": {row.name: row.reasons.splitlines() for row in rows if row.reasons},
        "max_days": {row.name: _read_number(row.days) for row in rows if row.days},
        "colors": {row.name: row.color for row in rows if row.color},
        "guidance": {row.name: row.guidance for row in rows if row.guidance},
        "event_rules": [_write_rule(sheet, rule) for rule in sheet.rules],
        "effects": [_write_effect(sheet, effect) for effect in sheet.effects],
        "currency": sheet.currency,
        "rates": read_rates(sheet.rates),
    }
    return document | {key: value for key, value in optional.items() if value}


def write_renamed(sheet: Sheet) -> dict[str, str]:
    """Stage names of the live version -> their names in the draft."""
    return {row.origin: row.name for row in sheet.present if row.is_renamed}


def write_mapping(sheet: Sheet) -> dict[str, Any]:
    """Where the customers of each stage that goes away shall go."""
    return {
        row.stage: {"to": sheet.name_of(row.to)} | ({"reason_code": row.reason} if row.reason else {})
        for row in sheet.gone
        if row.to
    }


def read_rates(text: str) -> dict[str, Any]:
    """Exchange rates as they are typed, one per line; what is no rate stays as it is, and the rules say so."""
    rates: dict[str, Any] = {}
    for line in text.splitlines():
        name, _, number = line.rpartition(" ")
        value = _read_scalar(number)
        is_rate = isinstance(value, int | float) and not isinstance(value, bool) and name.strip() not in rates
        rates[name.strip() if is_rate else line] = value if is_rate else ""
    return rates


def _in_order(sheet: Sheet, references: set[str]) -> Iterator[str]:
    """The names behind references, in the order of the stages; what is no stage comes last."""
    yield from (row.name for row in sheet.present if row.key in references)
    yield from (ref.removeprefix(UNKNOWN) for ref in sorted(references) if ref.startswith(UNKNOWN))


def _write_rule(sheet: Sheet, rule: RuleRow) -> dict[str, Any]:
    written: dict[str, Any] = {"event": rule.event}
    if not rule.from_any:
        written["from"] = list(_in_order(sheet, rule.origins))
    written["to"] = sheet.name_of(rule.to)
    if rule.reason:
        written["reason_code"] = rule.reason
    if when := [_write_condition(row) for row in rule.when if not row.is_blank]:
        written["when"] = when
    return written


def _write_condition(row: ConditionRow) -> dict[str, Any]:
    written: dict[str, Any] = {"field": row.field, "op": row.op}
    if row.value:
        written["value"] = read_value(row.op, row.value)
    return written


def _write_effect(sheet: Sheet, effect: EffectRow) -> dict[str, Any]:
    written: dict[str, Any] = {"name": effect.name, "on": effect.on}
    if stages := list(_in_order(sheet, effect.stages)):
        written["stages"] = stages
    if effect.categories:
        known = [category for category in CATEGORIES if category in effect.categories]
        written["categories"] = known + sorted(effect.categories - set(known))
    written["kind"] = effect.kind
    if effect.to:
        written["to"] = effect.to.splitlines()
    if effect.template:
        written["template"] = effect.template
    return written


def _read_number(text: str) -> int | str:
    """Days as a number; what is none stays as it was typed, and the rules say so."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def read_value(op: str, text: str) -> Any:
    """The value of a condition as it was typed: a number, true, false, or else a text.

    A text in double quotes is one whatever it looks like: "5". For ``in`` a JSON list, or values between commas.
    """
    if op == "in" and not text.startswith("["):
        return [_read_scalar(part.strip()) for part in text.split(",") if part.strip()]
    return _read_scalar(text)


def write_value(value: Any) -> str:
    """How a value is typed, so that ``read_value`` gives it back."""
    # A field gives one line back, without outer blanks: what has more than that is written as JSON.
    if isinstance(value, str) and _read_scalar(value) == value and value == " ".join(value.splitlines()).strip():
        return value
    return json.dumps(value, ensure_ascii=False)


def _read_scalar(text: str) -> Any:
    """A scalar, or a flat list of them; everything else, and what no database could keep, is text."""
    try:
        value = json.loads(text, parse_float=_read_float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return value if all(map(_is_plain, value if isinstance(value, list) else [value])) else text


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" not in value and _SURROGATE.search(value) is None
    return value is None or isinstance(value, bool | int | float)


def _read_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
