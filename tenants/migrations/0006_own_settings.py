"""The language and the time zone that people choose for themselves."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_effects_budget")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Empty: what the browser asks for.", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", default="", help_text="Empty: UTC.", max_length=64),
        ),
    ]
