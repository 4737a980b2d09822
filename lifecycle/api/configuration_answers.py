"""The shapes of answers about a configuration, for the schema only."""

from typing import get_args

from rest_framework import serializers

from lifecycle.api.answers import Answer
from tenants.rules.configuration.diff import ChangeKind
from tenants.rules.configuration.errors import ERROR, WARNING


class ConfigurationFaultAnswer(Answer):
    """One thing that is wrong with a configuration (``error``) or probably not meant (``warning``)."""

    path = serializers.CharField(allow_blank=True, help_text="Where in the configuration, as a JSON pointer.")
    code = serializers.CharField()
    sentence = serializers.CharField()
    severity = serializers.ChoiceField(choices=(ERROR, WARNING))


class ConfigurationChangeAnswer(Answer):
    """One difference to the live configuration, for programs and in words."""

    kind = serializers.ChoiceField(choices=get_args(ChangeKind))
    sentence = serializers.CharField()
    stage = serializers.CharField(allow_null=True)
    to = serializers.CharField(allow_null=True)


class StageCountAnswer(Answer):
    """A stage and the customers in it now."""

    stage = serializers.CharField()
    customers = serializers.IntegerField()


class OverdueCountAnswer(Answer):
    """Customers that are in their stage for longer than expected: today, and with the configuration."""

    stage = serializers.CharField()
    now = serializers.IntegerField()
    then = serializers.IntegerField()


class RefusedMoveAnswer(Answer):
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


class PreviewAnswer(Answer):
    """What a configuration would do. When it is not ``valid``, only ``faults`` says something."""

    valid = serializers.BooleanField()
    faults = ConfigurationFaultAnswer(many=True)
    plan_faults = ConfigurationFaultAnswer(many=True, help_text="Of ``renamed`` and ``mapping``.")
    live_version = serializers.IntegerField(help_text="0: none yet.")
    changes = ConfigurationChangeAnswer(many=True)
    customers = serializers.IntegerField()
    stages_going_away = StageCountAnswer(many=True)
    mapping_needed = serializers.ListField(child=serializers.CharField())
    new_dead_ends = StageCountAnswer(many=True)
    overdue = OverdueCountAnswer(many=True)
    history_days = serializers.IntegerField()
    moves_judged = serializers.IntegerField()
    moves_refused = serializers.IntegerField()
    refused_moves = RefusedMoveAnswer(many=True)
