"""Which column of a file is which field: by an explicit mapping, else by the names that CRMs give their columns.

Where several columns have such names, it counts which are filled. Two that could both be the customer's id are refused.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import combinations
from typing import Final

from django.utils.translation import gettext as _

from lifecycle.rules.fields import FIELDS as CUSTOMER_FIELDS
from lifecycle.services.imports.evidence import Evidence
from lifecycle.services.imports.mangled import Habits
from lifecycle.services.imports.refusals import ImportRefusal

IGNORED_PREFIX: Final = "_"

# Field -> names of columns, without case, blanks and punctuation.
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "external_id": (
        "externalid",
        "customerid",
        "accountid",
        "companyid",
        "organizationid",
        "organisationid",
        "recordid",
        "hsobjectid",
        "crmid",
        "customernumber",
        "accountnumber",
        "kundennummer",
        "customerno",
        "id",
    ),
    **{field.path: field.columns for field in CUSTOMER_FIELDS if field.columns},
    "stage": ("stage", "lifecyclestage", "customerstage", "lifecyclestatus", "customerlifecyclestage"),
    "reason_code": ("reasoncode", "reason", "stagereason", "lifecyclereason"),
    "stage_entered_at": ("stageenteredat", "stagesince", "stageentered", "dateenteredstage"),
}
FIELDS: Final = tuple(NAMES)

# No program calls a column so; NDJSON may have keys of any length.
LONGEST_NAME: Final = 200


class MappingRefused(ImportRefusal):
    """The columns cannot be distinguished; the message says which, and what would do."""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Column -> field, for the columns that are used, the names of the others, and sentences on what was decided.

    ``habits``: what the values of a column have in common, for the columns that are used.
    """

    fields: Mapping[str, str]
    ignored: tuple[str, ...]
    notes: tuple[str, ...] = ()
    habits: Mapping[str, Habits] = dataclass_field(default_factory=dict)


def plan_columns(
    columns: Sequence[str], mapping: Mapping[str, str | None] | None, evidence: Evidence | None = None
) -> ColumnPlan:
    """Find the field of each column. ``mapping`` decides about the columns it names (None: leave it out).

    ``evidence`` is what is in the columns; without it all are taken to be filled. Columns that begin with ``_`` are
    left out unless mapped: a reject file is read again as it is. Raises MappingRefused for a mapping that does not fit,
    for a column that occurs twice, and if no column, or more than one, could be the external id.
    """
    plan, refusal = propose_columns(columns, mapping, evidence)
    if refusal is not None:
        raise refusal
    return plan


def propose_columns(
    columns: Sequence[str], mapping: Mapping[str, str | None] | None, evidence: Evidence | None = None
) -> tuple[ColumnPlan, MappingRefused | None]:
    """As ``plan_columns``, with the refusal beside what is certain. Raises it only for a mapping that does not fit."""
    chosen = _apply_mapping(columns, mapping or {})
    taken = {field for field in chosen.values() if field}
    seen = evidence or Evidence.of_filled(columns)
    candidates: dict[str, list[str]] = {}
    for column in dict.fromkeys(columns):
        known = None if column in chosen else field_of(column)
        if known is not None and known not in taken:
            candidates.setdefault(known, []).append(column)
    notes: list[str] = []
    refusals: list[MappingRefused] = []
    for field, named in candidates.items():
        named.sort(key=lambda column: _RANKS[_key(column)])
        try:
            found = _choose_id(named, seen) if field == "external_id" else _choose(field, named, seen)
        except MappingRefused as refusal:
            refusals.append(refusal)
            continue
        chosen |= dict.fromkeys(found, field)
        others = [column for column in named if column not in found and seen.filled(column)]
        if found and len(named) > len(found):
            left = _listed([column for column in named if column not in found])
            notes.append(
                _("%(columns)s is taken as %(field)s, not %(others)s")
                % {"columns": _listed(found), "field": field, "others": left}
            )
        elif others:
            notes.append(_("%(columns)s does not look like %(field)s") % {"columns": _listed(others), "field": field})
    fields = {column: field for column, field in chosen.items() if field}
    refusals += _find_repeated(columns, fields)
    if "external_id" not in fields.values():
        refusals.append(MappingRefused("no_external_id", columns=_listed(columns)))
    left_out = tuple(column for column in columns if column not in fields)
    habits = {column: seen.habits(column) for column in fields}
    return ColumnPlan(fields, left_out, tuple(notes), habits), refusals[0] if refusals else None


def field_of(column: str) -> str | None:
    """The field that columns of this name are; a reject file's own columns are none."""
    if column.startswith(IGNORED_PREFIX) or len(column) > LONGEST_NAME:
        return None
    return _FIELD_OF.get(_key(column))


def _choose_id(candidates: Sequence[str], seen: Evidence) -> list[str]:
    """The one column that has an id for nearly every customer; a column of few values has none."""
    filled = [column for column in candidates if seen.filled(column)] or list(candidates[:1])
    filled = [column for column in filled if not seen.is_yes_or_no(column)]
    # Where there is no other it is the id, and each line that repeats one is rejected for that.
    filled = [column for column in filled if not seen.has_few_values(column)] or filled[:1]
    whole = [column for column in filled if seen.is_nearly_whole(column)] or filled
    if not whole or len(filled) == 1:
        return filled
    if seen.is_nearly_whole(whole[0]) and (
        len(whole) == 1
        or _key(whole[0]) == "externalid"
        or not any(seen.differ(whole[0], column) for column in whole[1:])
    ):
        return whole[:1]
    mappings = ", or ".join(json.dumps({column: "external_id"}, ensure_ascii=False) for column in whole[:5])
    raise MappingRefused("several_external_ids", columns=_listed(whole), mappings=mappings)


def _choose(field: str, candidates: Sequence[str], seen: Evidence) -> list[str]:
    """The preferred column among those that are well filled; all of them where they never contradict each other."""
    filled = [column for column in candidates if seen.filled(column)]
    if not filled:
        return list(candidates[:1])
    filled = [column for column in filled if not seen.is_yes_or_no(column)]
    if field == "billing.contract_id":
        filled = [column for column in filled if seen.has_digits(column) and not seen.has_few_values(column)]
    if not any(seen.differ(one, other) for one, other in combinations(filled, 2)):
        return filled
    fullest = max(seen.filled(column) for column in filled)
    return [column for column in filled if seen.filled(column) * 2 >= fullest][:1]


def _apply_mapping(columns: Sequence[str], mapping: Mapping[str, str | None]) -> dict[str, str | None]:
    by_key = {_key(column): column for column in reversed(columns)}
    chosen: dict[str, str | None] = {}
    claimed: dict[str, str] = {}
    for wanted, field in mapping.items():
        column = wanted if wanted in columns else by_key.get(_key(wanted))
        if column is None:
            raise MappingRefused("mapping_of_no_column", column=wanted, columns=_listed(columns))
        if field is not None and field not in NAMES:
            raise MappingRefused("mapping_to_no_field", field=field, fields=", ".join(FIELDS))
        if field is not None and field in claimed:
            raise MappingRefused("mapping_to_one_field", field=field, first=claimed[field], second=column)
        if field is not None:
            claimed[field] = column
        chosen[column] = field
    return chosen


def _find_repeated(columns: Sequence[str], fields: Mapping[str, str]) -> Iterator[MappingRefused]:
    for column in fields:
        if list(columns).count(column) > 1:
            yield MappingRefused("column_twice", column=column)


def _key(column: str) -> str:
    """The name without case, blanks and punctuation."""
    return re.sub(r"[\W_]+", "", column.casefold())


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"“{column[:40]}”" for column in columns[:20])
    return f"{shown} and {len(columns) - 20} more" if len(columns) > 20 else shown or "no columns"


_FIELD_OF: Final = {key: field for field, names in NAMES.items() for key in (_key(field), *names)}
_RANKS: Final = {key: rank for rank, key in enumerate(_FIELD_OF)}
