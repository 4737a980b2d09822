"""Whether two servers have the same rows of a tenant, and whether what these rows say of themselves holds on both."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final
from uuid import UUID

import psycopg
from django.utils import timezone
from psycopg import sql

from audit.services.verification import Verified
from lifecycle.services.compliance.verification import verify_tenant, verify_tenant_seals
from lifecycle.services.moving.sides import SAME_TEXT, MoveRefused, Side, Table
from storage.servers import on_server
from tenants.actors import TenantRef
from tenants.homes import at_any_server

# Of every column of every row, by name: two servers may have got their columns in another order.
_DIGEST: Final = sql.SQL("SELECT count(*), coalesce(bit_xor(hashtextextended(ROW({})::text, 0)), 0) FROM {} WHERE {}")
AT_ONCE: Final = 4
PERIOD: Final = "period"

Compared = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verification of a tenant found on one server."""

    customers: int
    rows: int
    seals: int


def compare_rows(source: Side, target: Side, tenant_id: UUID) -> Compared:
    """How many rows each table has of the tenant, and their digest, when both servers agree in both.

    Both are read at the same time, a few tables at once: writes wait for the answer. Raises MoveRefused naming the
    tables that differ.
    """
    tables = source.moving_tables
    if [(one.name, one.columns) for one in tables] != [(one.name, one.columns) for one in target.moving_tables]:
        raise MoveRefused("The tables of the two servers differ: migrate both to the same release first.")
    with ThreadPoolExecutor(2) as pool:
        here, there = pool.map(lambda side: dict(_digest(side, tables, tenant_id)), (source, target))
    different = [
        f"{name} ({here[name]['rows']:,} rows on {source.name}, {there[name]['rows']:,} on {target.name})"
        for name in here
        if here[name] != there[name]
    ]
    if different:
        raise MoveRefused(f"Not the same on both servers: {', '.join(different)}.")
    return here


def _digest(side: Side, tables: Sequence[Table], tenant_id: UUID) -> Iterator[tuple[str, dict[str, int]]]:
    def digest(share: Sequence[Table]) -> list[tuple[str, dict[str, int]]]:
        with psycopg.connect(side.address, options=SAME_TEXT, autocommit=True) as connection:
            return [(table.name, _digest_one(connection, table, tenant_id)) for table in share]

    # The largest tables are not neighbors by name: each connection has some of the first and some of the last.
    shares = [tables[number::AT_ONCE] for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from chain.from_iterable(pool.map(digest, shares))


def _digest_one(connection: psycopg.Connection[Any], table: Table, tenant_id: UUID) -> dict[str, int]:
    # Under which period a row is filed is each server's own (decision 33).
    names = [name for name in table.columns if name != PERIOD]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    row: Any = connection.execute(_DIGEST.format(columns, sql.Identifier(table.name), table.of(tenant_id))).fetchone()
    return {"rows": row[0], "digest": row[1]}


def verify_on(server: str, tenant: TenantRef, *, public_keys: Collection[bytes]) -> Verification:
    """Recompute every hash chain and check every seal of the tenant on a server, over the application's own role.

    Raises MoveRefused with the first break.
    """
    customers = rows = seals = 0
    with on_server(server), at_any_server():
        for verified in verify_tenant(tenant):
            _refuse_break(server, verified)
            customers += 1
            rows += verified.rows
        if public_keys:
            for number, error in verify_tenant_seals(tenant, public_keys=public_keys, now=timezone.now()):
                if error is not None and error.code != "rows_unsealed":
                    raise MoveRefused(f"Seal {number} on server {server}: {error.sentence} The old rows are kept.")
                seals += number > 0
    return Verification(customers, rows, seals)


def _refuse_break(server: str, verified: Verified) -> None:
    if verified.broken is not None:
        raise MoveRefused(
            f"The history of customer {verified.customer_id} is broken on server {server}: {verified.broken.sentence}"
            " The old rows are kept."
        )
