"""Names are sorted and searched by keys without case and accents; amounts keep the decimals of their currency."""

from typing import Any

from django.db import migrations, models

import lifecycle.models.customers
from storage.rls import APP_ROLE, CURRENT_TENANT, SEARCH_ROLE
from tenants.rules.texts import fold_text
from tenants.rules.values import sort_key

CHUNK = 5000
FILL = """
UPDATE lifecycle_customer c SET name_key = i.name_key, owner_key = i.owner_key
  FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS i(id, name_key, owner_key) WHERE c.id = i.id
"""

# As before (0005_list_forms), with the key of the text beside it: the database folds no accents.
SEARCH = [
    f"SET LOCAL ROLE {SEARCH_ROLE}",
    "DROP FUNCTION search_customers(text, integer)",
    "SET LOCAL ROLE NONE",
    "DROP INDEX customer_name_trigrams",
    "DROP INDEX customer_name_prefix",
    "CREATE INDEX customer_name_trigrams ON lifecycle_customer USING gin (tenant_id, name_key gin_trgm_ops)",
    "CREATE INDEX customer_name_prefix ON lifecycle_customer (tenant_id, name_key text_pattern_ops)",
    f"GRANT SELECT (name_key) ON lifecycle_customer TO {SEARCH_ROLE}",
    f"REVOKE SELECT (name) ON lifecycle_customer FROM {SEARCH_ROLE}",
    rf"""
    CREATE FUNCTION search_customers(wanted text, wanted_key text DEFAULT NULL, most integer DEFAULT NULL)
    RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan ROWS 200 AS $$
    DECLARE
        tenant uuid := {CURRENT_TENANT};
        literal text := regexp_replace(lower(btrim(wanted)), '([\\%_])', '\\\1', 'g');
        literal_key text := regexp_replace(COALESCE(wanted_key, lower(btrim(wanted))), '([\\%_])', '\\\1', 'g');
    BEGIN
        IF tenant IS NULL OR literal = '' THEN
            RETURN;
        ELSIF char_length(literal_key) < 3 THEN
            RETURN QUERY
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND name_key LIKE literal_key || '%' LIMIT most)
                UNION
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND lower(external_id) LIKE literal || '%' LIMIT most);
        ELSE
            RETURN QUERY
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND name_key LIKE '%' || literal_key || '%' LIMIT most)
                UNION
                (SELECT id FROM lifecycle_customer
                  WHERE tenant_id = tenant AND lower(external_id) LIKE literal || '%' LIMIT most);
        END IF;
    END $$
    """,
    "REVOKE ALL ON FUNCTION search_customers(text, text, integer) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION search_customers(text, text, integer) TO {APP_ROLE}",
    # Last: what belongs to another role can no longer be revoked, and PostgreSQL only warns.
    f"ALTER FUNCTION search_customers(text, text, integer) OWNER TO {SEARCH_ROLE}",
]


def fill_keys(_: Any, schema_editor: Any) -> None:
    """Give the customers that exist their keys. Row-level security binds the owner as well: lifted for the moment."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("ALTER TABLE lifecycle_customer DISABLE ROW LEVEL SECURITY")
        cursor.execute("SELECT id, name, owner FROM lifecycle_customer")
        rows = cursor.fetchall()
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            cursor.execute(
                FILL,
                [
                    [row[0] for row in chunk],
                    [sort_key(row[1]) for row in chunk],
                    [fold_text(row[2]) for row in chunk],
                ],
            )
        cursor.execute("ALTER TABLE lifecycle_customer ENABLE ROW LEVEL SECURITY")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _amount(name: str) -> list[Any]:
    return [
        migrations.AlterField("billingfigures", name, lifecycle.models.customers.AmountField()),
        migrations.AddConstraint(
            "billingfigures",
            models.CheckConstraint(
                condition=models.Q(**{f"{name}__gt": -(10**12), f"{name}__lt": 10**12})
                | models.Q(**{f"{name}__isnull": True}),
                name=f"billing_{name}_in_range",
                violation_error_message="Amounts are below 1,000,000,000,000.",
            ),
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0007_forgetting")]

    operations = [
        migrations.AddField("customer", "name_key", models.TextField(default="", db_default="", editable=False)),
        migrations.AddField(
            "customer", "owner_key", models.TextField(blank=True, default="", db_default="", editable=False)
        ),
        migrations.RunPython(fill_keys, migrations.RunPython.noop),
        migrations.RemoveIndex("customer", "customer_by_name"),
        migrations.RemoveIndex("customer", "customer_by_owner"),
        migrations.AddIndex("customer", models.Index(fields=["tenant", "name_key", "id"], name="customer_by_name")),
        migrations.AddIndex("customer", models.Index(fields=["tenant", "owner_key"], name="customer_by_owner")),
        *_amount("arr"),
        *_amount("mrr"),
        *_amount("balance_overdue"),
        migrations.RunSQL(SEARCH, migrations.RunSQL.noop),
    ]
