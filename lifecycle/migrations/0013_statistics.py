"""A bulk load ends with ANALYZE, which the application may run on the tables of customers only with MAINTAIN."""

from django.db import migrations

from storage.rls import APP_ROLE

TABLES = (
    "lifecycle_customer, customer_lifecycle_status, lifecycle_billingfigures, lifecycle_supportfigures,"
    " lifecycle_contact"
)


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0012_revenue_by_currency")]

    operations = [
        migrations.RunSQL(
            f"GRANT MAINTAIN ON {TABLES} TO {APP_ROLE}",
            f"REVOKE MAINTAIN ON {TABLES} FROM {APP_ROLE}",
        )
    ]
