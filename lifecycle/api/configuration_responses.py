"""Responses about a configuration: the serializers that document them render them."""

from typing import Any, get_args

from rest_framework import serializers

from lifecycle.rules.health import BANDS
from tenants.rules.configuration.diff import ChangeKind, ConfigurationChange
from tenants.rules.configuration.effect_kinds import EFFECT_KINDS
from tenants.rules.configuration.errors import ERROR, WARNING, Finding
from tenants.sentences import describe_change, describe_finding


class _Rendered(serializers.Serializer[Any]):
    """Rendered only, never read from requests."""


class FindingResponse(_Rendered):
    """One thing that is wrong with a configuration (``error``) or probably not meant (``warning``)."""

    path = serializers.CharField(allow_blank=True, help_text="Where in the configuration, as a JSON pointer.")
    code = serializers.CharField()
    sentence = serializers.SerializerMethodField()
    severity = serializers.ChoiceField(choices=(ERROR, WARNING))

    def get_sentence(self, finding: Finding) -> str:
        """For people."""
        return describe_finding(finding)


class ChangeResponse(_Rendered):
    """One difference to the live configuration, for programs and in words."""

    kind = serializers.ChoiceField(choices=get_args(ChangeKind))
    sentence = serializers.SerializerMethodField()
    stage = serializers.CharField(allow_null=True)
    to = serializers.CharField(allow_null=True)

    def get_sentence(self, change: ConfigurationChange) -> str:
        """For people."""
        return describe_change(change)


class StageCountResponse(_Rendered):
    """A stage and the customers in it now."""

    stage = serializers.CharField()
    customers = serializers.IntegerField()


class OverdueCountResponse(_Rendered):
    """Customers that are in their stage for longer than expected: today, and with the configuration."""

    stage = serializers.CharField()
    now = serializers.IntegerField()
    then = serializers.IntegerField()


class RefusedMoveResponse(_Rendered):
    """Moves that really happened and would be refused, by kind, with customers for example."""

    from_stage = serializers.CharField()
    to_stage = serializers.CharField()
    reason_code = serializers.CharField(allow_blank=True)
    source = serializers.CharField()  # type: ignore[assignment]
    code = serializers.CharField()
    sentence = serializers.CharField()
    count = serializers.IntegerField()
    last_at = serializers.DateTimeField()
    examples = serializers.ListField(child=serializers.UUIDField())


class StartedCountResponse(_Rendered):
    """How often the moves of the mapping would start an effect, where that is asked for, and whom that would reach."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=EFFECT_KINDS)
    count = serializers.IntegerField()
    recipients = serializers.IntegerField(
        allow_null=True, help_text="Messages that would be sent; null for more than 10,000 customers."
    )
    suppressed = serializers.IntegerField(allow_null=True, help_text="Those that would reach no one.")


class BandChangeResponse(_Rendered):
    """Customers in a band of health now, and in which they would be."""

    before = serializers.ChoiceField(choices=BANDS)
    after = serializers.ChoiceField(choices=BANDS)
    customers = serializers.IntegerField()


class HealthChangeResponse(_Rendered):
    """One customer whose band of health would change."""

    customer_id = serializers.UUIDField()
    stage = serializers.CharField()
    before = serializers.IntegerField(allow_null=True)
    after = serializers.IntegerField(allow_null=True)
    band_before = serializers.ChoiceField(choices=BANDS)
    band_after = serializers.ChoiceField(choices=BANDS)


class HealthPreviewResponse(_Rendered):
    """What would become of the health of all customers."""

    customers = serializers.IntegerField(help_text="How many would change their band.")
    bands = BandChangeResponse(many=True)
    examples = HealthChangeResponse(many=True, help_text="Up to 50 of them, those who would lose most first.")


class PreviewResponse(_Rendered):
    """What a configuration would do. When it is not ``valid``, only ``errors`` says something."""

    valid = serializers.BooleanField()
    errors = FindingResponse(many=True, source="findings")  # type: ignore[assignment]
    plan_errors = FindingResponse(many=True, source="plan_findings", help_text="Of ``renamed`` and ``mapping``.")
    live_version = serializers.IntegerField(help_text="0: none yet.")
    changes = ChangeResponse(many=True)
    customers = serializers.IntegerField()
    stages_going_away = StageCountResponse(many=True)
    mapping_needed = serializers.ListField(child=serializers.CharField())
    new_dead_ends = StageCountResponse(many=True)
    overdue = OverdueCountResponse(many=True)
    history_days = serializers.IntegerField()
    moves_judged = serializers.IntegerField()
    moves_refused = serializers.IntegerField()
    refused_moves = RefusedMoveResponse(many=True)
    effects = StartedCountResponse(many=True, help_text="What the moves of the mapping start with `start_effects`.")
    effects_total = serializers.IntegerField(help_text="The number for `confirm_effects`.")
    health = HealthPreviewResponse(allow_null=True, help_text="null: nothing is live to compare with.")
