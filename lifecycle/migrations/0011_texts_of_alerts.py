"""What an alert says, where its effect has texts of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("lifecycle", "0010_depth_of_effects"),
    ]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="subject",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="The effect's own.", max_length=255
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="body",
            field=models.TextField(blank=True, db_default="", default="", help_text="The effect's own."),
        ),
    ]
