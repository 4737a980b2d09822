"""People work in teams."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_provider_login")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="team",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="People of the same team see each other's work.",
                max_length=100,
            ),
        ),
    ]
