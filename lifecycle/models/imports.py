"""Files that a tenant admin uploads to import customers, until they are imported or a day is over."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class ImportUpload(models.Model):
    """One uploaded file, how far it is, and what became of its lines. What it says is in ``ImportPart``."""

    class State(models.TextChoices):
        """What happens to it now, or has to be decided."""

        READING = "reading", "Being read"
        REFUSED = "refused", "Cannot be read"
        READY = "ready", "Ready"
        CHECKING = "checking", "Dry run"
        IMPORTING = "importing", "Being imported"
        DONE = "done", "Imported"

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    name = models.CharField("file", max_length=255)
    size = models.PositiveIntegerField(help_text="Bytes.")
    kind = models.CharField(max_length=10, help_text="csv or ndjson.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.READING)
    revision = models.PositiveIntegerField(default=1, help_text="Counts what people decide about it.")
    as_of = models.DateTimeField(null=True, help_text="When it was exported, if that was said.")
    line = models.PositiveIntegerField(default=0, help_text="Where the last record began that was dealt with.")
    position = models.PositiveIntegerField(default=0, help_text="Bytes that were dealt with.")
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    ran = models.CharField(
        max_length=10,
        choices=State.choices,
        blank=True,
        default="",
        db_default="",
        help_text="What the counts are of: its state.",
    )
    ran_revision = models.PositiveIntegerField(
        null=True, help_text="The revision as which that is so: processes of former releases say neither."
    )
    checked_revision = models.PositiveIntegerField(null=True, help_text="The revision that a dry run has judged.")
    created_at = models.DateTimeField("uploaded")
    created_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(null=True)
    started_by = models.CharField(max_length=150, blank=True, default="")
    started_by_kind = models.CharField(max_length=10, blank=True, default="")
    finished_at = models.DateTimeField(null=True)
    worker = models.UUIDField(null=True, help_text="The process that works on it.")
    leased_until = models.DateTimeField(null=True, help_text="Until when no other process takes it over.")

    class Meta:
        verbose_name = "import"
        indexes = [
            models.Index(
                fields=["tenant_id"],
                name="upload_unfinished",
                # Not "in": PostgreSQL writes that another way after a restore, and a backup could not be compared.
                condition=Q(state="reading") | Q(state="checking") | Q(state="importing"),
            ),
            models.Index(fields=["created_at"], name="upload_by_age"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def last_run(self) -> str:
        """What the counts are of: checking, importing; empty: of nothing, or of what a former release has begun."""
        return self.ran if self.ran_revision == self.revision else ""

    @property
    def is_checked(self) -> bool:
        """Whether a dry run has judged the whole file with the columns at hand."""
        return self.checked_revision == self.revision

    @property
    def is_stopped(self) -> bool:
        """Whether a dry run or an import ended before the end of the file; the counts are of its lines before that."""
        has_counts = bool(self.line or self.created or self.changed or self.unchanged or self.rejected)
        is_idle = self.state in (self.State.READY, self.State.REFUSED)
        return is_idle and bool(self.last_run) and has_counts and not self.is_checked

    @property
    def can_go_on(self) -> bool:
        """Whether an import that was stopped can go on behind the line that it has come to, as far as the row says:
        ``uploads.can_go_on`` knows also why it was stopped.
        """
        is_import = self.state == self.State.READY and self.last_run == self.State.IMPORTING
        return is_import and bool(self.line) and self.finished_at is not None and not self.is_checked

    @property
    def is_active(self) -> bool:
        """Whether a process works on it, or is to."""
        return self.state in (self.State.READING, self.State.CHECKING, self.State.IMPORTING)


class ImportPart(models.Model):
    """A piece of an upload, encrypted (``audit.services.message_encryption``): it names people."""

    class Kind(models.TextChoices):
        """The file itself, what was found out about it, and the lines that were rejected."""

        FILE = "file"
        FACTS = "facts"
        REJECTS = "rejects"

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    upload_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    number = models.PositiveIntegerField(help_text="In the order of numbers; the file's begin with 0 and have no gap.")
    value = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "upload_id", "kind", "number"], name="import_part_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"
