"""Recomputing the hash chains of the history, row by row, in bounded memory.

What is compared with the last row of a chain, the *head*, is kept elsewhere and given by the caller. Everything is
recomputed in Python from the description in ``audit.services.chain``; PostgreSQL only delivers the columns.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connections

from audit.services.chain import COLUMNS, NO_PREVIOUS, row_hash

Row = dict[str, Any]
# Rows held in memory at a time.
FETCHED: Final = 2000

ALTERED, MISSING, UNLINKED, UNJOINED = "row_altered", "row_missing", "row_unlinked", "stages_unjoined"
HEAD_DIFFERS, HEAD_MISSING, HISTORY_MISSING = "head_differs", "head_missing", "history_missing"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a customer is: what the last row of its chain must agree with."""

    customer_id: UUID
    stage: str
    version: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that is wrong with a customer's chain. ``sequence`` is None when it concerns no single row."""

    sequence: int | None
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A customer whose chain was recomputed: how many rows it has, and where it breaks first, if it does."""

    customer_id: UUID
    rows: int
    broken: Break | None


# The name that a stage of one configuration version has in a later one: stages can be renamed in place.
Renaming = Callable[[str, int, int], str]


def read_history(tenant_id: UUID, *, customer_id: UUID | None = None, using: str) -> Iterator[Row]:
    """The tenant's history by customer and sequence, over a server-side cursor. Call inside a transaction."""
    columns = ", ".join((*COLUMNS, "hash"))
    one = " AND customer_id = %(customer_id)s::uuid" if customer_id else ""
    query = (
        f"SELECT {columns} FROM customer_lifecycle_history WHERE tenant_id = %(tenant_id)s::uuid{one}"  # noqa: S608  constants
        " ORDER BY customer_id, sequence"
    )
    names = (*COLUMNS, "hash")
    # A named cursor of the driver: Django's own would load everything where server-side cursors are switched off,
    # and behind a transaction-mode pooler this one is safe, because it does not outlive its transaction.
    connection = connections[using]
    connection.ensure_connection()
    with connection.connection.cursor(name=f"history_{uuid4().hex}", binary=True) as cursor:
        cursor.itersize = FETCHED
        for values in cursor.execute(query, {"tenant_id": tenant_id, "customer_id": customer_id}):
            yield dict(zip(names, values, strict=True))


def verify_chains(
    rows: Iterable[Row], heads: Iterable[Head], *, rename: Renaming, live_version: int
) -> Iterator[Verified]:
    """Recompute every chain; one Verified a customer, in the order of their ids.

    ``rows`` come by customer and sequence, ``heads`` by customer, as PostgreSQL sorts UUIDs. ``live_version`` is the
    configuration whose names the heads use.
    """
    chains = groupby(rows, key=itemgetter("customer_id"))
    chain, head = next(chains, None), next(waiting := iter(heads), None)
    while chain is not None or head is not None:
        if chain is None or (head is not None and head.customer_id < chain[0]):
            assert head is not None  # noqa: S101  one of the two is there
            sentence = f"The customer is at version {head.version} and has no history."
            yield Verified(head.customer_id, 0, Break(None, HISTORY_MISSING, sentence))
            head = next(waiting, None)
            continue
        customer_id, links = chain
        of_customer = head if head is not None and head.customer_id == customer_id else None
        yield _verify_chain(customer_id, links, of_customer, rename=rename, live_version=live_version)
        if of_customer is not None:
            head = next(waiting, None)
        chain = next(chains, None)


def _verify_chain(
    customer_id: UUID, rows: Iterable[Row], head: Head | None, *, rename: Renaming, live_version: int
) -> Verified:
    before: Row | None = None
    broken: Break | None = None
    count = 0
    for row in rows:
        count += 1
        if broken is None:
            broken = _find_break(row, before, rename)
            before = row
    if broken is None and before is not None:
        broken = _compare_head(before, head, rename, live_version)
    return Verified(customer_id, count, broken)


def _find_break(row: Row, before: Row | None, rename: Renaming) -> Break | None:
    sequence = row["sequence"]
    expected = before["sequence"] + 1 if before else 1
    if sequence != expected:
        gone = f"row {expected}" if sequence == expected + 1 else f"rows {expected} to {sequence - 1}"
        return Break(expected, MISSING, f"The customer's {gone} of the history cannot be found.")
    if row_hash(row) != bytes(row["hash"]):
        return Break(sequence, ALTERED, "The row was altered: its hash is not the hash of what it says.")
    if bytes(row["previous_hash"]) != (bytes(before["hash"]) if before else NO_PREVIOUS):
        return Break(sequence, UNLINKED, "The row does not carry the hash of the row before it.")
    came_from = (
        rename(before["to_stage"], before["configuration_version"], row["configuration_version"]) if before else None
    )
    if row["from_stage"] != came_from:
        return Break(
            sequence, UNJOINED, f"The row leaves {row['from_stage']!r}, but the customer stood in {came_from!r}."
        )
    return None


def _compare_head(last: Row, head: Head | None, rename: Renaming, live_version: int) -> Break | None:
    if head is None:
        return Break(None, HEAD_MISSING, "The customer has a history but no status row.")
    if head.version != last["sequence"]:
        sentence = f"The customer is at version {head.version}, and its history ends with row {last['sequence']}."
        return Break(None, HEAD_DIFFERS, sentence)
    if head.hash != bytes(last["hash"]):
        return Break(None, HEAD_DIFFERS, "The status row does not carry the hash of the last row of the history.")
    stage = rename(last["to_stage"], last["configuration_version"], live_version)
    if head.stage != stage:
        return Break(None, HEAD_DIFFERS, f"The customer is in {head.stage!r}, but its history ends in {stage!r}.")
    return None
