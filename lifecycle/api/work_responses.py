"""The responses about notes and tasks."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from lifecycle.api.paging import PageResponse
from lifecycle.api.rendering import ResponseSerializer

MASKED_HELP = "There is a text that the caller may not see: it needs the permission update_lifecycle."


class NoteResponse(ResponseSerializer):
    """What somebody wrote about a customer."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField()
    text = serializers.CharField(allow_null=True, help_text="null: deleted, erased or masked.")
    text_erased = serializers.BooleanField(help_text="It went with the customer's personal data.")
    is_masked = serializers.BooleanField(help_text=MASKED_HELP)
    mentions = serializers.ListField(child=serializers.UUIDField(), help_text="The colleagues that the text mentions.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    version = serializers.IntegerField(help_text="Rises with each edit; also the ETag.")
    edited_at = serializers.DateTimeField(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True)
    deleted_by = serializers.CharField(allow_null=True)


class WrittenNoteResponse(NoteResponse):
    """The note as it is kept, and the names in it that lead to no one who may read it."""

    not_notified = serializers.ListField(child=serializers.CharField())


class NoteVersionResponse(ResponseSerializer):
    """What a note said before it was edited."""

    number = serializers.IntegerField()
    text = serializers.CharField(allow_null=True)
    written_at = serializers.DateTimeField()


class NoteDetailResponse(NoteResponse):
    """A note with what it said before, the earliest first."""

    versions = NoteVersionResponse(many=True)


@extend_schema_serializer(many=False)
class NotePageResponse(PageResponse):
    """A page of notes."""

    results = NoteResponse(many=True)


class TaskResponse(ResponseSerializer):
    """Something to be done about a customer."""

    id = serializers.UUIDField()
    customer_id = serializers.UUIDField()
    title = serializers.CharField(allow_null=True, help_text="null: erased or masked.")
    title_erased = serializers.BooleanField(help_text="It went with the customer's personal data.")
    is_masked = serializers.BooleanField(help_text=MASKED_HELP)
    due_on = serializers.DateField(allow_null=True)
    is_overdue = serializers.BooleanField(help_text="It is open and its day is past, in UTC.")
    assignee_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    done_at = serializers.DateTimeField(allow_null=True)
    done_by = serializers.CharField(allow_null=True)
    version = serializers.IntegerField(help_text="Rises with each change; also the ETag.")


@extend_schema_serializer(many=False)
class TaskPageResponse(PageResponse):
    """A page of tasks."""

    results = TaskResponse(many=True)
