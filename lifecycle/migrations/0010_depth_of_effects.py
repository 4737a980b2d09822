"""How many changes of event rules led to an effect, so that those who answer it with an event can say so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0009_alerts"),
    ]

    operations = [
        migrations.AddField(
            model_name="effectrun",
            name="depth",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="Changes of event rules before it."
            ),
        ),
    ]
