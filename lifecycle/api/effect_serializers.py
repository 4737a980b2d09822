"""What requests about effects may say."""

import datetime as dt

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers

from lifecycle.api.serializers import FlagField
from lifecycle.models import EffectRun
from lifecycle.services.effects.actions import REPLAYABLE_TOGETHER
from lifecycle.services.effects.endpoints import LONGEST_NAME
from lifecycle.services.effects.preferences import CHOICES
from tenants.api.serializers import StrictSerializer, TextField

LONGEST_REASON = 500


class ReplaySerializer(StrictSerializer):
    """``POST /effects/replay``."""

    since = serializers.DateTimeField(help_text="Effects that were started since then.")
    state = serializers.ChoiceField(choices=REPLAYABLE_TOGETHER, default=EffectRun.FAILED)
    effect = TextField(max_length=255, required=False, help_text="Only those of this effect.")

    def validate_since(self, since: dt.datetime) -> dt.datetime:
        """However long ago: what is kept is bounded, and so is what runs again at once. Raises ValidationError."""
        if since > timezone.now():
            raise serializers.ValidationError(
                _("The time is in the future, so nothing was started since then. Nothing was changed."),
                code="time_in_future",
            )
        return since


class PauseSerializer(StrictSerializer):
    """``PUT /effects/pause``."""

    paused = FlagField()
    effect = TextField(max_length=255, required=False, help_text="One effect, by its name.")
    endpoint = TextField(max_length=LONGEST_NAME, required=False, help_text="One endpoint, by its name.")
    reason = TextField(max_length=LONGEST_REASON, help_text="Why, for the administration log.")


class EndpointSerializer(StrictSerializer):
    """``POST /webhooks/endpoints``."""

    name = TextField(max_length=LONGEST_NAME)
    url = TextField(max_length=500, help_text="https, to an address of the public internet.")


class UndoSerializer(StrictSerializer):
    """``POST /lifecycle/transitions/{request_id}/undo``."""

    reason = TextField(max_length=255, required=False, allow_blank=True)


class PreferenceSerializer(StrictSerializer):
    """``PATCH /notifications/preferences``."""

    alerts = serializers.ChoiceField(choices=CHOICES, required=False)
    time_zone = TextField(max_length=64, required=False, help_text="An IANA name, such as Europe/Berlin.")
