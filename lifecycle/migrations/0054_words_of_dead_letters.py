"""What is wrong with a failed event, to be said in the language of who reads it, and what an upload's counts are of."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0053_open_tasks_before")]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="message",
            field=models.JSONField(
                help_text="The name of the sentence, its parameters, and the code that it is of.", null=True
            ),
        ),
        migrations.AddField(
            model_name="importupload",
            name="ran",
            field=models.CharField(
                blank=True,
                choices=[
                    ("reading", "Being read"),
                    ("refused", "Cannot be read"),
                    ("ready", "Ready"),
                    ("checking", "Dry run"),
                    ("importing", "Being imported"),
                    ("done", "Imported"),
                ],
                db_default="",
                default="",
                help_text="What the counts are of: its state.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="importupload",
            name="ran_revision",
            field=models.PositiveIntegerField(
                help_text="The revision as which that is so: processes of former releases say neither.", null=True
            ),
        ),
    ]
