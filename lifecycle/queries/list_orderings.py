"""The orders of the customer list, what they are called, and where a page begins and which way it goes, in SQL.

Everything that a caller says is a parameter; the aliases are those of ``list_statements``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from lifecycle.queries.health import HEALTH
from lifecycle.queries.urgency import BALANCE, IS_NOTHING, URGENCY, WORTH

BILLING: Final = frozenset({"billing"})
CUSTOMER: Final = frozenset({"customer"})
# Days until the renewal; for one that has passed, more than any that is ahead.
PAST: Final = 10_000_000
# More than any urgency.
BEYOND: Final = 10**18
TODAY: Final = "%(local_day)s::date"
_NEXT: Final = (
    f"CASE WHEN b.renewal_on >= {TODAY} THEN b.renewal_on - {TODAY} ELSE {PAST} + ({TODAY} - b.renewal_on) END"
)


@dataclass(frozen=True, slots=True)
class Ordering:
    """One order of the list. ``label``: what people choose it by.

    ``walks``: the index that has it (see ``_PATHS``); None: it is computed. ``nullable``: customers without the key
    come last whichever way the others are ordered. ``column``: the indexed text that is walked, where ``key`` is it
    without the empty ones. ``timed``: the key depends on the day. ``few``: it can be computed
    of the figures alone (``sort_few``).
    """

    key: str
    type: str
    label: str | Promise
    descending: bool = False
    nullable: bool = False
    walks: str | None = None
    needs: frozenset[str] = frozenset()
    timed: bool = False
    few: bool = False
    column: str = ""


def _both_ways(
    name: str, key: str, type_: str, labels: Mapping[str, str | Promise], **options: object
) -> dict[str, Ordering]:
    """``labels``: of upwards ("") and downwards ("-"), in the order in which the page offers them."""
    return {
        f"{sign}{name}": Ordering(key, type_, label, descending=sign == "-", **options)  # type: ignore[arg-type]
        for sign, label in labels.items()
    }


# How well a customer matches what was searched for, and its name: the very name or id, the beginning of either, the
# beginning of a word, any part; then those that are only spelled alike, the most alike first.
_MATCH: Final = """CASE
         WHEN c.name_key = %(search_key)s::text OR external_id_key(c.external_id) = %(search_key)s::text THEN '0'
         WHEN c.name_key LIKE %(key_beginning)s::text
              OR external_id_key(c.external_id) LIKE %(key_beginning)s::text THEN '1'
         WHEN c.name_key LIKE '%% ' || %(key_beginning)s::text THEN '2'
         WHEN c.name_key LIKE '%%' || %(key_beginning)s::text
              OR external_id_key(c.external_id) LIKE '%%' || %(key_beginning)s::text THEN '3'
         ELSE '4' || to_char(1000 - 1000 * word_similarity(%(search_key)s::text, c.name_key), 'FM0000')
    END || ' ' || c.name_key"""

# The page offers them in this order.
ORDERINGS: Final[dict[str, Ordering]] = {
    "match": Ordering(_MATCH, "text", _("Best match first"), needs=CUSTOMER),
    # Those with nothing at stake come last either way, among themselves in the same order.
    "-urgency": Ordering(
        f"CASE WHEN {IS_NOTHING} THEN {URGENCY} - {BEYOND} ELSE {URGENCY} END",
        "bigint",
        _("Most urgent first"),
        descending=True,
        needs=BILLING | {"support"},
        timed=True,
        few=True,
    ),
    "urgency": Ordering(
        f"CASE WHEN {IS_NOTHING} THEN {URGENCY} + {BEYOND} ELSE {URGENCY} END",
        "bigint",
        _("Least urgent first"),
        needs=BILLING | {"support"},
        timed=True,
        few=True,
    ),
    **_both_ways(
        "updated_at",
        "s.updated_at",
        "timestamptz",
        {"-": _("Latest change first"), "": _("Longest unchanged first")},
        walks="status",
    ),
    **_both_ways(
        "name",
        "c.name_key",
        "text",
        {"": _("By name, A to Z"), "-": _("By name, Z to A")},
        walks="customer",
        needs=CUSTOMER,
    ),
    **_both_ways(
        "health",
        HEALTH,
        "int",
        {"": _("Lowest health first"), "-": _("Highest health first")},
        nullable=True,
        needs=BILLING | {"support"},
        timed=True,
        few=True,
    ),
    **_both_ways(
        "arr",
        WORTH,
        "numeric",
        {"-": _("Highest revenue first"), "": _("Lowest revenue first")},
        nullable=True,
        walks="worth",
        needs=BILLING,
    ),
    # The next one first; those that have passed come after all that are ahead, the latest of them first.
    "renewal_on": Ordering(
        _NEXT, "int", _("Next renewal first"), nullable=True, walks="next", needs=BILLING, timed=True
    ),
    "-renewal_on": Ordering(
        "b.renewal_on",
        "date",
        _("Latest renewal first"),
        descending=True,
        nullable=True,
        walks="renewal",
        needs=BILLING,
    ),
    # In the order of the configuration; customers whose stage it does not know any more come last.
    **_both_ways(
        "stage",
        "array_position(%(stage_order)s::text[], s.stage::text)",
        "int",
        {"": _("By stage, first to last"), "-": _("By stage, last to first")},
        nullable=True,
    ),
    # The longest stay began first.
    "-days_in_stage": Ordering("s.stage_entered_at", "timestamptz", _("Longest in stage first"), few=True),
    "days_in_stage": Ordering(
        "s.stage_entered_at", "timestamptz", _("Shortest in stage first"), descending=True, few=True
    ),
    **_both_ways(
        "owner",
        "NULLIF(c.owner_key, '')",
        "text",
        {"": _("By owner, A to Z"), "-": _("By owner, Z to A")},
        nullable=True,
        walks="customer",
        needs=CUSTOMER,
        column="c.owner_key",
    ),
    **_both_ways(
        "segment",
        "NULLIF(lower(c.segment), '')",
        "text",
        {"": _("By segment, A to Z"), "-": _("By segment, Z to A")},
        nullable=True,
        needs=CUSTOMER,
    ),
    **_both_ways(
        "industry",
        "NULLIF(c.industry_key, '')",
        "text",
        {"": _("By industry, A to Z"), "-": _("By industry, Z to A")},
        nullable=True,
        walks="customer",
        needs=CUSTOMER,
        column="c.industry_key",
    ),
    **_both_ways(
        "open_issues",
        "u.open_issues",
        "int",
        {"-": _("Most open issues first"), "": _("Fewest open issues first")},
        nullable=True,
        needs=frozenset({"support"}),
        few=True,
    ),
    **_both_ways(
        "csat",
        "u.csat",
        "numeric",
        {"": _("Lowest CSAT first"), "-": _("Highest CSAT first")},
        nullable=True,
        needs=frozenset({"support"}),
        few=True,
    ),
    **_both_ways(
        "balance_overdue",
        BALANCE,
        "numeric",
        {"-": _("Highest overdue balance first"), "": _("Lowest overdue balance first")},
        nullable=True,
        needs=BILLING,
        few=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Window:
    """From where and which way. ``after``: None at the beginning, else whether the cursor has a ``key`` or ``null``."""

    forward: bool = True
    after: str | None = None


def beyond(ordering: Ordering, window: Window) -> list[str]:
    """The rows of ``wanted`` that come after the cursor; those without key are at the end."""
    if window.after is None:
        return []
    beyond_id = f"s.customer_id {sign_of(ordering, window)} %(id)s::uuid"
    if window.after == "null":
        return [f"(s.key IS NULL AND {beyond_id}{'' if window.forward else ' OR s.key IS NOT NULL'})"]
    beyond = row_beyond(ordering, window, "s.key", "s.customer_id")[0]
    return [f"({beyond} OR s.key IS NULL)" if ordering.nullable and window.forward else beyond]


def row_beyond(ordering: Ordering, window: Window, key: str, id_: str) -> list[str]:
    """The rows whose key and id, in these columns, come after the cursor; none where it has no key."""
    if window.after is None:
        return []
    return [f"({key}, {id_}) {sign_of(ordering, window)} (%(key)s::{ordering.type}, %(id)s::uuid)"]


def order_by(ordering: Ordering, window: Window, key: str, id_: str) -> str:
    """What ORDER BY says, with the key and the id in these columns."""
    way = way_of(ordering, window)
    nulls = (" NULLS LAST" if window.forward else " NULLS FIRST") if ordering.nullable else ""
    return f"{key} {way}{nulls}, {id_} {way}"


def way_of(ordering: Ordering, window: Window) -> str:
    """ASC or DESC: backwards it is the other one."""
    return "DESC" if ordering.descending is window.forward else "ASC"


def sign_of(ordering: Ordering, window: Window) -> str:
    """How what comes after the cursor compares with it."""
    return "<" if ordering.descending is window.forward else ">"


def sign_against(ordering: Ordering, window: Window) -> str:
    """The same for a column that goes the other way."""
    return ">" if ordering.descending is window.forward else "<"
