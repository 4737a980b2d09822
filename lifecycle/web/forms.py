"""What the pages send: shapes and types. What is allowed is for the rules to say."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.transitions import LONGEST_NOTE, LONGEST_REASON, LONGEST_STAGE
from tenants.rules.texts import unify_breaks
from tenants.rules.values import InvalidValue, read_paragraphs
from tenants.sentences import describe_value

LONGEST_MUTE_REASON = 500


class ParagraphsField(forms.CharField):
    """A text of several lines. A browser sends two characters for each break, which its own limit counts as one."""

    def to_python(self, value: Any) -> Any:
        """The text with its breaks as they are kept."""
        text = super().to_python(value)
        return unify_breaks(text) if isinstance(text, str) else text


class _ToStageForm(forms.Form):
    """Where to, and whether that is to start automations."""

    stage = forms.CharField(
        max_length=LONGEST_STAGE, strip=False, error_messages={"required": gettext_lazy("Choose a stage.")}
    )
    mute = forms.BooleanField(required=False)
    mute_reason = forms.CharField(max_length=LONGEST_MUTE_REASON, required=False)

    def clean(self) -> dict[str, Any]:
        """What is not started is not started for a reason."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("mute") and not cleaned.get("mute_reason"):
            self.add_error("mute_reason", _("Give a reason why no automation should start. Nothing was saved."))
        return cleaned

    def sentence(self) -> str:
        """What is wrong with the form, in one sentence a field."""
        return " ".join(f"{errors[0]}" for errors in self.errors.values())


class MoveForm(_ToStageForm):
    """The dialog "Change stage". Each stage has its own field for the reason, and for the number of effects that were
    shown beside it: only those of the chosen one count.
    """

    version = forms.IntegerField(min_value=0)
    configuration_version = forms.IntegerField(min_value=0)
    effects = forms.IntegerField(min_value=0, required=False)
    reason = forms.CharField(max_length=LONGEST_REASON, required=False)
    note = ParagraphsField(max_length=LONGEST_NOTE, required=False)

    def __init__(self, data: Mapping[str, Any]) -> None:
        of_stage = {name: data.get(f"{name}:{data.get('stage')}") for name in ("reason", "effects")}
        super().__init__({**{name: data.get(name) for name in data}, **of_stage})

    def clean_note(self) -> str:
        """The note as every entry point keeps it."""
        try:
            return read_paragraphs(self.cleaned_data["note"], LONGEST_NOTE)
        except InvalidValue as error:
            raise forms.ValidationError(_("The note %(error)s.") % {"error": describe_value(error)}) from error


class BulkMoveForm(_ToStageForm):
    """The same for many customers, in two steps: where to, and then what was shown of it."""

    reason = forms.CharField(max_length=LONGEST_REASON, required=False)
    configuration_version = forms.IntegerField(min_value=0, required=False)
    effects = forms.IntegerField(min_value=0, required=False)
    typed = forms.IntegerField(
        required=False,
        error_messages={"invalid": gettext_lazy("The number of automations is written in digits. Nothing was saved.")},
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        given = {name: data.get(name) for name in data}
        of_stage = data.get(f"reason:{data.get('stage')}")
        super().__init__(given if of_stage is None else {**given, "reason": of_stage})

    @property
    def chosen(self) -> tuple[str, str]:
        """The stage and the reason as they were given, empty for none."""
        return self.data.get("stage") or "", (self.data.get("reason") or "")[:LONGEST_REASON]
