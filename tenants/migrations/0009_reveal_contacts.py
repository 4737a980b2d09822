"""Seeing how to reach the people at a customer is a right of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0008_teams")]

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
                    ("reveal_contacts", "Can see how to reach the people at a customer"),
                ],
            },
        ),
    ]
