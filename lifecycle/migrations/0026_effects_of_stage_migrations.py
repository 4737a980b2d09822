"""Those who publish a configuration may ask for what its moves start."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0025_forecasts")]

    operations = [
        migrations.AddField(
            model_name="stagemigration",
            name="starts_effects",
            field=models.BooleanField(default=False, db_default=False, help_text="Who published has asked for it."),
        ),
    ]
