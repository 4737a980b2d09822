"""Rules about customers at risk: what was played over the past, how far customers were looked at, what rules did."""

import uuid_utils.compat
from django.db import models
from django.db.models import Q


class RulePlay(models.Model):
    """One job: play the rules of a draft over the past; resumable at any point.

    ``document`` is the draft as it was then, ``renamed`` the names that live stages have in it. ``after`` is the last
    customer that was dealt with, in the order of their ids; ``tally`` what was counted so far.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    draft_id = models.UUIDField()
    revision = models.PositiveIntegerField()
    document = models.JSONField()
    renamed = models.JSONField(default=dict)
    known = models.CharField(max_length=10)
    since = models.DateTimeField()
    until = models.DateTimeField()
    managers = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    after = models.UUIDField(null=True)
    tally = models.JSONField()
    requested_by = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lifecycle_rule_play"
        constraints = [models.UniqueConstraint(fields=["tenant_id", "draft_id"], name="rule_play_once_a_draft")]
        indexes = [models.Index(fields=["tenant_id"], name="rule_play_unfinished", condition=Q(finished_at=None))]

    def __str__(self) -> str:
        return f"rules of draft {self.draft_id}: {self.done} of {self.total}"


class RiskState(models.Model):
    """Up to where a customer was looked at by the rules: the versions of its rows, and of the configuration.

    ``due_at``: when to look again though nothing is reported.
    """

    pk = models.CompositePrimaryKey("tenant_id", "customer_id")
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    configuration_version = models.PositiveIntegerField()
    status = models.PositiveIntegerField()
    company = models.PositiveIntegerField()
    billing = models.PositiveIntegerField()
    support = models.PositiveIntegerField()
    due_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lifecycle_risk_state"

    def __str__(self) -> str:
        return f"{self.customer_id}: due at {self.due_at}"


class RiskFiring(models.Model):
    """A rule has fired for a customer: at most once in an unbroken stretch, which began ``since``.

    ``state``: ``open`` (proposed), ``accepted``, ``dismissed``, ``over`` (the conditions ceased, or the customer was
    moved), ``moved`` (by the rule itself), ``refused`` (the move was not allowed).
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    customer_id = models.UUIDField()
    rule = models.CharField(max_length=100)
    configuration_version = models.PositiveIntegerField()
    from_stage = models.CharField(max_length=100)
    to_stage = models.CharField(max_length=100)
    reason_code = models.CharField(max_length=255, blank=True, default="")
    since = models.DateTimeField(help_text="When the conditions began to hold.")
    fired_at = models.DateTimeField(help_text="When they had held for as long as the rule asks.")
    created_at = models.DateTimeField()
    state = models.CharField(max_length=10)
    decided_by = models.CharField(max_length=150, blank=True, default="")
    decided_at = models.DateTimeField(null=True)
    dismissal = models.CharField(max_length=255, blank=True, default="", help_text="Why it was dismissed.")

    class Meta:
        db_table = "lifecycle_risk_firing"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "customer_id", "rule", "since"], name="risk_firing_once_a_stretch"
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "customer_id"], name="risk_firing_open", condition=Q(state="open"))
        ]

    def __str__(self) -> str:
        return f"{self.rule} for {self.customer_id}: {self.state}"
