"""The responses about effects, endpoints, undos and notifications."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from lifecycle.api.paging import PageResponse
from lifecycle.api.rendering import ResponseSerializer
from lifecycle.models import EffectRun, Notification
from lifecycle.services.effects.preferences import CHOICES

STATES = EffectRun.STATES


class EffectRunResponse(ResponseSerializer):
    """One effect of one change, for one recipient."""

    id = serializers.UUIDField(help_text="Also the webhook's id; the e-mail's Message-ID is made of it.")
    customer_id = serializers.UUIDField(help_text="All zeros for a digest, which is about many customers.")
    history_id = serializers.UUIDField()
    request_id = serializers.UUIDField()
    effect = serializers.CharField()
    kind = serializers.CharField(
        help_text="A kind of the configuration; `escalation`: a later step of an alert; `digest`: a daily digest."
    )
    recipient = serializers.CharField(help_text="Masked for those who may not see contact details.")
    state = serializers.ChoiceField(choices=STATES)
    reason = serializers.CharField(allow_blank=True, help_text="Why it has not run, or not yet: a code.")
    why = serializers.CharField(allow_blank=True, help_text="The same in a sentence, in the language of the caller.")
    due_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    may_be_twice = serializers.BooleanField(help_text="It may have arrived twice: the receiver knows it by its id.")
    finished_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class EffectDetailResponse(EffectRunResponse):
    """One effect with what was sent and answered, without secrets and people."""

    last_attempt = serializers.JSONField(allow_null=True)
    request = serializers.JSONField(allow_null=True, help_text="What was sent last; null before the first attempt.")
    response = serializers.JSONField(
        allow_null=True, help_text="What was answered last: `status`, `text`, `error`; null before the first attempt."
    )


@extend_schema_serializer(many=False)
class EffectPageResponse(PageResponse):
    """A page of effects."""

    results = EffectRunResponse(many=True)


class CancelledResponse(EffectRunResponse):
    """How many effects were cancelled, and the one as it is now."""

    cancelled = serializers.IntegerField()


class ReplayedResponse(ResponseSerializer):
    """How many effects run again."""

    replayed = serializers.IntegerField()


class PauseResponse(ResponseSerializer):
    """Something that is paused; ``effect`` empty: everything."""

    effect = serializers.CharField(allow_blank=True)
    paused_at = serializers.DateTimeField()
    paused_by = serializers.CharField()
    reason = serializers.CharField()


class PausesResponse(ResponseSerializer):
    """What is paused now."""

    pauses = PauseResponse(many=True)


class EndpointResponse(ResponseSerializer):
    """A webhook endpoint."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.URLField()
    created_at = serializers.DateTimeField()
    paused_at = serializers.DateTimeField(allow_null=True)
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.CharField(
        allow_blank=True, help_text="gone or failing: why it was switched off by itself."
    )
    disabled_why = serializers.CharField(
        allow_blank=True, help_text="The same in a sentence, in the language of the caller."
    )


class NewEndpointResponse(EndpointResponse):
    """The same with its secret, which is shown this once."""

    secret = serializers.CharField(help_text="whsec_...: signs every message. It is not shown again.")


@extend_schema_serializer(many=False)
class EndpointsResponse(PageResponse):
    """A page of the tenant's endpoints."""

    results = EndpointResponse(many=True)


class SecretResponse(ResponseSerializer):
    """A new secret; the former one signs beside it for 24 hours."""

    secret = serializers.CharField()


class TestResponse(ResponseSerializer):
    """What an endpoint answered to a signed sample."""

    outcome = serializers.CharField()
    status = serializers.IntegerField(allow_null=True)
    milliseconds = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_blank=True)


class UndoResponse(ResponseSerializer):
    """An undo, and how far it has come."""

    undo_id = serializers.UUIDField()
    request_id = serializers.UUIDField()
    to_move = serializers.IntegerField()
    moved_since = serializers.IntegerField(help_text="Had been moved on, and stay where they are.")
    effects_cancelled = serializers.IntegerField()
    effects_already_done = serializers.IntegerField()
    moved = serializers.IntegerField()
    refused = serializers.IntegerField()
    finished_at = serializers.DateTimeField(allow_null=True)


class NotificationResponse(ResponseSerializer):
    """An alert, a mention in a note or a task, as one person sees it."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Notification.KINDS)
    effect = serializers.CharField()
    customer_id = serializers.UUIDField()
    about_id = serializers.UUIDField(allow_null=True, help_text="The note or the task; null for an alert.")
    made_by = serializers.CharField(allow_blank=True, help_text="Who wrote it; empty for an alert.")
    from_stage = serializers.CharField(allow_blank=True)
    to_stage = serializers.CharField(allow_blank=True, help_text="Empty for what is no alert.")
    subject = serializers.CharField(allow_blank=True, help_text="Empty where the effect has no text of its own.")
    body = serializers.CharField(allow_blank=True, help_text="Empty where the effect has no text of its own.")
    is_escalated = serializers.BooleanField(help_text="No one had acknowledged it in time.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(many=False)
class NotificationPageResponse(PageResponse):
    """A page of the caller's notifications."""

    unread = serializers.IntegerField()
    results = NotificationResponse(many=True)


class ReadResponse(ResponseSerializer):
    """How many notifications were unread."""

    read = serializers.IntegerField()


class PreferenceResponse(ResponseSerializer):
    """How the caller hears of alerts."""

    alerts = serializers.ChoiceField(choices=CHOICES)
    time_zone = serializers.CharField(help_text="The digest comes at 8 in the morning there.")
    next_digest_at = serializers.DateTimeField(allow_null=True)
