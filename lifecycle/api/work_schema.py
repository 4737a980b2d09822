"""Notes and tasks in the description of the API."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from lifecycle.api import work_responses as responses
from lifecycle.api.openapi.configuration import NO_NUL
from lifecycle.api.openapi.parameters import CUSTOMER, ETAG, IDEMPOTENCY_KEY, IF_MATCH, PAGING, REPLAYED
from lifecycle.api.schema import describe
from lifecycle.api.serializers import LONGEST_NAME
from lifecycle.api.work_serializers import NoteSerializer, TaskChangeSerializer, TaskSerializer
from lifecycle.services.work.tasks import STATES

TAG = "work"
NOTE = OpenApiParameter("note_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The note.")
TASK = OpenApiParameter("task_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The task.")
STATE = OpenApiParameter("state", str, enum=STATES, description="Only those that are open, or done.")
ASSIGNEE = OpenApiParameter(
    "assignee",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": NO_NUL, "default": "me"},
    description="Whose tasks: `me`, or a colleague by any of their names: id, user name or external subject.",
)
OPEN = OpenApiParameter(
    "open",
    str,
    enum=("true", "false"),
    description="true: those that are open, as `state=open`; false: those that are done.",
)
_WRITING = (IDEMPOTENCY_KEY, REPLAYED)

LIST_NOTES = describe("list_notes", TAG, CUSTOMER, *PAGING, answer=responses.NotePageResponse)
WRITE_NOTE = describe(
    "write_note",
    TAG,
    CUSTOMER,
    *_WRITING,
    request=NoteSerializer,
    answer=responses.WrittenNoteResponse,
    status=201,
    problems=(422,),
)
GET_NOTE = describe("get_note", TAG, CUSTOMER, NOTE, ETAG, answer=responses.NoteDetailResponse)
EDIT_NOTE = describe(
    "edit_note",
    TAG,
    CUSTOMER,
    NOTE,
    IF_MATCH,
    *_WRITING,
    request=NoteSerializer,
    answer=responses.WrittenNoteResponse,
    problems=(409, 412, 422),
)
DELETE_NOTE = describe("delete_note", TAG, CUSTOMER, NOTE, answer=None, status=204)
LIST_TASKS = describe("list_tasks", TAG, CUSTOMER, STATE, *PAGING, answer=responses.TaskPageResponse)
CREATE_TASK = describe(
    "create_task",
    TAG,
    CUSTOMER,
    *_WRITING,
    request=TaskSerializer,
    answer=responses.TaskResponse,
    status=201,
    problems=(422,),
)
GET_TASK = describe("get_task", TAG, CUSTOMER, TASK, ETAG, answer=responses.TaskResponse)
CHANGE_TASK = describe(
    "change_task",
    TAG,
    CUSTOMER,
    TASK,
    IF_MATCH,
    *_WRITING,
    request=TaskChangeSerializer,
    answer=responses.TaskResponse,
    problems=(412, 422),
)
LIST_OWN_TASKS = describe("list_own_tasks", TAG, ASSIGNEE, OPEN, STATE, *PAGING, answer=responses.TaskPageResponse)
GET_TASK_BY_ID = describe("get_task_by_id", TAG, TASK, ETAG, answer=responses.TaskResponse)
CHANGE_TASK_BY_ID = describe(
    "change_task_by_id",
    TAG,
    TASK,
    IF_MATCH,
    *_WRITING,
    request=TaskChangeSerializer,
    answer=responses.TaskResponse,
    problems=(412, 422),
)
