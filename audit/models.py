"""What happened, in tables that only grow: history, outbox, refused attempts; and the keys that make erasure possible.

Ids of tenants and customers are plain UUIDs here, not foreign keys: the floor knows no other app, and an audit
row outlives what it speaks of.
"""

import uuid_utils.compat
from django.db import models
from django.db.models import Q

from storage.periods import period_field


class LifecycleHistory(models.Model):
    """One transition of one customer [DM-2]. Immutable: the database refuses UPDATE, DELETE and TRUNCATE.

    ``hash`` is the SHA-256 of the row's canonical bytes, which contain ``previous_hash``, the hash of the
    customer's row before it (empty bytes for the first). See ``audit.services.chain``.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    sequence = models.PositiveIntegerField(help_text="1 for the customer's first row, then one more each: no gaps.")
    from_stage = models.CharField(max_length=100, null=True)  # noqa: DJ001  NULL: there was no stage before
    to_stage = models.CharField(max_length=100)
    changed_at = models.DateTimeField(help_text="When the stage was set, by the clock that applied it.")
    effective_at = models.DateTimeField(help_text="When it became true in the business; an event brings its own time.")
    recorded_at = models.DateTimeField(help_text="The database's clock when the row was written.")
    changed_by = models.CharField(max_length=150)
    on_behalf_of = models.CharField(max_length=150, blank=True, default="")
    actor_kind = models.CharField(max_length=10)
    source = models.CharField(max_length=30)
    reason_code = models.CharField(max_length=255, blank=True, default="")
    request_id = models.UUIDField(null=True)
    event_id = models.CharField(max_length=255, blank=True, default="")
    configuration_version = models.PositiveIntegerField()
    note = models.BinaryField(null=True, help_text="Encrypted under the customer's data key.")
    previous_hash = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        db_table = "customer_lifecycle_history"
        verbose_name = "lifecycle history row"
        verbose_name_plural = "lifecycle history"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "customer_id", "sequence"], name="history_unbroken_sequence"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="history_sequence_from_one"),
            models.CheckConstraint(
                condition=Q(sequence=1, from_stage__isnull=True) | Q(sequence__gt=1, from_stage__isnull=False),
                name="history_first_row_has_no_stage_before",
            ),
        ]
        # An undo finds those whom one request moved.
        indexes = [models.Index(fields=["tenant_id", "request_id"], name="history_of_request")]

    def __str__(self) -> str:
        return f"{self.customer_id} #{self.sequence}: {self.from_stage} -> {self.to_stage}"


class OutboxMessage(models.Model):
    """A message that the committed transaction promised to Kafka; the relay keeps the promise.

    A lifecycle change only points at its history row; other messages carry their bytes. ``dead_letter_id`` is the
    dead letter of which this is a copy: it goes with the dead letter's bytes when a customer is erased.
    """

    id = models.BigAutoField(primary_key=True)
    tenant_id = models.UUIDField(null=True)
    topic = models.CharField(max_length=100)
    key = models.BinaryField(null=True)
    history_id = models.UUIDField(null=True)
    dead_letter_id = models.UUIDField(null=True)
    payload = models.BinaryField(null=True)
    headers = models.JSONField(null=True, help_text="List of [name, base64 value] pairs.")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    period = period_field()

    class Meta:
        db_table = "audit_outbox"
        indexes = [
            # The pending part stays small however many published rows are kept; a topic that is stopped is passed over.
            models.Index(
                fields=["topic", "id"], name="outbox_pending_of_topic", condition=Q(published_at__isnull=True)
            ),
            models.Index(
                fields=["dead_letter_id"], name="outbox_of_dead_letter", condition=Q(dead_letter_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"


class DataKey(models.Model):
    """The data key of one person-bearing subject (a customer), wrapped by a master key.

    Deleting this one small row erases every personal value of the customer while all hashes still verify.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    subject_id = models.UUIDField()
    wrapped = models.BinaryField()
    master_key_id = models.PositiveIntegerField()

    class Meta:
        db_table = "audit_data_key"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "subject_id"], name="data_key_one_per_subject"),
        ]

    def __str__(self) -> str:
        return f"data key of {self.subject_id}"


class RefusedAttempt(models.Model):
    """A lifecycle change that was refused: who wanted what, where, and which rule said no. Kept 90 days.

    ``more``: further attempts of the same actor in the same minute, which are counted and not kept.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField(null=True)
    attempted_at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10)
    source = models.CharField(max_length=30)
    from_stage = models.CharField(max_length=100, blank=True, default="")
    to_stage = models.CharField(max_length=100, blank=True, default="")
    code = models.CharField(max_length=50)
    detail = models.CharField(max_length=500, blank=True, default="")
    request_id = models.UUIDField(null=True)
    more = models.PositiveIntegerField(default=0, db_default=0)
    period = period_field()

    class Meta:
        db_table = "audit_refused_attempt"
        indexes = [models.Index(fields=["tenant_id", "attempted_at"], name="refused_by_tenant_and_time")]

    def __str__(self) -> str:
        return f"{self.code} by {self.actor}"


class AdministrationEntry(models.Model):
    """Who changed what about a tenant itself, and why: configuration, people, keys, erasures, discarded messages.

    Append-only like the history. ``detail`` holds facts without personal data. ``tenant_id`` is NULL for what concerns
    a super admin; only super admins read that.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    actor_kind = models.CharField(max_length=10)
    action = models.CharField(max_length=60, help_text="verb_noun, for example publish_configuration.")
    subject = models.CharField(max_length=255, blank=True, default="", help_text="What was acted upon, by its id.")
    reason = models.CharField(max_length=500, blank=True, default="")
    detail = models.JSONField(default=dict)
    request_id = models.UUIDField(null=True)

    class Meta:
        db_table = "audit_administration"
        verbose_name = "administration entry"
        verbose_name_plural = "administration log"
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="administration_by_tenant"),
            # What was done to one: each reading of a customer's contacts asks for it.
            models.Index(fields=["tenant_id", "subject", "id"], name="administration_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class FormerName(models.Model):
    """What a customer or a user of a tenant was called until a moment. Not part of the record, which holds ids only:
    erasing someone deletes their rows, and every hash still verifies.

    The database writes it when a name changes, whichever way it is changed (triggers of lifecycle_customer and
    tenants_user).
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    subject_id = models.UUIDField()
    name = models.CharField(max_length=200)
    until = models.DateTimeField(help_text="The database's clock when the name was replaced.")

    class Meta:
        db_table = "audit_former_name"
        indexes = [models.Index(fields=["tenant_id", "subject_id", "until"], name="former_name_of_subject")]

    def __str__(self) -> str:
        return f"former name of {self.subject_id}"


class AuditSeal(models.Model):
    """A signature over history rows that no one can rewrite any more without being seen. Append-only.

    ``root`` is the Merkle root of the rows' hashes, ``previous`` the SHA-256 of the tenant's seal before (empty for the
    first), ``signature`` Ed25519 over the seal's canonical bytes. See ``audit.services.seals``.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    number = models.PositiveIntegerField(help_text="1 for the tenant's first seal, then one more each: no gaps.")
    sealed_at = models.DateTimeField()
    leaves = models.PositiveIntegerField()
    root = models.BinaryField()
    previous = models.BinaryField()
    key_id = models.CharField(max_length=16, help_text="First half of the public key's SHA-256, in hex.")
    signature = models.BinaryField()
    complete_to = models.DateTimeField(
        help_text="Every row begun before this moment is covered by this or an earlier seal."
    )

    class Meta:
        db_table = "audit_seal"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "number"], name="seal_unbroken_numbers"),
            models.CheckConstraint(condition=Q(leaves__gte=1), name="seal_covers_something"),
        ]

    def __str__(self) -> str:
        return f"seal {self.number} of {self.tenant_id}"


class SealedRow(models.Model):
    """That a history row is a leaf of a seal, at which position and with which hash. Append-only.

    A row that commits late is simply not here yet and comes into the next seal.
    """

    history_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    seal_number = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    hash = models.BinaryField()

    class Meta:
        db_table = "audit_sealed_row"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "seal_number", "position"], name="sealed_row_once_per_position"
            ),
        ]

    def __str__(self) -> str:
        return f"leaf {self.position} of seal {self.seal_number}"


class FeedEntry(models.Model):
    """The place of a history row in the feed of its tenant. See ``audit.services.feed``."""

    history_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField()
    position = models.BigIntegerField(help_text="1 for the tenant's first row, then one more each: no gaps.")

    class Meta:
        db_table = "audit_feed"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "position"], name="feed_unbroken_positions"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.history_id}"


class FeedState(models.Model):
    """How far a tenant's history has been looked through for rows that have no place in its feed."""

    tenant_id = models.UUIDField(primary_key=True)
    complete_to = models.UUIDField(help_text="Every row with a lower id that was ever committed has its place.")
    searched_at = models.DateTimeField(null=True, help_text="The last look at all rows above; NULL: it is not over.")

    class Meta:
        db_table = "audit_feed_state"

    def __str__(self) -> str:
        return f"feed of {self.tenant_id}"


class Departure(models.Model):
    """That a tenant's rows may leave this server, final ones too: a copy elsewhere was found to be the same.

    For a tenant that moves the database lets rows of the history be deleted only here and only then, and until
    ``deleted_at`` says that they are. Written by ``move_tenant`` as the administrator, and by ``empty_sandbox_record``
    (below); no role of the product may itself. Entries are kept.

    A sandbox is emptied where it is, by ``empty_sandbox_record``: ``seals_to`` is the number of the last seal (0: none)
    whose rows left then. The seals themselves stay, and the next one carries the digest of the last.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    slug = models.CharField(max_length=63)
    to_server = models.CharField(max_length=31, help_text="Where the rows are. Empty: a copy that was given up.")
    compared = models.JSONField(default=dict, help_text="Table by table: how many rows, and their digest.")
    decided_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)
    seals_to = models.IntegerField(null=True, help_text="Of a sandbox that was emptied: the last seal before.")

    class Meta:
        db_table = "audit_departure"

    def __str__(self) -> str:
        return f"{self.slug} to {self.to_server}"
