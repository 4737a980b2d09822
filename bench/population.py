"""Rows to measure on: as many tenants and customers as wanted, written by SQL as the administrator.

The services would do it too, but a million rows would take a quarter of an hour. What is measured goes through the
services, on these rows.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

from lifecycle.rules.sample_names import name_company
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.demo.scenarios import ACME_DOCUMENT
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.values import sort_key
from tenants.services.accounts.people import create_tenant

# The demo's, without its automations: what the peers do starts none either. Part ``effects`` measures those that start.
DOCUMENT = {**ACME_DOCUMENT, "effects": []}
# Customers of each stage, in per cent: as in the demo after two years.
SHARES = {"Prospect": 10, "Onboarded": 5, "Active": 60, "At-Risk": 8, "Renewed": 5, "Churned": 12}

CUSTOMERS = """
INSERT INTO lifecycle_customer (id, tenant_id, external_id, name, name_key, industry, segment, owner, owner_key, source,
                                event_id, occurred_at, field_times, created_at, updated_at)
SELECT uuidv7(), %(tenant)s, 'CUST-' || lpad(n::text, 7, '0'), name, name_key, industry,
       (ARRAY['Enterprise', 'Mid-Market', 'SMB'])[1 + n %% 3],
       'manager' || n %% 12 || '@bench.example', 'manager' || n %% 12 || '@bench.example',
       '/crm', '', now() - random() * interval '700 days', '{}', now(), now()
  FROM company_names WHERE n <= %(customers)s
"""
STATUSES = """
INSERT INTO customer_lifecycle_status (id, tenant_id, customer_id, stage, stage_entered_at, updated_at, updated_by,
                                       actor_kind, source, reason_code, version, head_hash)
SELECT uuidv7(), tenant_id, c.id, s.stage, c.occurred_at, c.occurred_at, 'system:bench', 'system', 'Import', '', 1,
       sha256(c.id::text::bytea)
  FROM (SELECT *, random() * 100 AS share FROM lifecycle_customer WHERE tenant_id = %(tenant)s) c
  JOIN stage_shares s ON c.share >= s.above AND c.share < s.below
"""
FIGURES = (
    """
INSERT INTO lifecycle_billingfigures (customer_id, tenant_id, currency, arr, mrr, balance_overdue, renewal_on,
                                      contract_id, source, event_id, occurred_at, field_times)
SELECT id, tenant_id, 'USD', (random() * 90000)::int, (random() * 7500)::int,
       CASE WHEN random() < 0.1 THEN (random() * 9000)::int ELSE 0 END, current_date + (random() * 365)::int,
       'C-' || external_id, '/billing', '', now(), '{}'
  FROM lifecycle_customer WHERE tenant_id = %(tenant)s
""",
    """
INSERT INTO lifecycle_supportfigures (customer_id, tenant_id, open_issues, csat, last_issue_id, last_issue_severity,
                                      source, event_id, occurred_at, field_times)
SELECT id, tenant_id, (random() * 5)::int, (2 + random() * 3)::numeric(3, 1), '', '', '/support', '', now(), '{}'
  FROM lifecycle_customer WHERE tenant_id = %(tenant)s
""",
)
TABLES = (
    "lifecycle_customer",
    "customer_lifecycle_status",
    "lifecycle_billingfigures",
    "lifecycle_supportfigures",
    "customer_lifecycle_history",
    "audit_outbox",
    "tenants_stage",
    "tenants_tenant",
)


@dataclass(frozen=True, slots=True)
class Populated:
    """A tenant with its customers, by stage."""

    tenant: TenantRef
    customers: dict[str, list[UUID]]


def connect_as_administrator() -> "psycopg.Connection[tuple[object, ...]]":
    """A connection that sees and may do everything, to the benchmarks' own database."""
    name = connections["default"].settings_dict["NAME"]
    return psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True)


def populate(slug: str, customers: int) -> Populated:
    """A new tenant of the demo's configuration with so many customers."""
    now = dt.datetime.now(dt.UTC)
    tenant = create_tenant(slug=slug, name=slug.title(), actor=system_actor("bench"), now=now)
    with tenant_context(tenant.id):
        publish_configuration(DOCUMENT, tenant=tenant, actor=system_actor("bench"), now=now)
    with connect_as_administrator() as administrator:
        # Rows made by one statement need no check each; nothing of what is measured is done this way.
        administrator.execute("SET session_replication_role = replica")
        administrator.execute("SET synchronous_commit = off")
        write_lists(administrator, customers)
        parameters = {"tenant": tenant.id, "customers": customers}
        for statement in (CUSTOMERS, STATUSES, *FIGURES):
            administrator.execute(statement, parameters)
        rows = administrator.execute(
            "SELECT stage, array_agg(customer_id ORDER BY random()) FROM customer_lifecycle_status"
            " WHERE tenant_id = %s GROUP BY 1",
            [tenant.id],
        ).fetchall()
    return Populated(tenant, {str(stage): ids for stage, ids in rows})  # type: ignore[misc]


def count_changes() -> int:
    """Changes of customers in the history so far, all tenants."""
    with connect_as_administrator() as administrator:
        (count,) = administrator.execute("SELECT count(*) FROM customer_lifecycle_history").fetchone() or (0,)
        return int(str(count))


def settle() -> None:
    """What autovacuum would have done by now: statistics, visibility, no dead rows; and an empty log to write to."""
    with connect_as_administrator() as administrator:
        for table in TABLES:
            administrator.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
        administrator.execute("CHECKPOINT")


def write_lists(administrator: "psycopg.Connection[tuple[object, ...]]", customers: int) -> None:
    """What names, industries and stages are taken from, as temporary tables of the session."""
    administrator.execute("CREATE TEMP TABLE company_names (n int, name text, name_key text, industry text)")
    with administrator.cursor().copy("COPY company_names FROM STDIN") as copy:
        for number in range(1, customers + 1):
            company = name_company(number)
            copy.write_row((number, company.name, sort_key(company.name), company.industry))
    administrator.execute("CREATE TEMP TABLE stage_shares (stage text, above numeric, below numeric)")
    above = 0
    for stage, share in SHARES.items():
        administrator.execute("INSERT INTO stage_shares VALUES (%s, %s, %s)", [stage, above, above + share])
        above += share
