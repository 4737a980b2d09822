"""The address of a customer's website."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0006_text_defaults")]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="website",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
    ]
