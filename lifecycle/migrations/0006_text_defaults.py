"""Texts of a customer have their default in the database: a release that does not know a new one goes on writing rows."""

from django.db import migrations, models

_TEXTS = {
    "customer": {"industry": 100, "segment": 100},
    "billingfigures": {"currency": 3, "contract_id": 150},
    "supportfigures": {"last_issue_id": 150, "last_issue_severity": 30},
}


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0005_versions_of_copies")]

    operations = [
        migrations.AlterField(
            model_name=model,
            name=name,
            field=models.CharField(blank=True, db_default="", default="", max_length=longest),
        )
        for model, columns in _TEXTS.items()
        for name, longest in columns.items()
    ]
