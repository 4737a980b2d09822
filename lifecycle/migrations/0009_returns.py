"""A return names the stage that its customers were taken out of: two stages may have been emptied into one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0008_readable_values")]

    operations = [
        migrations.AddField(
            model_name="stagemove",
            name="undo_from_stage",
            field=models.CharField(blank=True, db_default="", help_text="As it was called then.", max_length=100),
        ),
    ]
