"""When messages reached a customer, after the record of effects was forgotten: what Insight says of the past stays."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0042_stays_of_customer")]

    operations = [
        migrations.AddField(
            model_name="insightstate",
            name="reached",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(), db_default=[], default=list, size=None
            ),
        ),
    ]
