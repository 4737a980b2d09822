"""What a database holds, in a form that two can be compared in: everything the catalogue says of it, and its rows."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

Fingerprint = dict[str, str]

# Objects of our own: what belongs to the server or to an extension comes with those.
_OURS: Final = """
WITH ours AS (
    SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
)
"""
_RIGHTS: Final = "ARRAY(SELECT unnest(COALESCE({acl}, acldefault('{kind}', {owner})))::text ORDER BY 1)"
# Each query gives the name of an object and what is said of it.
CATALOGUE: Final[dict[str, str]] = {
    "table": f"""{_OURS}
        SELECT oid::regclass::text, concat_ws(' ', relkind, pg_get_userbyid(relowner), relrowsecurity,
               relforcerowsecurity, reloptions, {_RIGHTS.format(acl="relacl", kind="r", owner="relowner")}) FROM ours
         WHERE relkind IN ('r', 'p', 'v', 'm', 'S')""",
    "column": f"""{_OURS}
        SELECT concat(ours.oid::regclass, '.', attname), concat_ws(' ',
               row_number() OVER (PARTITION BY ours.oid ORDER BY attnum), format_type(atttypid, atttypmod),
               attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid), attacl, attstorage, attstattarget)
          FROM ours JOIN pg_attribute a ON attrelid = ours.oid
          LEFT JOIN pg_attrdef ON adrelid = ours.oid AND adnum = attnum
         WHERE relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 AND NOT attisdropped""",
    "constraint": """
        SELECT concat(conrelid::regclass, '.', conname), concat_ws(' ', pg_get_constraintdef(con.oid), convalidated,
               conenforced) FROM pg_constraint con JOIN pg_namespace n ON n.oid = connamespace
         WHERE nspname = 'public'""",
    "index": f"""{_OURS}
        SELECT oid::regclass::text, concat_ws(' ', pg_get_indexdef(oid), indisvalid, indisclustered, indisreplident)
          FROM ours JOIN pg_index ON indexrelid = oid""",
    "trigger": f"""{_OURS}
        SELECT concat(ours.oid::regclass, '.', tgname), concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
          FROM ours JOIN pg_trigger t ON tgrelid = ours.oid WHERE NOT tgisinternal""",
    "policy": f"""{_OURS}
        SELECT concat(ours.oid::regclass, '.', polname), concat_ws(' ', polcmd, polpermissive, polroles::regrole[],
               pg_get_expr(polqual, polrelid), '/', pg_get_expr(polwithcheck, polrelid))
          FROM ours JOIN pg_policy ON polrelid = ours.oid""",
    "function": f"""
        SELECT p.oid::regprocedure::text, concat_ws(' ', pg_get_userbyid(proowner), pg_get_functiondef(p.oid),
               {_RIGHTS.format(acl="proacl", kind="f", owner="proowner")})
          FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'public'
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""",
    "sequence": """
        SELECT concat(schemaname, '.', sequencename), concat_ws(' ', start_value, increment_by, last_value)
          FROM pg_sequences""",
    "schema": f"""
        SELECT nspname, concat_ws(' ', pg_get_userbyid(nspowner),
               {_RIGHTS.format(acl="nspacl", kind="n", owner="nspowner")})
          FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'""",
    "default rights": """
        SELECT concat_ws(' ', pg_get_userbyid(defaclrole), defaclobjtype), defaclacl::text FROM pg_default_acl""",
    "extension": "SELECT extname, extversion FROM pg_extension",
    "event trigger": """
        SELECT evtname, concat_ws(' ', evtevent, evtfoid::regproc, evtenabled, evttags) FROM pg_event_trigger""",
    "role": """
        SELECT rolname, concat_ws(' ', rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls,
               rolconfig, ARRAY(SELECT concat_ws(' ', roleid::regrole, inherit_option, set_option, admin_option)
                                  FROM pg_auth_members WHERE member = pg_roles.oid ORDER BY 1))
          FROM pg_roles WHERE rolname ~ '^c360'""",
    "database": f"""
        SELECT 'database', concat_ws(' ', pg_get_userbyid(datdba), datcollate, datctype, datlocprovider, datlocale,
               {_RIGHTS.format(acl="datacl", kind="d", owner="datdba")})
          FROM pg_database WHERE datname = current_database()""",
}


def take_fingerprint(url: str) -> Fingerprint:
    """Every object of the database, and of every table the number of its rows and a digest over them all.

    ``url`` is a superuser's. Reads one state of the database.
    """
    import psycopg  # only here: the other verbs, ``clean`` above all, work without anything installed

    found: Fingerprint = {}
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for kind, query in CATALOGUE.items():
            for name, said in connection.execute(query).fetchall():
                found[f"{kind} {name}"] = said
        tables = connection.execute(
            "SELECT oid::regclass::text, relname FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for name, relname in tables:
            found[f"rows of {name}"] = _digest(connection, relname)
    return found


def _digest(connection: "psycopg.Connection[Any]", table: str) -> str:
    from psycopg import sql

    query = sql.SQL("SELECT count(*), COALESCE(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {} t")
    row = connection.execute(query.format(sql.Identifier("public", table))).fetchone()
    assert row is not None
    return f"{row[0]} with digest {row[1]}"


def find_differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """What differs, a line each; empty when the two databases hold the same."""
    return [
        f"{name}: {before.get(name, 'missing')} before, {after.get(name, 'missing')} after"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def count_rows(fingerprint: Fingerprint) -> int:
    """How many rows there are in all tables."""
    return sum(int(said.split()[0]) for name, said in fingerprint.items() if name.startswith("rows of "))
