"""What stage changes start: one row an effect and recipient, the lanes they run in, and what people see of them."""

from typing import Final

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class EffectLane(models.Model):
    """What a tenant's effects pass through one after the other: its mail, its alerts, its events, or one endpoint.

    Lanes share the workers fairly: the one that was served longest ago comes first, and no lane has more in flight than
    ``max_in_flight``. ``is_ill``: its last delivery failed, so it may only try one at a time.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    name = models.CharField(max_length=100, help_text="A kind of effect, or endpoint: and the endpoint's name.")
    max_in_flight = models.PositiveSmallIntegerField(default=8, db_default=8)
    served_at = models.DateTimeField()
    is_ill = models.BooleanField(default=False, db_default=False)
    paused_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True, help_text="Switched off by itself: gone, or failing for days.")
    disabled_reason = models.CharField(max_length=255, blank=True, default="", db_default="")
    failing_since = models.DateTimeField(null=True, help_text="The first failure since the last success.")
    failed_again_at = models.DateTimeField(null=True, help_text="The first failure 12 hours or more after that.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "name"], name="effect_lane_once")]

    def __str__(self) -> str:
        return self.name


class WebhookEndpoint(models.Model):
    """Where a tenant's webhooks go. Its lane has the same id."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    name = models.CharField(max_length=80)
    url = models.CharField(max_length=500)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "name"], name="webhook_endpoint_named_once")]

    def __str__(self) -> str:
        return self.name


class WebhookSecret(models.Model):
    """What signs the messages to an endpoint, encrypted. While one is replaced there are two."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    endpoint_id = models.UUIDField()
    value = models.BinaryField()
    until = models.DateTimeField(null=True, help_text="When it ends, if it was replaced.")

    class Meta:
        indexes = [models.Index(fields=["tenant_id", "endpoint_id"], name="webhook_secret_of_endpoint")]

    def __str__(self) -> str:
        return f"secret of {self.endpoint_id}"


class EffectRun(models.Model):
    """One effect that one transition started for one recipient. What is to be done is in the configuration version.

    ``recipient`` is a reference and holds no personal data of a customer: ``user:ID``, ``contact:ID``,
    ``endpoint:ID``, a topic, or an address that the configuration itself names. ``id`` is the webhook's id and makes
    the e-mail's Message-ID.
    """

    HELD: Final = "held"
    DUE: Final = "due"
    SENDING: Final = "sending"
    DONE: Final = "done"
    FAILED: Final = "failed"
    UNKNOWN: Final = "unknown"
    CANCELLED: Final = "cancelled"
    SUPPRESSED: Final = "suppressed"
    STATES: Final = (HELD, DUE, SENDING, DONE, FAILED, UNKNOWN, CANCELLED, SUPPRESSED)

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    history_id = models.UUIDField()
    customer_id = models.UUIDField()
    request_id = models.UUIDField()
    configuration_version = models.PositiveIntegerField()
    effect = models.CharField(max_length=255)
    kind = models.CharField(max_length=10)
    recipient = models.CharField(max_length=300, blank=True, default="")
    lane_id = models.UUIDField()
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=255, blank=True, default="", db_default="", help_text="Why it is not done.")
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    handed_over_at = models.DateTimeField(null=True, help_text="From here on an e-mail may have been sent.")
    may_be_twice = models.BooleanField(default=False, db_default=False)
    last_attempt = models.JSONField(null=True, help_text="What was sent and answered, without secrets and people.")
    depth = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Changes of event rules before it.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lifecycle_effect"
        verbose_name = "effect"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "history_id", "effect", "recipient"], name="effect_once_a_recipient"
            ),
        ]
        indexes = [
            models.Index(fields=["lane_id", "due_at", "id"], name="effect_due", condition=Q(state="due")),
            models.Index(fields=["lane_id"], name="effect_in_flight", condition=Q(state="sending")),
            models.Index(fields=["lease_until"], name="effect_by_lease", condition=Q(state="sending")),
            models.Index(fields=["tenant_id", "due_at"], name="effect_held", condition=Q(state="held")),
            models.Index(fields=["tenant_id", "customer_id", "-id"], name="effect_of_customer"),
            models.Index(fields=["tenant_id", "request_id"], name="effect_of_request"),
        ]

    def __str__(self) -> str:
        return f"{self.effect}: {self.state}"


class EffectPause(models.Model):
    """Why nothing, or one effect, runs in a tenant now. ``effect`` empty: nothing runs."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    effect = models.CharField(max_length=255, blank=True, default="")
    paused_at = models.DateTimeField()
    paused_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "effect"], name="effect_paused_once")]

    def __str__(self) -> str:
        return self.effect or "all effects"


class EffectTally(models.Model):
    """How many of something ran in a while: an effect in an hour, or a recipient in a day."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    what = models.CharField(max_length=300)
    since = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "what", "since"], name="effect_tally_once")]

    def __str__(self) -> str:
        return f"{self.what}: {self.count}"


class Notification(models.Model):
    """An alert as one person sees it. What it says is made of the transition, unless the effect has texts of its own:
    they may name people, and go when the customer is erased.

    Of another ``kind`` it says that ``made_by`` has mentioned the person in a note, or given them a task: ``effect_id``
    is then made of both (``services.effects.notices``), and ``about_id`` is the note or the task.
    """

    ALERT: Final = "alert"
    MENTION: Final = "mention"
    TASK: Final = "task"
    KINDS: Final = (ALERT, MENTION, TASK)

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    user_id = models.UUIDField()
    effect_id = models.UUIDField(help_text="The effect that it came from.")
    customer_id = models.UUIDField()
    effect = models.CharField(max_length=255)
    from_stage = models.CharField(max_length=100, blank=True, default="")
    to_stage = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, default=ALERT, db_default=ALERT)
    about_id = models.UUIDField(null=True)
    made_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    subject = models.CharField(max_length=255, blank=True, default="", db_default="", help_text="The effect's own.")
    body = models.TextField(blank=True, default="", db_default="", help_text="The effect's own.")
    is_escalated = models.BooleanField(default=False, db_default=False, help_text="No one had acknowledged it in time.")
    digest_id = models.UUIDField(null=True, help_text="The daily digest that it goes into.")
    waits_until = models.DateTimeField(null=True, help_text="It is not shown before: it waits for the digest.")
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "effect_id"], name="notification_of_effect")]
        indexes = [
            models.Index(fields=["tenant_id", "user_id", "-id"], name="notification_of_user"),
            models.Index(
                fields=["tenant_id", "user_id"], name="notification_unread", condition=Q(read_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.effect}: {self.to_stage}"


class NotificationPreference(models.Model):
    """How one person wants to hear of alerts. Without a row: at once."""

    AT_ONCE: Final = "at_once"
    DIGEST: Final = "digest"
    OFF: Final = "off"
    CHOICES: Final = (AT_ONCE, DIGEST, OFF)

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    user_id = models.UUIDField()
    alerts = models.CharField(max_length=10)
    time_zone = models.CharField(max_length=64, help_text="Whose morning the digest comes in, as IANA names it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant_id", "user_id"], name="notification_preference_once")]

    def __str__(self) -> str:
        return self.alerts
