"""What is kept of the history for figures: made of it by ``services.insight``, and made again at any time."""

import uuid_utils.compat
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Stay(models.Model):
    """A piece of a customer's stay in a stage (``lifecycle.rules.insight.stays.Piece`` says what its columns mean).

    Stages are keys that outlive renames. Nothing of it names anyone.
    """

    pk = models.CompositePrimaryKey("tenant_id", "customer_id", "sequence", "piece")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    piece = models.PositiveSmallIntegerField()
    from_stage = models.CharField(max_length=120, blank=True)
    stage = models.CharField(max_length=120)
    to_stage = models.CharField(max_length=120, blank=True)
    began = models.DateTimeField()
    ended = models.DateTimeField()
    entered = models.DateTimeField()
    left_at = models.DateTimeField()
    known = models.DateTimeField()
    known_until = models.DateTimeField()
    reason_code = models.CharField(max_length=255, blank=True)
    left_reason = models.CharField(max_length=255, blank=True)
    by_configuration = models.BooleanField()
    left_by_configuration = models.BooleanField()
    cohort = models.DateField(help_text="The month in which the customer came to its first stage.")
    arr = models.DecimalField(max_digits=20, decimal_places=4)
    currency = models.CharField(max_length=3, blank=True)
    was_arr = models.DecimalField(max_digits=20, decimal_places=4)
    was_currency = models.CharField(max_length=3, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant_id", "stage", "began", "customer_id"],
                include=["ended", "sequence", "piece"],
                name="stay_of_stage",
            ),
            models.Index(
                fields=["tenant_id", "stage", "began"],
                include=["customer_id"],
                condition=models.Q(to_stage="", piece=0),
                name="stay_still_there",
            ),
            models.Index(
                fields=["tenant_id", "cohort", "customer_id"],
                condition=models.Q(sequence=1, piece=0),
                name="stay_by_cohort",
            ),
            # Who came to a stage last, as of any day.
            models.Index(
                fields=["tenant_id", "stage", "-began", "customer_id"],
                include=["left_at", "known", "known_until", "sequence"],
                condition=models.Q(piece=0),
                name="stay_last_of_stage",
            ),
            # Whether it is the first in its stage.
            models.Index(
                fields=["tenant_id", "stage", "customer_id", "sequence"],
                include=["began"],
                condition=models.Q(piece=0),
                name="stay_of_customer_in_stage",
            ),
            # Those of chosen customers: without it the planner steps through the index above, stage by stage.
            models.Index(
                fields=["tenant_id", "customer_id", "sequence"],
                include=[
                    *("stage", "from_stage", "to_stage", "began", "entered", "left_at"),
                    *("left_by_configuration", "cohort"),
                ],
                condition=models.Q(piece=0),
                name="stay_of_customer",
            ),
            # Where revenue changed.
            models.Index(
                fields=["tenant_id", "stage", "began", "customer_id", "sequence", "piece"],
                include=["arr", "currency", "was_arr", "was_currency"],
                condition=~models.Q(arr=models.F("was_arr")) | ~models.Q(currency=models.F("was_currency")),
                name="stay_changed_revenue",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} #{self.sequence}.{self.piece}: {self.stage}"


class StaySum(models.Model):
    """What the sums over stays have in common. ``kind`` says which sum (``lifecycle.queries.insight.facts``), the other
    columns of what.
    """

    tenant_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    day = models.DateField()
    from_stage = models.CharField(max_length=120, blank=True)
    to_stage = models.CharField(max_length=120, blank=True)
    number = models.IntegerField()
    label = models.CharField(max_length=255, blank=True)
    customers = models.BigIntegerField()
    arr = models.DecimalField(max_digits=24, decimal_places=4)

    class Meta:
        abstract = True


class InsightFact(StaySum):
    """A sum over the stays of everybody."""

    pk = models.CompositePrimaryKey("tenant_id", "kind", "day", "from_stage", "to_stage", "number", "label")

    class Meta:
        db_table = "lifecycle_insight_fact"

    def __str__(self) -> str:
        return f"{self.kind} {self.day}: {self.from_stage} -> {self.to_stage}: {self.customers}"


class SegmentFact(StaySum):
    """A sum over the stays of the customers of one segment, in lower case; '' of those that have none. The sums of all
    segments add up to those of everybody (``InsightFact``).
    """

    pk = models.CompositePrimaryKey("tenant_id", "segment", "kind", "day", "from_stage", "to_stage", "number", "label")
    segment = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "lifecycle_segment_fact"

    def __str__(self) -> str:
        return f"{self.segment}: {self.kind} {self.day}: {self.from_stage} -> {self.to_stage}: {self.customers}"


class OwnerFact(StaySum):
    """A sum over the stays of the customers of one owner of very many (``CountedOwner``)."""

    pk = models.CompositePrimaryKey("tenant_id", "owner", "kind", "day", "from_stage", "to_stage", "number", "label")
    owner = models.TextField()

    class Meta:
        db_table = "lifecycle_owner_fact"

    def __str__(self) -> str:
        return f"{self.owner}: {self.kind} {self.day}: {self.from_stage} -> {self.to_stage}: {self.customers}"


class CountedOwner(models.Model):
    """An owner who has sums (``lifecycle.services.insight.owners``), as customers' ``owner_key`` has them."""

    pk = models.CompositePrimaryKey("tenant_id", "owner")
    tenant_id = models.UUIDField()
    owner = models.TextField()

    class Meta:
        db_table = "lifecycle_counted_owner"

    def __str__(self) -> str:
        return self.owner


class InsightState(models.Model):
    """Up to where the stays of a customer were made: the number of its history rows, and the version of its figures.

    ``segment``: in lower case, the one in whose sums its stays are counted; None while they are in none. ``owner``: the
    one in whose sums they are; None where the owner has none.
    ``risk``: of which stages of risk its episodes are kept, '' for none. ``loose``: whether it has others that cannot
    be kept yet; ``loose_from``: when the first of them began; ``due_at``: when the first of them can. ``reached``: when
    messages reached the customer of which there is no record any more.
    """

    pk = models.CompositePrimaryKey("tenant_id", "customer_id")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    figures = models.PositiveIntegerField()
    segment = models.CharField(max_length=200, null=True)  # noqa: DJ001  "" is a segment of its own
    owner = models.TextField(null=True)  # noqa: DJ001  "" is no owner, and has no sums
    risk = models.CharField(max_length=64, blank=True, default="", db_default="")
    loose = models.BooleanField(default=True, db_default=True)
    loose_from = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    reached = ArrayField(models.DateTimeField(), default=list, db_default=[])

    class Meta:
        db_table = "lifecycle_insight_state"
        # Those of whom not every episode is kept, or not yet (``lifecycle.queries.insight.episodes``).
        indexes = [
            models.Index(
                fields=["tenant_id", "risk", "loose_from"], name="insight_state_loose_from", condition=Q(loose=True)
            ),
            models.Index(fields=["tenant_id", "risk"], name="insight_state_by_risk"),
            models.Index(fields=["tenant_id", "due_at"], name="insight_state_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.sequence} rows"


class RiskEpisode(models.Model):
    """An episode at risk that has ended (``lifecycle.queries.insight.episodes``): what was done about it, in its first
    week and until its end. ``contacts`` are the ids of everyone who wrote a note or did a task, ``week_acted``:
    whether there is anyone.
    """

    pk = models.CompositePrimaryKey("tenant_id", "customer_id", "sequence")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    began = models.DateTimeField()
    stage = models.CharField(max_length=120)
    reason_code = models.CharField(max_length=255, blank=True)
    by_configuration = models.BooleanField()
    severity = models.PositiveSmallIntegerField()
    week_noted = models.BooleanField()
    week_tasked = models.BooleanField()
    week_messaged = models.BooleanField()
    week_acted = models.BooleanField(default=False, db_default=False)
    week_contacts = ArrayField(models.TextField())
    noted = models.BooleanField()
    tasked = models.BooleanField()
    messaged = models.BooleanField()
    contacts = ArrayField(models.TextField())
    left_at = models.DateTimeField()
    left_to = models.CharField(max_length=120)
    left_by_configuration = models.BooleanField()

    class Meta:
        db_table = "lifecycle_risk_episode"
        indexes = [
            models.Index(fields=["tenant_id", "began"], name="risk_episode_by_time"),
            # Of the first week: where no one acted, it is read alone.
            models.Index(
                fields=["tenant_id", "began"],
                include=[
                    *("customer_id", "sequence", "stage", "reason_code", "by_configuration", "severity"),
                    *("week_noted", "week_tasked", "week_messaged", "week_acted"),
                    *("left_at", "left_to", "left_by_configuration"),
                ],
                name="risk_episode_of_period",
            ),
            models.Index(fields=["tenant_id", "began"], name="risk_episode_week_acted", condition=Q(week_acted=True)),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: at risk from {self.began} to {self.left_at}"


class HealthPlay(models.Model):
    """One job: play the health of a draft, beside that of a version, over the past; resumable at any point.

    ``document`` is the draft as it was then, ``names`` what live stages are called in it. ``after`` is the last
    customer that was judged, in the order of their ids; ``sums`` what was counted so far.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    draft_id = models.UUIDField()
    revision = models.PositiveIntegerField()
    document = models.JSONField()
    names = models.JSONField()
    live_version = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    after = models.UUIDField(null=True)
    sums = models.JSONField()
    requested_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lifecycle_health_play"
        constraints = [models.UniqueConstraint(fields=["tenant_id", "draft_id"], name="health_play_once_a_draft")]
        indexes = [models.Index(fields=["tenant_id"], name="health_play_unfinished", condition=Q(finished_at=None))]

    def __str__(self) -> str:
        return f"health of draft {self.draft_id}: {self.done} of {self.total}"
