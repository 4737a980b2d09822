"""Pending messages by topic: one that is stopped is passed over."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0003_seals")]

    operations = [
        AddIndexConcurrently(
            model_name="outboxmessage",
            index=models.Index(
                fields=["topic", "id"],
                name="outbox_pending_of_topic",
                condition=models.Q(published_at__isnull=True),
            ),
        ),
        RemoveIndexConcurrently(model_name="outboxmessage", name="outbox_pending"),
    ]
