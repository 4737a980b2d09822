"""Up to which seal the rows of a sandbox have left."""

from django.db import migrations, models

from storage.rls import AUDIT_ROLE

# The table belongs to the role that no one logs in as.
ADD = [
    f"SET ROLE {AUDIT_ROLE}",
    "ALTER TABLE audit_departure ADD COLUMN seals_to integer",
    "RESET ROLE",
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_refused_attempts_kept")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(ADD)],
            state_operations=[
                migrations.AddField(
                    model_name="departure",
                    name="seals_to",
                    field=models.IntegerField(
                        help_text="Of a sandbox that was emptied: the last seal before.", null=True
                    ),
                ),
            ],
        ),
    ]
