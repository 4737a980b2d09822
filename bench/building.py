"""Tenants with customers and a past, written by SQL: the history with the chains that the product would have written.

Each customer's chain is made row by row, all customers of a tenant at once, by the expression that the product hashes
with: ``verify_audit`` finds nothing wrong with it. Nothing is announced: an outbox holds a day.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from audit.services.chain import hash_sql
from bench.population import CUSTOMERS, DOCUMENT, FIGURES, connect_as_administrator, write_lists
from lifecycle.services.configuration.publication import publish_configuration
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.services.accounts.people import create_tenant

STAGES: Final = ("Prospect", "Onboarded", "Active", "At-Risk", "Renewed", "Active")
# Over how many days the rows of a customer are spread, until today.
DAYS: Final = 700
BUILDER: Final = "system:bench"
_FACTS: Final = {
    "id": "id",
    "tenant_id": "%(tenant)s::uuid",
    "customer_id": "customer_id",
    "sequence": "%(sequence)s::int",
    "from_stage": "from_stage",
    "to_stage": "to_stage",
    "changed_at": "at",
    "effective_at": "at",
    "recorded_at": "at",
    "changed_by": f"'{BUILDER}'",
    "on_behalf_of": "''",
    "actor_kind": "'system'",
    "source": "'Import'",
    "reason_code": "reason",
    "request_id": "NULL::uuid",
    "event_id": "''",
    "configuration_version": "1",
    "note": "NULL::bytea",
    "previous_hash": "previous",
}
_HEADS: Final = """
CREATE TEMP TABLE heads AS
SELECT id AS customer_id, row_number() OVER () AS number, NULL::text AS stage, ''::text AS reason, ''::bytea AS hash,
       NULL::timestamptz AS at
  FROM lifecycle_customer WHERE tenant_id = %(tenant)s
"""
# The n-th row of every customer: some time within the n-th part of the days.
_STEP: Final = f"""
CREATE TEMP TABLE next_heads AS
WITH drawn AS (
    SELECT customer_id, number, stage AS from_stage, hash AS previous,
           (%(stages)s::text[])[1 + (number + %(sequence)s) %% %(kinds)s] AS to_stage,
           %(since)s::timestamptz + random() * %(span)s::interval AS at
      FROM heads
), named AS (
    SELECT *, uuidv7(at - now()) AS id, CASE WHEN to_stage = 'At-Risk' THEN 'Low Engagement' ELSE '' END AS reason
      FROM drawn
)
SELECT *, {hash_sql(_FACTS)} AS hash FROM named
"""
_RECORD: Final = """
INSERT INTO customer_lifecycle_history
       (id, tenant_id, customer_id, sequence, from_stage, to_stage, changed_at, effective_at, recorded_at, changed_by,
        on_behalf_of, actor_kind, source, reason_code, request_id, event_id, configuration_version, note,
        previous_hash, hash)
SELECT id, %(tenant)s, customer_id, %(sequence)s, from_stage, to_stage, at, at, at, %(by)s, '', 'system', 'Import',
       reason, NULL, '', 1, NULL, previous, hash
  FROM next_heads
"""
_ADVANCE: Final = (
    "DROP TABLE heads",
    "CREATE TEMP TABLE heads AS SELECT customer_id, number, to_stage AS stage, reason, hash, at FROM next_heads",
    "DROP TABLE next_heads",
)
_STATUSES: Final = """
INSERT INTO customer_lifecycle_status (id, tenant_id, customer_id, stage, stage_entered_at, updated_at, updated_by,
                                       actor_kind, source, reason_code, version, head_hash)
SELECT uuidv7(), %(tenant)s, customer_id, stage, at, at, %(by)s, 'system', 'Import', reason, %(rows)s, hash
  FROM heads
"""


def build_tenants(count: int, *, customers: int, rows: int) -> Iterator[TenantRef]:
    """So many new tenants, one after the other, each with so many customers and ``rows`` rows of history for each."""
    with connect_as_administrator() as administrator:
        # Rows made by one statement need no check each; nothing of what is measured is done this way.
        administrator.execute("SET session_replication_role = replica")
        administrator.execute("SET synchronous_commit = off")
        write_lists(administrator, customers)
        for number in range(count):
            yield _build(administrator, f"scale-{number}", customers, rows)


def _build(administrator: "psycopg.Connection[tuple[object, ...]]", slug: str, customers: int, rows: int) -> TenantRef:
    now = dt.datetime.now(dt.UTC)
    actor = system_actor("bench")
    tenant = create_tenant(slug=slug, name=slug.title(), actor=actor, now=now)
    with tenant_context(tenant.id):
        publish_configuration(DOCUMENT, tenant=tenant, actor=actor, now=now)
    given: dict[str, Any] = {"tenant": tenant.id, "customers": customers, "rows": rows, "by": BUILDER}
    given |= {"stages": list(STAGES), "kinds": len(STAGES)}
    with administrator.transaction():
        administrator.execute(CUSTOMERS, given)
        for statement in FIGURES:
            administrator.execute(statement, given)
        administrator.execute(_HEADS, given)
        span = dt.timedelta(days=DAYS) / rows
        for sequence in range(1, rows + 1):
            step = {**given, "sequence": sequence, "since": now - span * (rows - sequence + 1), "span": span}
            for text in (_STEP, _RECORD, *_ADVANCE):
                administrator.execute(text, step)
        administrator.execute(_STATUSES, given)
        administrator.execute("DROP TABLE heads")
    return tenant
