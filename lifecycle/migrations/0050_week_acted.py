"""Whether anyone acted in the first week of a customer at risk, and when the first episode began that is not kept.

The job fills both: it makes again what a former release has kept, which is looked up until then.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0049_index_of_the_former_search")]

    operations = [
        migrations.AddField(
            model_name="riskepisode",
            name="week_acted",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(model_name="insightstate", name="loose_from", field=models.DateTimeField(null=True)),
    ]
