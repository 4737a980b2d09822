"""The schema as it lies in the database keeps every rule of ``catalogue``; and each rule can see its error.

The second half is the negative control: a table that breaks the rule is made inside a transaction, the rule must name
it, and the transaction is rolled back.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings

from tenants.services import database
from tests.shape import catalogue

RULES = [
    catalogue.find_unclassified_tables,
    catalogue.find_unprotected_tables,
    catalogue.find_open_partitions,
    catalogue.find_leaking_views,
    catalogue.find_unreviewed_definer_functions,
    catalogue.find_simple_foreign_keys,
    catalogue.find_uniques_across_tenants,
    catalogue.find_rows_that_cannot_move,
    catalogue.find_rewritable_history,
    catalogue.find_powers_of_the_owner,
    catalogue.find_powers_of_the_application,
]

PROTECTED_NOTE = """
    CREATE TABLE scratch_note (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, customer_id uuid, text text);
    ALTER TABLE scratch_note ENABLE ROW LEVEL SECURITY;
    ALTER TABLE scratch_note FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant_rows ON scratch_note
        USING (tenant_id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
"""
DEFINER = "CREATE FUNCTION scratch_peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER"


@pytest.fixture
def turn() -> Iterator[None]:
    """Roles are the whole cluster's: PostgreSQL refuses to change one that a test beside this one is just changing."""
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as session:
        session.execute(database.ONE_AT_A_TIME)
        yield


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_schema_keeps_the_rule(rule: catalogue.Rule, superuser: psycopg.Connection[Any]) -> None:
    assert rule(superuser) == []


def test_every_tenant_table_is_walked(superuser: psycopg.Connection[Any]) -> None:
    assert set(catalogue.tenant_tables(superuser)) >= {
        "audit_administration",
        "audit_data_key",
        "audit_outbox",
        "audit_refused_attempt",
        "auth_group",
        "customer_lifecycle_history",
        "customer_lifecycle_status",
        "lifecycle_billingfigures",
        "lifecycle_contact",
        "lifecycle_customer",
        "lifecycle_idempotentrequest",
        "lifecycle_inboxevent",
        "lifecycle_parkedevent",
        "lifecycle_supportfigures",
        "tenants_configurationversion",
        "tenants_stage",
        "tenants_tenant",
        "tenants_tenantgroupobjectpermission",
        "tenants_tenantuserobjectpermission",
        "tenants_user",
        "tenants_user_groups",
    }


@pytest.mark.parametrize(
    ("rule", "breach", "error"),
    [
        (
            catalogue.find_unclassified_tables,
            "CREATE TABLE scratch_settings (id uuid PRIMARY KEY)",
            "scratch_settings names no tenant and no reason is given why it need not",
        ),
        (
            catalogue.find_unprotected_tables,
            "CREATE TABLE scratch_note (id uuid PRIMARY KEY, tenant_id uuid)",
            "scratch_note: row-level security is not enabled",
        ),
        (
            catalogue.find_unprotected_tables,
            PROTECTED_NOTE + "ALTER TABLE scratch_note NO FORCE ROW LEVEL SECURITY",
            "scratch_note: row-level security is not forced for its owner",
        ),
        (
            catalogue.find_unprotected_tables,
            PROTECTED_NOTE + "DROP POLICY tenant_rows ON scratch_note",
            "scratch_note: no policy binds the application",
        ),
        (
            catalogue.find_unprotected_tables,
            PROTECTED_NOTE + "CREATE POLICY everybody ON scratch_note FOR SELECT USING (text <> 'secret')",
            "scratch_note: USING of policy everybody does not ask for app.tenant_id",
        ),
        (
            catalogue.find_unprotected_tables,
            PROTECTED_NOTE + "ALTER POLICY tenant_rows ON scratch_note WITH CHECK (true)",
            "scratch_note: CHECK of policy tenant_rows does not ask for app.tenant_id",
        ),
        (
            catalogue.find_unprotected_tables,
            "CREATE POLICY open_to_all ON lifecycle_contact TO c360_app, c360_platform USING (true)",
            "lifecycle_contact: USING of policy open_to_all does not ask for app.tenant_id",
        ),
        (
            catalogue.find_unprotected_tables,
            "ALTER TABLE audit_outbox_rest NO FORCE ROW LEVEL SECURITY",
            "audit_outbox_rest: row-level security is not forced for its owner",
        ),
        (
            catalogue.find_open_partitions,
            "GRANT SELECT (event_id) ON lifecycle_inboxevent_rest TO c360_app",
            "lifecycle_inboxevent_rest may be reached by c360_app",
        ),
        (
            catalogue.find_open_partitions,
            "GRANT DELETE ON audit_outbox_rest TO c360_relay",
            "audit_outbox_rest may be reached by c360_relay",
        ),
        (
            catalogue.find_open_partitions,
            "CREATE POLICY everyone ON audit_outbox_rest USING (true)",
            "audit_outbox_rest has policy everyone",
        ),
        (
            catalogue.find_open_partitions,
            "ALTER TABLE audit_refused_attempt_rest OWNER TO c360_audit",
            "audit_refused_attempt_rest belongs to c360_audit",
        ),
        (
            catalogue.find_open_partitions,
            "DROP TABLE audit_refused_attempt_rest",
            "audit_refused_attempt refuses what fits in none of its partitions",
        ),
        (
            catalogue.find_leaking_views,
            "CREATE MATERIALIZED VIEW scratch_totals AS SELECT tenant_id FROM lifecycle_customer",
            "scratch_totals is a materialized view",
        ),
        (
            catalogue.find_leaking_views,
            "CREATE VIEW scratch_view AS SELECT tenant_id FROM lifecycle_customer",
            "scratch_view reads as its owner",
        ),
        (
            catalogue.find_unreviewed_definer_functions,
            f"{DEFINER} RETURN 1",
            "scratch_peek() is SECURITY DEFINER and was not reviewed",
        ),
        (
            catalogue.find_unreviewed_definer_functions,
            "ALTER FUNCTION search_customers OWNER TO postgres",
            "search_customers(...runs as postgres, whom row-level security does not bind",
        ),
        (
            catalogue.find_unreviewed_definer_functions,
            "ALTER FUNCTION search_customers SET search_path = pg_catalog, public",
            "search_customers(...looks into temporary tables first",
        ),
        (
            catalogue.find_unreviewed_definer_functions,
            "GRANT EXECUTE ON FUNCTION search_customers TO PUBLIC",
            "search_customers(...may be called by everybody",
        ),
        (
            catalogue.find_simple_foreign_keys,
            PROTECTED_NOTE + "ALTER TABLE lifecycle_customer ADD CONSTRAINT scratch_key UNIQUE (id);"
            "ALTER TABLE scratch_note ADD CONSTRAINT scratch_fk FOREIGN KEY (customer_id)"
            " REFERENCES lifecycle_customer (id)",
            "scratch_note: foreign key scratch_fk to lifecycle_customer does not carry the tenant",
        ),
        (
            catalogue.find_uniques_across_tenants,
            PROTECTED_NOTE + "CREATE UNIQUE INDEX scratch_by_text ON scratch_note (text)",
            "scratch_note: unique key scratch_by_text does not start with the tenant",
        ),
        (
            catalogue.find_uniques_across_tenants,
            PROTECTED_NOTE + "ALTER TABLE scratch_note ADD CONSTRAINT scratch_text UNIQUE (text, tenant_id)",
            "scratch_note: unique key scratch_text does not start with the tenant",
        ),
        (
            catalogue.find_rows_that_cannot_move,
            PROTECTED_NOTE,
            "scratch_note: what identifies a row does not begin with the tenant",
        ),
        (
            catalogue.find_rows_that_cannot_move,
            "ALTER TABLE lifecycle_contact REPLICA IDENTITY NOTHING",
            "lifecycle_contact: what identifies a row does not begin with the tenant",
        ),
        (
            catalogue.find_rewritable_history,
            "ALTER TABLE customer_lifecycle_history ENABLE TRIGGER history_rows_are_final",
            "customer_lifecycle_history: history_rows_are_final does not fire ALWAYS",
        ),
        (
            catalogue.find_rewritable_history,
            "DROP TRIGGER history_rows_are_never_emptied ON customer_lifecycle_history",
            "customer_lifecycle_history: no trigger refuses TRUNCATE",
        ),
        (
            catalogue.find_rewritable_history,
            "ALTER TABLE customer_lifecycle_history OWNER TO c360_owner",
            "customer_lifecycle_history belongs to c360_owner",
        ),
        (
            catalogue.find_powers_of_the_owner,
            "ALTER SCHEMA public OWNER TO c360_owner",
            "c360_owner: it owns schema public",
        ),
        (
            catalogue.find_powers_of_the_owner,
            "GRANT c360_audit TO c360_owner WITH INHERIT TRUE",
            "c360_owner: it acts, without saying so, as c360_audit",
        ),
        (
            catalogue.find_powers_of_the_owner,
            "GRANT DELETE ON customer_lifecycle_history TO c360_owner",
            "c360_owner: it may change customer_lifecycle_history",
        ),
        (
            catalogue.find_powers_of_the_application,
            "GRANT UPDATE (note) ON customer_lifecycle_history TO c360_app",
            "c360_app: it may change customer_lifecycle_history",
        ),
        (
            catalogue.find_powers_of_the_application,
            "GRANT CREATE ON SCHEMA public TO c360_app",
            "c360_app: it may create in schema public",
        ),
        (
            catalogue.find_powers_of_the_application,
            "GRANT c360_search TO c360_app",
            "c360_app: it is a member of c360_search",
        ),
        (
            catalogue.find_powers_of_the_application,
            "ALTER ROLE c360_app BYPASSRLS",
            "c360_app: it is a superuser, or may bypass policies",
        ),
        (
            catalogue.find_powers_of_the_application,
            "GRANT TRUNCATE ON lifecycle_customer TO c360_app",
            "c360_app: it may empty lifecycle_customer",
        ),
        (
            catalogue.find_powers_of_the_application,
            "CREATE TABLE scratch_mine (id int); ALTER TABLE scratch_mine OWNER TO c360_app",
            "c360_app: it owns table scratch_mine",
        ),
    ],
    ids=lambda value: None if callable(value) else value.splitlines()[-1][:60],
)
def test_the_rule_names_what_breaks_it(
    rule: catalogue.Rule, breach: str, error: str, turn: None, superuser: psycopg.Connection[Any]
) -> None:
    superuser.execute(breach)
    start, _, end = error.partition("...")
    assert [found for found in rule(superuser) if found.startswith(start) and end in found]


def test_a_temporary_table_does_not_take_the_place_of_the_customers(superuser: psycopg.Connection[Any]) -> None:
    superuser.execute("CREATE TEMP TABLE lifecycle_customer (id uuid, tenant_id uuid, name text, external_id text)")
    superuser.execute("GRANT SELECT ON pg_temp.lifecycle_customer TO c360_search")
    superuser.execute(
        "INSERT INTO pg_temp.lifecycle_customer SELECT gen_random_uuid(), t, 'Planted', 'p-1'"
        " FROM set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true), gen_random_uuid() g,"
        " (VALUES ('00000000-0000-7000-8000-000000000001'::uuid)) AS v(t)"
    )
    assert superuser.execute("SELECT count(*) FROM search_customers('Planted')").fetchone() == (0,)
