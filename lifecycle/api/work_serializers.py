"""What requests about notes and tasks may say."""

from typing import Any

from rest_framework import serializers

from lifecycle.api.serializers import LONGEST_NAME, FlagField
from lifecycle.services.work.notes import LONGEST_TEXT
from lifecycle.services.work.tasks import LONGEST_TITLE
from tenants.api.serializers import StrictSerializer, TextField
from tenants.rules.texts import unify_breaks

TEXT_HELP = "Plain text. @name mentions a colleague: a user name, or what stands before its @."
ASSIGNEE_HELP = "Who is to do it: `me`, or any of their names (id, user name, external subject). null: no one."


class _ParagraphsField(TextField):
    """A text of several lines. Its length is that of what is kept: a line break counts once, as CR LF too."""

    def to_internal_value(self, data: Any) -> str:
        """The text with its line breaks as they are kept. Raises ValidationError for anything else."""
        return unify_breaks(super().to_internal_value(data))


class NoteSerializer(StrictSerializer):
    """``POST`` and ``PATCH`` of a note."""

    text = _ParagraphsField(max_length=LONGEST_TEXT, allow_blank=True, help_text=TEXT_HELP)


class TaskSerializer(StrictSerializer):
    """``POST /customers/{id}/tasks``."""

    title = TextField(max_length=LONGEST_TITLE, allow_blank=True)
    due_on = serializers.DateField(required=False, allow_null=True)
    assignee = TextField(max_length=LONGEST_NAME, required=False, allow_null=True, help_text=ASSIGNEE_HELP)


class TaskChangeSerializer(StrictSerializer):
    """``PATCH /customers/{id}/tasks/{task_id}``: what is not given stays."""

    title = TextField(max_length=LONGEST_TITLE, required=False, allow_blank=True)
    due_on = serializers.DateField(required=False, allow_null=True)
    assignee = TextField(max_length=LONGEST_NAME, required=False, allow_null=True, help_text=ASSIGNEE_HELP)
    done = FlagField(required=False, help_text="true: it is done now. false: it is open again.")
