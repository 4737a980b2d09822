"""Seals, append-only and out of everybody's reach like the history they cover."""

import uuid_utils.compat
from django.db import migrations, models

from storage.rls import AUDIT_ROLE, CompositeForeignKey, ProtectTenantTable

APPEND_ONLY = [
    statement
    for table, name in (("audit_seal", "seals"), ("audit_sealed_row", "sealed_rows"))
    for statement in (
        f"CREATE TRIGGER {name}_are_final BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
        f"CREATE TRIGGER {name}_are_never_emptied BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_are_final",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}_are_never_emptied",
    )
] + [f"ALTER TABLE {table} OWNER TO {AUDIT_ROLE}" for table in ("audit_sealed_row", "audit_seal")]


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_protection")]

    operations = [
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="1 for the tenant's first seal, then one more each: no gaps."
                    ),
                ),
                ("sealed_at", models.DateTimeField()),
                ("leaves", models.PositiveIntegerField()),
                ("root", models.BinaryField()),
                ("previous", models.BinaryField()),
                (
                    "key_id",
                    models.CharField(help_text="First half of the public key's SHA-256, in hex.", max_length=16),
                ),
                ("signature", models.BinaryField()),
                (
                    "complete_to",
                    models.DateTimeField(
                        help_text="Every row begun before this moment is covered by this or an earlier seal."
                    ),
                ),
            ],
            options={
                "db_table": "audit_seal",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "number"), name="seal_unbroken_numbers"),
                    models.CheckConstraint(condition=models.Q(("leaves__gte", 1)), name="seal_covers_something"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SealedRow",
            fields=[
                ("history_id", models.UUIDField(primary_key=True, serialize=False)),
                ("tenant_id", models.UUIDField()),
                ("seal_number", models.PositiveIntegerField()),
                ("position", models.PositiveIntegerField()),
                ("hash", models.BinaryField()),
            ],
            options={
                "db_table": "audit_sealed_row",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant_id", "seal_number", "position"), name="sealed_row_once_per_position"
                    ),
                ],
            },
        ),
        ProtectTenantTable("audit_seal", app_may="SELECT, INSERT"),
        ProtectTenantTable("audit_sealed_row", app_may="SELECT, INSERT"),
        CompositeForeignKey("audit_sealed_row", ("tenant_id", "seal_number"), "audit_seal", ("tenant_id", "number")),
        migrations.RunSQL(APPEND_ONLY, migrations.RunSQL.noop),
    ]
