"""How many effects a bulk change may start unasked, and who may change stages without starting any."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_former_names")]

    operations = [
        migrations.AlterModelOptions(
            name="tenant",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("view_lifecycle", "Can see customers, their stages and summaries"),
                    ("update_lifecycle", "Can move customers to another stage"),
                    ("view_history", "Can see who moved a customer, when and why"),
                    ("configure_stages", "Can change the lifecycle configuration"),
                    ("mute_effects", "Can change stages without starting effects"),
                ],
            },
        ),
        migrations.AddField(
            model_name="tenant",
            name="effects_budget",
            field=models.PositiveIntegerField(
                db_default=50,
                default=50,
                help_text="A bulk change that would start more has to confirm their number. 0: every one has to.",
                validators=[django.core.validators.MaxValueValidator(100000)],
                verbose_name="effects a bulk change starts unasked",
            ),
        ),
    ]
