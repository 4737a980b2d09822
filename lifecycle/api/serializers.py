"""What requests may say: shapes and types. An unknown key is an error; what is allowed is for the rules to say."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from lifecycle.rules.transitions import LONGEST_NOTE, LONGEST_REASON, LONGEST_STAGE
from lifecycle.services.compliance.erasure import LONGEST_REASON as LONGEST_ADMINISTRATION_REASON
from tenants.api.serializers import StrictSerializer, TextField
from tenants.rules.configuration.definitions import LONGEST_COMMENT
from tenants.rules.texts import clean_line
from tenants.rules.values import InvalidValue, read_paragraphs
from tenants.sentences import describe_value

LONGEST_NAME = 150
MOST_ITEMS = 1000
LONGEST_MUTE_REASON = 500
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def read_uuid(text: Any) -> UUID | None:
    """The id in its usual form, None for anything else."""
    return UUID(text) if isinstance(text, str) and _UUID.fullmatch(text) else None


class FlagField(serializers.BooleanField):
    """true or false: no text and no number is taken for one."""

    def to_internal_value(self, data: Any) -> bool:
        """The flag. Raises ValidationError for anything else."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WholeNumberField(serializers.IntegerField):
    """A whole number: no text, no flag and no number with a point is taken for one."""

    def to_internal_value(self, data: Any) -> int:
        """The number. Raises ValidationError for anything else."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class IdField(serializers.UUIDField):
    """An id in its usual form, as an address takes it: no number, no braces, no prefix."""

    def to_internal_value(self, data: Any) -> UUID:
        """The id. Raises ValidationError for anything else."""
        found = read_uuid(data)
        if found is None:
            self.fail("invalid", value=data)
        return found


class NoteField(TextField):
    """A text of several lines."""

    def to_internal_value(self, data: Any) -> str:
        """The text, composed and trimmed. Raises ValidationError for control characters."""
        try:
            return read_paragraphs(super().to_internal_value(data), LONGEST_NOTE)
        except InvalidValue as error:
            raise serializers.ValidationError(
                _("The note %(error)s.") % {"error": describe_value(error)}, code=error.code
            ) from error


class _ConfirmedField(WholeNumberField):
    """How many effects the caller has seen."""

    def __init__(self, help_text: str) -> None:
        super().__init__(required=False, allow_null=True, min_value=0, help_text=help_text)


class MuteSerializer(StrictSerializer):
    """That a change starts nothing, and why."""

    reason = TextField(
        max_length=LONGEST_MUTE_REASON, trim_whitespace=True, help_text="Why, for the administration log."
    )


MUTE_HELP = "Start none of the effects; what would have run is listed as suppressed. Needs the permission mute_effects."


class _StageSerializer(StrictSerializer):
    """A stage for a customer, and why."""

    stage = TextField(max_length=LONGEST_STAGE, allow_blank=True, help_text="One of the tenant's stages.")
    updated_by = TextField(
        max_length=LONGEST_NAME,
        required=False,
        allow_null=True,
        help_text="Who asks for it: you, by any of your names. A service account may name a user of its tenant.",
    )
    reason_code = TextField(
        max_length=LONGEST_REASON,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Why; for some stages the tenant requires it and lists what is accepted.",
    )
    note = NoteField(
        max_length=LONGEST_NOTE,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="Free text for the history. It is encrypted and erased with the customer.",
    )


class ChangeSerializer(_StageSerializer):
    """``PATCH /customers/{id}/lifecycle`` [API-1]."""

    confirm_effects = _ConfirmedField("Refuse unless the change starts as many effects: the number that was seen.")
    mute_effects = MuteSerializer(required=False, allow_null=True, help_text=MUTE_HELP)


class ItemSerializer(_StageSerializer):
    """One item of ``POST /lifecycle/transitions``."""

    customer_id = IdField()
    version = WholeNumberField(
        required=False, allow_null=True, min_value=0, help_text="Refuse if the customer has changed since this version."
    )


@extend_schema_field(ItemSerializer(many=True))
class _ItemsField(serializers.ListField):
    """Items as they were sent."""


class BatchSerializer(StrictSerializer):
    """``POST /lifecycle/transitions``. The items are judged one by one: an invalid one does not spoil the others."""

    items = _ItemsField(child=serializers.JSONField(allow_null=True), min_length=1, max_length=MOST_ITEMS)
    dry_run = FlagField(required=False, default=False)
    confirm_effects = _ConfirmedField(
        "Refuse the whole request unless the changes start as many effects together. A dry run shows them. Needed when"
        " they start more than the tenant lets one request start unasked (50, unless it has set another number)."
    )
    mute_effects = MuteSerializer(required=False, allow_null=True, help_text=MUTE_HELP)


class ExportSerializer(StrictSerializer):
    """``POST /customers/{id}/export`` [SEC-7]."""

    reason = TextField(
        max_length=LONGEST_ADMINISTRATION_REASON,
        required=False,
        allow_blank=True,
        help_text="Why, for the administration log.",
    )


class ErasureSerializer(StrictSerializer):
    """``POST /customers/{id}/erase`` [SEC-7]."""

    reason = TextField(
        max_length=LONGEST_ADMINISTRATION_REASON, allow_blank=True, help_text="Why, for the administration log."
    )
    company = FlagField(required=False, default=False, help_text="Erase the company's name as well.")

    def to_internal_value(self, data: Any) -> Any:
        """Without a reason as with a blank one: the service says that it is missing."""
        return super().to_internal_value({"reason": "", **data} if isinstance(data, Mapping) else data)


class TargetField(serializers.Field[Any, Any, Any, Any]):
    """Where the customers of a stage go: its name, or an object with ``to`` and ``reason_code``."""

    def to_internal_value(self, data: Any) -> Any:
        """The target as it was sent; whether it is a good one is for the rules to say."""
        if not isinstance(data, str | Mapping):
            raise serializers.ValidationError('Give the name of a stage, or {"to": "...", "reason_code": "..."}.')
        return data


def _clean_target(target: Any) -> Any:
    if isinstance(target, str):
        return clean_line(target)
    return {**target, "to": clean_line(target["to"])} if isinstance(target.get("to"), str) else target


class PublicationSerializer(StrictSerializer):
    """A configuration, and what is to become of stages that are renamed or go away."""

    configuration = serializers.JSONField(help_text="The configuration.")
    renamed = serializers.DictField(
        child=TextField(max_length=LONGEST_STAGE),
        required=False,
        help_text="Stages of the live version -> their names in this one; their customers come along.",
    )
    mapping = serializers.DictField(
        child=TargetField(),
        required=False,
        help_text='Removed stages -> where their customers go: "stage" or {"to": "stage", "reason_code": "..."}.',
    )
    comment = TextField(max_length=LONGEST_COMMENT, required=False, allow_blank=True, help_text="Why, for the log.")
    start_effects = FlagField(required=False, default=False, help_text="The moves of the mapping start effects.")
    confirm_effects = _ConfirmedField("Refuse unless the moves start as many effects: the number of the preview.")

    @property
    def place(self) -> str:
        """Where the configuration is in the body, for the pointers of its errors."""
        return "/configuration" if is_wrapped(self.initial_data) else ""

    def to_internal_value(self, data: Any) -> Any:
        """Also a configuration by itself: what GET gives can be changed and put back."""
        asked = super().to_internal_value(data if is_wrapped(data) else {"configuration": data})
        if "renamed" in asked:
            asked["renamed"] = {clean_line(old): clean_line(new) for old, new in asked["renamed"].items()}
        if "mapping" in asked:
            asked["mapping"] = {clean_line(stage): _clean_target(to) for stage, to in asked["mapping"].items()}
        return asked


def is_wrapped(data: Any) -> bool:
    """Whether a body says more than the configuration, which has no key of this name."""
    return isinstance(data, Mapping) and "configuration" in data
