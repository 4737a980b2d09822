"""The responses about stages, changes and their history. ``api.rendering`` says what a response is."""

from rest_framework import serializers

from lifecycle.api.paging import PageResponse
from lifecycle.api.rendering import ResponseSerializer, SentenceField
from tenants.rules.configuration.definitions import CATEGORIES, EFFECT_KINDS, EFFECT_MOMENTS
from tenants.rules.values import MOST_DECIMALS

ACTOR_KINDS = ("user", "service", "system")


class ErrorEntry(ResponseSerializer):
    """One thing that is wrong with a request."""

    pointer = serializers.CharField(help_text="Where, as a JSON pointer (RFC 6901) in a URI fragment.")
    detail = serializers.CharField()
    code = serializers.CharField()
    parameter = serializers.CharField(required=False, help_text="The parameter of the address, if it is one.")


class PresentStateResponse(ResponseSerializer):
    """The customer's stage now, or which configuration is live, in the problem of a stale version."""

    version = serializers.IntegerField()
    stage = serializers.CharField(required=False)
    updated_at = serializers.DateTimeField(required=False)
    updated_by = serializers.CharField(required=False)


class StartedResponse(ResponseSerializer):
    """How often an effect would be started."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=EFFECT_KINDS)
    count = serializers.IntegerField()


class ProblemResponse(ResponseSerializer):
    """A refusal (RFC 9457). ``code`` is for programs, ``detail`` for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = ErrorEntry(many=True, required=False)  # type: ignore[assignment]
    allowed = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="The stages or reasons that would be accepted."
    )
    current = PresentStateResponse(required=False)
    effects = StartedResponse(many=True, required=False, help_text="The effects that would start.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds after which trying again makes sense.")
    stages = serializers.DictField(child=serializers.IntegerField(), required=False)
    request_id = serializers.CharField(required=False)


class RecipientResponse(ResponseSerializer):
    """Whom an effect would reach, and when."""

    name = serializers.CharField(help_text="A person, a contact (masked without the right), an endpoint or an address.")
    kind = serializers.CharField(help_text="escalation: only if no one acknowledges the alert.")
    state = serializers.CharField(help_text="held: can be taken back until due_at; suppressed: would not run.")
    reason = serializers.CharField(allow_blank=True, help_text="A code.")
    why = serializers.CharField(allow_blank=True, help_text="The same in a sentence, in the language of the caller.")
    due_at = serializers.DateTimeField()


class EffectResponse(ResponseSerializer):
    """A business process that a move starts. With `effects=detail` also whom it reaches, in which words, and when."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=EFFECT_KINDS)
    on = serializers.ChoiceField(choices=EFFECT_MOMENTS)
    to = serializers.ListField(child=serializers.CharField())
    subject = serializers.CharField(required=False, allow_null=True, help_text="Rendered; null where there is none.")
    delay_minutes = serializers.IntegerField(required=False, help_text="It runs then if the customer is still there.")
    recipients = RecipientResponse(many=True, required=False, help_text="At most 20.")
    recipients_count = serializers.IntegerField(required=False)


class RefusalResponse(ResponseSerializer):
    """Why a move would be refused."""

    code = serializers.CharField()
    sentence = SentenceField()


class OptionResponse(ResponseSerializer):
    """One other stage: whether and how the customer can be moved there now by the caller."""

    stage = serializers.CharField()
    category = serializers.ChoiceField(choices=CATEGORIES)
    color = serializers.CharField()
    allowed = serializers.BooleanField()
    reason_required = serializers.BooleanField()
    reason_codes = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="null: any text of up to 255 characters."
    )
    refusal = RefusalResponse(allow_null=True)
    effects = EffectResponse(many=True)


class StatusResponse(ResponseSerializer):
    """Where a customer stands [DM-1]."""

    customer_id = serializers.UUIDField()
    stage = serializers.CharField()
    stage_entered_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    updated_by = serializers.CharField(help_text="The user's id, or system:<name>.")
    actor_kind = serializers.ChoiceField(choices=ACTOR_KINDS)
    source = serializers.CharField()  # type: ignore[assignment]
    reason_code = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField()


class PastFigureResponse(ResponseSerializer):
    """A figure as it held at the end of a day. Amounts and days are texts."""

    value = serializers.JSONField(allow_null=True)
    since = serializers.DateTimeField()


class LifecycleResponse(StatusResponse):
    """A customer's stage, and the stages it can move to."""

    category = serializers.ChoiceField(choices=CATEGORIES)
    configuration_version = serializers.IntegerField()
    transitions = OptionResponse(many=True)
    stage_now = serializers.CharField(required=False, help_text="With as_of: what the stage is called today.")
    days_in_stage = serializers.IntegerField(required=False, help_text="With as_of: until the end of that day.")
    figures = serializers.DictField(
        child=PastFigureResponse(),
        required=False,
        help_text="With as_of, by field: `billing.arr`, `support.csat`, `segment` and so on, as reported until then."
        " A field that nothing is known of is absent.",
    )


class MovedResponse(ResponseSerializer):
    """The customer is in the stage that was asked for."""

    success = serializers.BooleanField()
    updated_at = serializers.DateTimeField()


class HistoryResponse(ResponseSerializer):
    """One transition [DM-2]."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    from_stage = serializers.CharField(allow_null=True)
    to_stage = serializers.CharField()
    from_stage_now = serializers.CharField(allow_null=True, help_text="What the stage is called today.")
    to_stage_now = serializers.CharField(help_text="What the stage is called today.")
    changed_at = serializers.DateTimeField()
    effective_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    changed_by = serializers.CharField()
    on_behalf_of = serializers.CharField(allow_null=True)
    actor_kind = serializers.ChoiceField(choices=ACTOR_KINDS)
    reason_code = serializers.CharField(allow_blank=True)
    source = serializers.CharField()  # type: ignore[assignment]
    request_id = serializers.UUIDField(allow_null=True)
    event_id = serializers.CharField(allow_null=True)
    configuration_version = serializers.IntegerField()
    note = serializers.CharField(allow_null=True)
    note_erased = serializers.BooleanField(help_text="There was a note, and it can no longer be read.")
    previous_hash = serializers.CharField(allow_null=True)
    hash = serializers.CharField()


class HistoryPageResponse(PageResponse):
    """One page of a customer's history, newest first."""

    results = HistoryResponse(many=True)


class AmountResponse(ResponseSerializer):
    """Annual recurring revenue in one currency."""

    currency = serializers.CharField(allow_blank=True)
    arr = serializers.DecimalField(max_digits=22, decimal_places=MOST_DECIMALS)


class SumResponse(ResponseSerializer):
    """Some customers together."""

    customers = serializers.IntegerField()
    over_expected = serializers.IntegerField(help_text="Of them over the days expected for their stage.")
    money = AmountResponse(many=True)


class StageSumResponse(SumResponse):
    """The customers of one stage."""

    stage = serializers.CharField()
    category = serializers.ChoiceField(choices=CATEGORIES)
    color = serializers.CharField()
    is_leaving = serializers.BooleanField(help_text="The stage is not in the configuration any more.")
    expected_days = serializers.IntegerField(allow_null=True)


class TenantSummaryResponse(ResponseSerializer):
    """The tenant at a glance [API-3], its stages in the order of the configuration."""

    configuration_version = serializers.IntegerField()
    stages = StageSumResponse(many=True)
    total = SumResponse()
    at_risk = SumResponse()


class ResultResponse(ResponseSerializer):
    """What became of one item."""

    customer_id = serializers.CharField(allow_null=True)
    status = serializers.IntegerField(help_text="The status that a request for this item alone would have had.")
    success = serializers.BooleanField()
    changed = serializers.BooleanField()
    code = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    allowed = serializers.ListField(child=serializers.CharField(), required=False)
    errors = ErrorEntry(many=True, required=False)  # type: ignore[assignment]
    stage = serializers.CharField(required=False)
    version = serializers.IntegerField(required=False)
    updated_at = serializers.DateTimeField(required=False)
    etag = serializers.CharField(required=False)
    effects = EffectResponse(many=True, required=False, help_text="In a dry run: what the move would start.")


class ForeseenResponse(StartedResponse):
    """How often an effect would be started, and whom that would reach."""

    recipients = serializers.IntegerField(help_text="Messages that would be sent.")
    suppressed = serializers.IntegerField(help_text="Those that would reach no one.")


class BatchResponse(ResponseSerializer):
    """One result per item, in the order of the items."""

    dry_run = serializers.BooleanField()
    results = ResultResponse(many=True)
    effects = ForeseenResponse(
        many=True, required=False, help_text="In a dry run: what the moves would start together."
    )
