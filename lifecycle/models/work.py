"""What people write down about a customer: notes with their earlier versions, and tasks."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class Note(models.Model):
    """What someone wrote about a customer. ``text`` is encrypted under the customer's data key.

    A deleted note keeps who wrote it and who deleted it, and loses every text. ``mentions`` are the ids of those whom
    the text names.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    text = models.BinaryField(null=True)
    mentions = models.JSONField(default=list)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Rises with each edit.")
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    deleted_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "customer_id", "-id"], name="note_of_customer"),
            # Of each customer the latest note first: health asks when it was.
            models.Index(
                fields=["tenant_id", "customer_id", "-created_at"],
                name="note_latest_of_customer",
                condition=Q(deleted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"note on {self.customer_id}"


class NoteVersion(models.Model):
    """What a note said before it was edited, encrypted like the note."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    note_id = models.UUIDField()
    number = models.PositiveIntegerField()
    text = models.BinaryField()
    written_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "note_id", "number"], name="note_version_once")]

    def __str__(self) -> str:
        return f"version {self.number} of {self.note_id}"


class Task(models.Model):
    """Something to be done about a customer. ``title`` is encrypted under the customer's data key.

    ``due_key`` is what tasks are sorted by: ``due_on``, or the last day there is.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    title = models.BinaryField()
    due_on = models.DateField(null=True)
    due_key = models.DateField()
    assignee_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    done_at = models.DateTimeField(null=True)
    done_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Rises with each change.")

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "customer_id", "-id"], name="task_of_customer"),
            models.Index(
                fields=["tenant_id", "customer_id", "due_key", "id"],
                name="task_open_of_customer",
                condition=Q(done_at__isnull=True),
            ),
            models.Index(
                fields=["tenant_id", "assignee_id", "due_key", "id"],
                name="task_open_of_assignee",
                condition=Q(done_at__isnull=True),
            ),
            models.Index(
                fields=["tenant_id", "assignee_id", "-done_at", "-id"],
                name="task_done_of_assignee",
                condition=Q(done_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"task for {self.customer_id}"
