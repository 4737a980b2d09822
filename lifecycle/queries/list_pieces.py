"""What the statements of the customer list are put together from, whichever way they take.

Everything that a caller says is a parameter; only pieces of these files become SQL. Aliases are those of
``list_statements``.
"""

from dataclasses import dataclass
from typing import Final

from lifecycle.queries.facts import select
from lifecycle.queries.list_columns import LISTED
from lifecycle.queries.list_filters import ListFilter
from lifecycle.queries.list_orderings import Ordering, Window, order_by

_STATUS: Final = (
    "s.customer_id, s.stage, s.stage_entered_at, s.updated_at, s.updated_by, s.actor_kind, s.source, s.reason_code,"
    " s.version"
)
_JOINS: Final = {
    "customer": "JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id",
    "billing": "LEFT JOIN lifecycle_billingfigures b ON b.customer_id = s.customer_id",
    "support": "LEFT JOIN lifecycle_supportfigures u ON u.customer_id = s.customer_id",
}
OF_TENANT: Final = "s.tenant_id = %(tenant_id)s::uuid"
_NUMBERS: Final = """unnest(%(stages)s::text[], %(cutoffs)s::timestamptz[], %(penalties)s::int[], %(max_days)s::int[],
               %(lost)s::boolean[]) AS w(stage, cutoff, penalty, max_days, is_lost)"""
# Customers may still be in stages that the live configuration does not know any more.
_EVERY_STAGE: Final = f"""(
        SELECT t.name AS stage, w.cutoff, COALESCE(w.penalty, %(health_elsewhere)s::int) AS penalty, w.max_days,
               COALESCE(w.is_lost, false) AS is_lost
          FROM tenants_stage t LEFT JOIN {_NUMBERS} ON w.stage = t.name
         WHERE t.tenant_id = %(tenant_id)s::uuid
    ) w"""
LIMIT: Final = "LIMIT %(limit)s::int + 1"
STEPS: Final = "LIMIT %(steps)s::int"


@dataclass(frozen=True, slots=True)
class Filters:
    """Which conditions a question has; their values are parameters. ``asked`` are filters that have one of their own.

    ``search`` asks the search function, ``pattern`` compares row by row: for when the search leaves so many customers
    that the function is of no use.
    """

    stages: bool = False
    asked: tuple[ListFilter, ...] = ()
    email: bool = False
    search: bool = False
    pattern: bool = False

    @property
    def beyond_stage(self) -> bool:
        """Whether there is any condition but for the stage."""
        return bool(self.asked) or self.email or self.search or self.pattern


def stages_of(filters: Filters) -> str:
    """The stages that are looked at, as the table ``w``: those asked for, else every stage that there has been."""
    return _NUMBERS if filters.stages else _EVERY_STAGE


def conditions_of(filters: Filters) -> list[str]:
    """What has to hold of a row beside its tenant and its stage."""
    conditions = {
        **{one.condition: True for one in filters.asked},
        "s.customer_id IN (SELECT customer_id FROM lifecycle_contact"
        " WHERE tenant_id = %(tenant_id)s::uuid AND email_index = %(email_index)s::bytea)": filters.email,
        "c.erased_at IS NULL AND (c.name_key LIKE %(part_pattern)s::text"
        " OR external_id_key(c.external_id) LIKE %(part_pattern)s::text)": filters.pattern,
    }
    return [condition for condition, is_asked in conditions.items() if is_asked]


def needs_of(filters: Filters) -> frozenset[str]:
    """The tables that the conditions are about, beside the status."""
    looked_up = frozenset({"customer"}) if filters.pattern else frozenset[str]()
    return looked_up.union(*(one.needs for one in filters.asked))


def join(tables: frozenset[str]) -> str:
    """The joins of those tables to the status."""
    return " ".join(_JOINS[table] for table in sorted(tables))


def conjunction(conditions: list[str]) -> str:
    """All of them; none is true."""
    return "\n       AND ".join(conditions) if conditions else "true"


def details(ordering: Ordering, window: Window, *, counted: str | None) -> str:
    """What is shown of each row of the page, looked up for these rows alone.

    With ``counted``, the size of that part beside each row, and one row that is empty otherwise if the page is.
    """
    shown = f"""
SELECT p.key, {_STATUS}, c.external_id, {", ".join(select(field) for field in LISTED)}
  FROM page p
  JOIN customer_lifecycle_status s ON {OF_TENANT} AND s.customer_id = p.customer_id
  {_JOINS["customer"]} {_JOINS["billing"]} {_JOINS["support"]}"""
    if counted is not None:
        shown = (
            f"SELECT p.*, n.counted FROM (SELECT count(*) AS counted FROM {counted}) n LEFT JOIN ({shown}) p ON true"
        )
    return f"{shown} ORDER BY {order_by(ordering, window, 'p.key', 'p.customer_id')}"
