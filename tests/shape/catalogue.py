"""The rules of the schema, each a question to PostgreSQL's catalogue that answers with the errors it found.

An error is a sentence that names the object. The exceptions stand here with their reasons: who adds one is read by
the next reviewer. ``connection`` is a psycopg connection of a superuser.
"""

from collections.abc import Callable
from typing import Any

import psycopg

Rule = Callable[[psycopg.Connection[Any]], list[str]]

# Tables whose tenant has another name than tenant_id.
TENANT_COLUMNS = {
    "tenants_tenant": "id",
    "tenants_tenantuserobjectpermission": "content_object_id",
    "tenants_tenantgroupobjectpermission": "content_object_id",
}
# Policies that ask for something else than the tenant, and what.
POLICIES_BY_USER = {
    ("tenants_user", "own_row"): "app.user_id",
    ("tenants_user", "new_staff"): "app.user_id",
    ("tenants_user", "own_staff_row"): "app.user_id",
    ("audit_administration", "entries_of_staff"): "app.user_id",
}
# Tables that belong to no tenant, and why they may be read without one.
WITHOUT_TENANT = {
    "auth_permission": "the four permissions, the same for everybody",
    "auth_group_permissions": "no group holds a permission outside a tenant; the application may not write it",
    "axes_accessattempt": "unused, lock-outs are kept in the cache; the application may not touch it",
    "axes_accessattemptexpiration": "unused, lock-outs are kept in the cache; the application may not touch it",
    "axes_accessfailurelog": "unused, lock-outs are kept in the cache; the application may not touch it",
    "axes_accesslog": "unused, lock-outs are kept in the cache; the application may not touch it",
    "django_admin_log": "unused, the admin writes the administration log; the application may not write it",
    "django_content_type": "names of models",
    "django_migrations": "names of migrations; the application may not write it",
    "django_session": "signed contents under a random key, read before anybody is known",
    "guardian_groupobjectpermission": "unused, grants have a real foreign key; the application may not write it",
    "guardian_userobjectpermission": "unused, grants have a real foreign key; the application may not write it",
    "lifecycle_update_budget": "numbers a person, in whatever tenant; the application may not touch it",
    "tenants_queuedmail": "what waits to be sent to whom, by id: no addresses, no texts; sent for all tenants alike",
    "tenants_user_user_permissions": "unused, rights come with roles; the application may not write it",
    "tenants_opensession": "who is logged in since when, by id, beside django_session; only its owner reads it",
    "tenants_refreshtoken": "digests of random ids, read before the tenant is known; no row opens a session",
}
# Unique keys that do not start with the tenant, and why they tell no one anything.
UNIQUES_NOT_BY_TENANT = {
    "tenants_user_username_key": "people log in before their tenant is known, so a username is taken for everybody",
    "tenants_home_slug_key": "as below; the directory has one row a tenant",
    "tenants_tenant_slug_key": "the slug is the public name of a tenant, in X-Tenant and in events",
    "tenants_tenantgroupobjec_group_id_permission_id_c_f5e8afcd_uniq": "django-guardian's; ends with the tenant",
    "tenants_tenantuserobject_user_id_permission_id_co_5eaf12e8_uniq": "django-guardian's; ends with the tenant",
    "audit_outbox_pkey": "a generated number, and the period in which it was given",
    "auth_group_name_key": "a group's name contains its tenant's id",
    "tenants_user_groups_user_id_group_id_ef9ea837_uniq": "both sides are of one tenant",
}
# Tables whose rows replication does not know by a key that begins with the tenant, and why.
NOT_KEYED_BY_TENANT = {
    "audit_outbox": "it is drained before a tenant moves: what it holds has been promised by the server that it is on",
    "audit_administration": "entries about super admins have no tenant: known by all columns, and never changed",
    "audit_departure": "it stays on the server that it is about",
    "tenants_user": "super admins have no tenant: known by all columns",
}
APPEND_ONLY = ("audit_administration", "audit_seal", "audit_sealed_row", "customer_lifecycle_history")
REVIEWED_DEFINER_FUNCTIONS = {
    "search_customers": "c360_search",
    "search_former_names": "c360_search",
    "take_updates": "c360_owner",
    "forget_updates": "c360_owner",
    "turn_audit_outbox": "c360_owner",
    "empty_sandbox": "c360_owner",
    "empty_sandbox_record": "c360_audit",
    "turn_audit_refused_attempt": "c360_owner",
    "turn_lifecycle_inboxevent": "c360_owner",
}
APP_ROLE, AUDIT_ROLE, OWNER_ROLE = "c360_app", "c360_audit", "c360_owner"
READERS = frozenset({"c360_platform", "c360_relay", "c360_search"})

TABLES = """
SELECT c.relname, c.relispartition AS is_partition, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS has_tenant_id
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
 ORDER BY 1
"""
POLICIES = """
SELECT polname AS name, polcmd AS command,
       COALESCE((SELECT array_agg(COALESCE(rolname, 'public')) FROM unnest(polroles) AS r(oid)
                  LEFT JOIN pg_roles USING (oid)), '{}') AS roles,
       COALESCE(pg_get_expr(polqual, polrelid), '') AS using,
       COALESCE(pg_get_expr(polwithcheck, polrelid), '') AS check
  FROM pg_policy WHERE polrelid = %s::regclass ORDER BY polname
"""


def rows(connection: psycopg.Connection[Any], query: str, parameters: Any = None) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def tenant_tables(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Every table that belongs to tenants, with the column that names the tenant."""
    return {
        row["relname"]: TENANT_COLUMNS.get(row["relname"], "tenant_id")
        for row in rows(connection, TABLES)
        if row["has_tenant_id"] or row["relname"] in TENANT_COLUMNS
    }


def find_unclassified_tables(connection: psycopg.Connection[Any]) -> list[str]:
    """Every table belongs to tenants, or stands with its reason in WITHOUT_TENANT."""
    known = {*tenant_tables(connection), *WITHOUT_TENANT}
    return [
        f"{row['relname']} names no tenant and no reason is given why it need not"
        for row in rows(connection, TABLES)
        if row["relname"] not in known
    ]


def find_unprotected_tables(connection: psycopg.Connection[Any]) -> list[str]:
    """Row-level security is enabled, forced for the owner too, and every policy that binds the application asks for
    the tenant; other roles have policies of their own.
    """
    wanted = dict.fromkeys(tenant_tables(connection), "app.tenant_id")
    errors = []
    for row in rows(connection, TABLES):
        table = row["relname"]
        if table not in wanted:
            continue
        if not row["enabled"]:
            errors.append(f"{table}: row-level security is not enabled")
        if not row["forced"]:
            errors.append(f"{table}: row-level security is not forced for its owner")
        if row["is_partition"]:
            # Reached through its table alone (``find_open_partitions``).
            continue
        errors += _policy_errors(table, rows(connection, POLICIES, [table]), wanted[table])
    return errors


def find_open_partitions(connection: psycopg.Connection[Any]) -> list[str]:
    """No one but the owner reaches a partition past its table; every table that is filed has a place for what fits
    nowhere.
    """
    reached = """
    SELECT c.relname || ' may be reached by ' || r.rolname AS error
      FROM pg_class c CROSS JOIN pg_roles r
     WHERE c.relispartition AND c.relkind = 'r' AND r.rolname IN ('c360_app', 'c360_platform', 'c360_relay')
       AND (has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
            OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER, MAINTAIN'))
    UNION ALL
    SELECT c.relname || ' has policy ' || polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
     WHERE c.relispartition AND p.polroles <> ARRAY['c360_owner'::regrole::oid]
    UNION ALL
    SELECT c.relname || ' belongs to ' || c.relowner::regrole FROM pg_class c
     WHERE c.relispartition AND c.relkind = 'r' AND c.relowner <> 'c360_owner'::regrole
    UNION ALL
    SELECT c.relname || ' refuses what fits in none of its partitions'
      FROM pg_partitioned_table t JOIN pg_class c ON c.oid = t.partrelid WHERE t.partdefid = 0
     ORDER BY 1
    """
    return [row["error"] for row in rows(connection, reached)]


def _policy_errors(table: str, policies: list[dict[str, Any]], wanted: str) -> list[str]:
    binding = [policy for policy in policies if not set(policy["roles"]) <= READERS]
    errors = [] if binding else [f"{table}: no policy binds the application"]
    for policy in binding:
        asked = POLICIES_BY_USER.get((table, policy["name"]), wanted)
        # Policies are joined by OR: one that does not ask for the tenant opens the table, whatever the others say.
        for part in ("using", "check"):
            expression = policy[part]
            needed = policy["command"] != "a" if part == "using" else policy["command"] in ("*", "a", "w")
            if needed and asked not in (expression or policy["using"]):
                errors.append(f"{table}: {part.upper()} of policy {policy['name']} does not ask for {asked}")
    return errors


def find_leaking_views(connection: psycopg.Connection[Any]) -> list[str]:
    """No materialized view at all (it holds every tenant's rows), and no view that reads with its owner's rights."""
    query = """
    SELECT c.relname, c.relkind,
           COALESCE(c.reloptions, '{}') && '{security_invoker=true,security_invoker=on}' AS invoker
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
    """
    return [
        f"{row['relname']} is a materialized view" if row["relkind"] == "m" else f"{row['relname']} reads as its owner"
        for row in rows(connection, query)
        if row["relkind"] == "m" or not row["invoker"]
    ]


def find_unreviewed_definer_functions(connection: psycopg.Connection[Any]) -> list[str]:
    """Exactly the reviewed SECURITY DEFINER functions, of their owner, with a search path that ends in pg_temp."""
    query = """
    SELECT p.proname AS function, p.oid::regprocedure::text AS name,
           r.rolname AS owner, r.rolsuper OR r.rolbypassrls AS bypasses,
           COALESCE((SELECT o FROM unnest(p.proconfig) o WHERE starts_with(o, 'search_path=')), '') AS path,
           has_function_privilege('public', p.oid, 'EXECUTE') AS everybody
      FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
    """
    found = rows(connection, query)
    errors = [
        f"there must be one {name}, and there are {number}"
        for name in REVIEWED_DEFINER_FUNCTIONS
        if (number := sum(row["function"] == name for row in found)) != 1
    ]
    for row in found:
        if row["function"] not in REVIEWED_DEFINER_FUNCTIONS:
            errors.append(f"{row['name']} is SECURITY DEFINER and was not reviewed")
        elif row["owner"] != REVIEWED_DEFINER_FUNCTIONS[row["function"]]:
            errors.append(f"{row['name']} belongs to {row['owner']}")
        if row["bypasses"]:
            errors.append(f"{row['name']} runs as {row['owner']}, whom row-level security does not bind")
        if not row["path"].endswith("pg_temp"):
            errors.append(f"{row['name']} looks into temporary tables first")
        if row["everybody"]:
            errors.append(f"{row['name']} may be called by everybody")
    return errors


def find_simple_foreign_keys(connection: psycopg.Connection[Any]) -> list[str]:
    """A reference between tenants' tables carries the tenant on both sides: a plain one is checked without policies."""
    query = """
    SELECT con.conname AS name, con.conrelid::regclass::text AS child, con.confrelid::regclass::text AS parent,
           ARRAY(SELECT attname::text FROM unnest(con.conkey) WITH ORDINALITY k(n, i) JOIN pg_attribute
                  ON attrelid = con.conrelid AND attnum = k.n ORDER BY i) AS child_columns,
           ARRAY(SELECT attname::text FROM unnest(con.confkey) WITH ORDINALITY k(n, i) JOIN pg_attribute
                  ON attrelid = con.confrelid AND attnum = k.n ORDER BY i) AS parent_columns
      FROM pg_constraint con WHERE con.contype = 'f' ORDER BY 1
    """
    tenants = tenant_tables(connection)
    errors = []
    for row in rows(connection, query):
        child, parent = row["child"], row["parent"]
        if child not in tenants or parent not in tenants:
            continue
        pairs = zip(row["child_columns"], row["parent_columns"], strict=True)
        if (tenants[child], tenants[parent]) not in pairs:
            errors.append(f"{child}: foreign key {row['name']} to {parent} does not carry the tenant")
    return errors


def find_uniques_across_tenants(connection: psycopg.Connection[Any]) -> list[str]:
    """A unique key starts with the tenant, or it answers whether another tenant holds a value.

    A primary key of one UUID or of one generated number is excepted: no one can guess the one or choose the other.
    """
    query = """
    SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS table, i.indisprimary AS is_primary,
           i.indnkeyatts AS columns, a.attname AS first, t.typname AS type, a.attidentity <> '' AS generated
      FROM pg_index i
      LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      LEFT JOIN pg_type t ON t.oid = a.atttypid
      JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     -- That of a partition is its table's.
     WHERE NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
       AND (i.indisunique OR i.indisexclusion) AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
     ORDER BY 1
    """
    tenants = tenant_tables(connection)
    errors = []
    for row in rows(connection, query):
        table = row["table"]
        if table not in tenants:
            continue
        unguessable = row["is_primary"] and row["columns"] == 1 and (row["type"] == "uuid" or row["generated"])
        by_tenant = row["first"] == tenants.get(table)
        if not (unguessable or by_tenant or row["name"] in UNIQUES_NOT_BY_TENANT):
            errors.append(f"{table}: unique key {row['name']} does not start with the tenant")
    return errors


def find_rows_that_cannot_move(connection: psycopg.Connection[Any]) -> list[str]:
    """A tenant can move to another server by logical replication of its rows: what identifies a row begins with the
    tenant, so a publication may be filtered by it, and numbers that two servers have given cannot meet. No row of a
    table without a tenant could go with it: such tables are listed, with reasons, in WITHOUT_TENANT.
    """
    query = """
    SELECT c.relname AS table, c.relreplident AS identity,
           (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END
           ) AS first,
           COALESCE((SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent
                      WHERE h.inhrelid = c.oid), c.relname) AS whole
      FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
    """
    tenants = tenant_tables(connection)
    return [
        f"{row['table']}: what identifies a row does not begin with the tenant"
        for row in rows(connection, query)
        if row["table"] in tenants and row["whole"] not in NOT_KEYED_BY_TENANT
        if row["identity"] not in "di" or row["first"] != tenants[row["table"]]
    ]


def find_rewritable_history(connection: psycopg.Connection[Any]) -> list[str]:
    """Append-only tables refuse UPDATE, DELETE and TRUNCATE by triggers that fire ALWAYS, and belong to the role
    that no one logs in as, as does the function that refuses.
    """
    triggers = """
    SELECT t.tgname, t.tgenabled, t.tgtype::int AS type, r.rolname AS function_owner
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_roles r ON r.oid = p.proowner
     WHERE t.tgrelid = %s::regclass AND p.proname = 'refuse_audit_change' AND NOT t.tgisinternal
    """
    row_level, before, delete, update, truncate = 1, 2, 8, 16, 32
    errors = []
    for table in APPEND_ONLY:
        found = rows(connection, triggers, [table])
        for needed, words in (
            (row_level | before | delete | update, "UPDATE and DELETE"),
            (before | truncate, "TRUNCATE"),
        ):
            firing = [row for row in found if row["type"] & needed == needed]
            if not firing:
                errors.append(f"{table}: no trigger refuses {words}")
            errors += [f"{table}: {row['tgname']} does not fire ALWAYS" for row in firing if row["tgenabled"] != "A"]
        errors += [
            f"{table}: {row['tgname']} runs a function of {row['function_owner']}"
            for row in found
            if row["function_owner"] != AUDIT_ROLE
        ]
        (owner,) = rows(
            connection, "SELECT pg_get_userbyid(relowner) o FROM pg_class WHERE oid = %s::regclass", [table]
        )
        if owner["o"] != AUDIT_ROLE:
            errors.append(f"{table} belongs to {owner['o']}")
    return errors


def find_powers_of_the_owner(connection: psycopg.Connection[Any]) -> list[str]:
    """The role of the migrations bypasses no policy, and cannot drop what belongs to others: it owns neither the
    database nor a schema. It may act as the roles that own the audit tables only by saying so (SET ROLE).
    """
    questions = {
        "it is a superuser, or may bypass policies, create roles or databases, or replicate": """
            SELECT rolname FROM pg_roles WHERE rolname = %(owner)s
               AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)""",
        "it owns": """
            SELECT 'database ' || datname FROM pg_database
             WHERE datname = current_database() AND pg_has_role(%(owner)s, datdba, 'MEMBER')
            UNION ALL
            SELECT 'schema ' || nspname FROM pg_namespace
             WHERE nspname !~ '^pg_' AND pg_has_role(%(owner)s, nspowner, 'MEMBER')""",
        "it acts, without saying so, as": """
            SELECT rolname FROM pg_roles WHERE rolname IN (%(audit)s, 'c360_search')
               AND pg_has_role(%(owner)s, oid, 'USAGE')""",
        "it may change": """
            SELECT t FROM unnest(%(append_only)s::text[]) t
             WHERE has_table_privilege(%(owner)s, t, 'UPDATE, DELETE, TRUNCATE, TRIGGER')""",
    }
    parameters = {"owner": OWNER_ROLE, "audit": AUDIT_ROLE, "append_only": list(APPEND_ONLY)}
    return [
        f"{OWNER_ROLE}: {error} {name}"
        for error, query in questions.items()
        for (name,) in connection.execute(query, parameters).fetchall()
    ]


def find_powers_of_the_application(connection: psycopg.Connection[Any]) -> list[str]:
    """The application's role owns nothing, bypasses nothing, belongs to no one, makes nothing, and cannot touch what
    was written for good.
    """
    questions = {
        "it is a superuser, or may bypass policies, create roles or databases, or replicate": """
            SELECT rolname FROM pg_roles WHERE rolname = %(app)s
               AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)""",
        "it is a member of": """
            SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = %(app)s::regrole""",
        "it owns": """
            SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
             WHERE refobjid = %(app)s::regrole AND deptype = 'o'
               AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))""",
        "it may create in schema": """
            SELECT nspname::text FROM pg_namespace WHERE has_schema_privilege(%(app)s, oid, 'CREATE')""",
        "it may create schemas or temporary tables in": """
            SELECT datname::text FROM pg_database WHERE datname = current_database()
               AND (has_database_privilege(%(app)s, oid, 'CREATE') OR has_database_privilege(%(app)s, oid, 'TEMP'))""",
        "it may change": """
            SELECT t FROM unnest(%(append_only)s::text[]) t
             WHERE has_table_privilege(%(app)s, t, 'UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES, MAINTAIN')
                OR has_any_column_privilege(%(app)s, t, 'UPDATE, REFERENCES')""",
        "it may empty": """
            SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p')
               AND c.relnamespace = 'public'::regnamespace
               AND has_table_privilege(%(app)s, c.oid, 'TRUNCATE, TRIGGER')""",
        "it may set the sequence": """
            SELECT seqrelid::regclass::text FROM pg_sequence
             WHERE has_sequence_privilege(%(app)s, seqrelid, 'UPDATE, SELECT')""",
    }
    errors = []
    for error, query in questions.items():
        with connection.cursor() as cursor:
            cursor.execute(query, {"app": APP_ROLE, "append_only": list(APPEND_ONLY)})
            errors += [f"{APP_ROLE}: {error} {name}" for (name,) in cursor.fetchall()]
    return errors
