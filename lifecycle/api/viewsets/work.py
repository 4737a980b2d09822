"""Notes and tasks of a customer, and the caller's own tasks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import work_responses as responses
from lifecycle.api import work_schema as schema
from lifecycle.api.filters import read_limit, refuse_choice, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.paging import PAGING, read_position, surround
from lifecycle.api.preconditions import format_etag, read_if_match
from lifecycle.api.serializers import LONGEST_NAME
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.api.work_serializers import NoteSerializer, TaskChangeSerializer, TaskSerializer
from lifecycle.queries.cursors import Position, encode_cursor
from lifecycle.services.work import notes, tasks
from lifecycle.services.work.notes import NO_NOTE, By
from lifecycle.services.work.refusals import WorkRefused
from lifecycle.services.work.tasks import DONE, NO_TASK, OPEN, STATES, TaskPosition
from tenants.api.serializers import StrictSerializer
from tenants.middleware import current_request_id
from tenants.refusals import RequestRefused
from tenants.roles import UPDATE_LIFECYCLE, VIEW_LIFECYCLE
from tenants.services.accounts.members import find_members

NO_SUCH_TASK: Final = gettext_noop("There is no such task: check the id.")
# The caller, as an assignee.
ME: Final = "me"
_STATE_OF_FLAG: Final = {"true": OPEN, "false": DONE}

Row = dict[str, Any]


class WorkViewSet(TenantViewSet):
    """What notes and tasks share."""

    @property
    def by(self) -> By:
        """Who writes, for the services."""
        return By(self.tenant, self.identity.actor(), timezone.now(), current_request_id())

    @property
    def sees_texts(self) -> bool:
        """Whether texts are shown: those who see contacts masked see them masked."""
        return self.identity.may(UPDATE_LIFECYCLE)

    def read_page(self, *filters: str) -> tuple[int, Position | None]:
        """How long the page is, and where the cursor says that it begins. Raises RequestRefused."""
        parameters = self.request.query_params
        refuse_unknown_parameters(parameters, (*filters, *PAGING))
        return read_limit(parameters), read_position(parameters, self.question())

    def show_page(
        self, rows: Sequence[Row], limit: int, answer: Any, position: Position | None, *, count: Callable[[], int]
    ) -> Response:
        """A page of ``limit`` rows; ``position``: where the next one begins; ``count``: of all pages."""
        cursor = encode_cursor(position, question=self.question()) if position else None
        return Response(answer.render({"results": list(rows[:limit]), **surround(self.request, cursor, count=count)}))

    def question(self) -> bytes:
        """What a cursor belongs to."""
        state = self.request.query_params.get("state", "")
        return f"{type(self).__name__}|{self.kwargs['customer_id']}|{state}".encode()


class NoteViewSet(WorkViewSet):
    """``/customers/{id}/notes``."""

    required_permissions: ClassVar[dict[str, str]] = {
        "list": VIEW_LIFECYCLE,
        "retrieve": VIEW_LIFECYCLE,
        "create": UPDATE_LIFECYCLE,
        "partial_update": UPDATE_LIFECYCLE,
        "destroy": UPDATE_LIFECYCLE,
    }

    @schema.LIST_NOTES
    def list(self, request: Request, customer_id: str) -> Response:
        """What people wrote about the customer, the latest first. Of deleted notes it says who deleted them."""
        limit, position = self.read_page()
        rows = notes.list_notes(
            self.customer_id,
            tenant=self.tenant,
            before=UUID(position.id) if position else None,
            limit=limit + 1,
            sees_texts=self.sees_texts,
        )
        return self.show_page(
            self.found(rows),
            limit,
            responses.NotePageResponse,
            _last(self.found(rows), limit),
            count=lambda: notes.count_notes(self.customer_id, tenant=self.tenant),
        )

    @schema.WRITE_NOTE
    @idempotent
    def create(self, request: Request, customer_id: str) -> Response:
        """Write a note. Colleagues whom it mentions are notified as they prefer, if they may read it."""
        body = NoteSerializer.read(request.data)
        with refusals():
            written = notes.write_note(self.customer_id, body["text"], by=self.by)
        return _show_written(written, status=201)

    @schema.GET_NOTE
    def retrieve(self, request: Request, customer_id: str, note_id: str) -> Response:
        """One note, with what it said before it was edited."""
        refuse_unknown_parameters(request.query_params, ())
        note = notes.read_note(
            read_id(note_id, "note_id"),
            customer_id=self.customer_id,
            tenant=self.tenant,
            sees_texts=self.sees_texts,
        )
        if note is None:
            raise RequestRefused("not_found", _(NO_NOTE))
        return Response(responses.NoteDetailResponse.render(note), headers={"ETag": format_etag(note["version"])})

    @schema.EDIT_NOTE
    @idempotent
    def partial_update(self, request: Request, customer_id: str, note_id: str) -> Response:
        """Say something else; what it said before is kept. For the author."""
        body = NoteSerializer.read(request.data)
        id_ = read_id(note_id, "note_id")
        expected = read_if_match(request, current=lambda: self._version_of(id_))
        with refusals():
            written = notes.edit_note(
                id_, body["text"], customer_id=self.customer_id, by=self.by, expected_version=expected
            )
        return _show_written(written)

    @schema.DELETE_NOTE
    def destroy(self, request: Request, customer_id: str, note_id: str) -> Response:
        """Destroy what the note says, in every version; who wrote and who deleted it stays. For authors and admins."""
        with refusals():
            notes.delete_note(read_id(note_id, "note_id"), customer_id=self.customer_id, by=self.by)
        return Response(status=204)

    def _version_of(self, note_id: UUID) -> int | None:
        note = notes.read_note(note_id, customer_id=self.customer_id, tenant=self.tenant, sees_texts=False)
        return note["version"] if note else None


class TaskViewSet(WorkViewSet):
    """``/customers/{id}/tasks``."""

    required_permissions: ClassVar[dict[str, str]] = {
        "list": VIEW_LIFECYCLE,
        "retrieve": VIEW_LIFECYCLE,
        "create": UPDATE_LIFECYCLE,
        "partial_update": UPDATE_LIFECYCLE,
    }
    no_task: ClassVar[str] = NO_TASK

    @schema.LIST_TASKS
    def list(self, request: Request, customer_id: str) -> Response:
        """What is to be done about the customer, and what was; the latest first."""
        limit, position = self.read_page("state")
        state = read_state(request)
        rows = tasks.list_tasks(
            self.customer_id,
            tenant=self.tenant,
            today=timezone.now().date(),
            state=state,
            before=UUID(position.id) if position else None,
            limit=limit + 1,
            sees_texts=self.sees_texts,
        )
        return self.show_page(
            self.found(rows),
            limit,
            responses.TaskPageResponse,
            _last(self.found(rows), limit),
            count=lambda: tasks.count_tasks(self.customer_id, tenant=self.tenant, state=state),
        )

    @schema.CREATE_TASK
    @idempotent
    def create(self, request: Request, customer_id: str) -> Response:
        """Make a task. Whom it is given to is notified as they prefer."""
        body = self.read(TaskSerializer, request)
        with refusals():
            task = tasks.create_task(self.customer_id, by=self.by, **body)
        return _show_task(task, status=201)

    @schema.GET_TASK
    def retrieve(self, request: Request, customer_id: str, task_id: str) -> Response:
        """One task."""
        return self.show(request, self.customer_id, task_id)

    @schema.CHANGE_TASK
    @idempotent
    def partial_update(self, request: Request, customer_id: str, task_id: str) -> Response:
        """Change a task, say that it is done, or open it again. What is not given stays."""
        body = self.read(TaskChangeSerializer, request)
        return self.change(request, self.customer_id, task_id, body)

    def read(self, serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
        """What the body says of a task. The caller may be called ``me``, as in a list."""
        body: dict[str, Any] = serializer.read(request.data)
        return body | {"assignee": str(self.identity.user_id)} if body.get("assignee") == ME else body

    def show(self, request: Request, customer_id: UUID, task_id: str) -> Response:
        """One task of the customer. Raises RequestRefused."""
        refuse_unknown_parameters(request.query_params, ())
        task = self._read(read_id(task_id, "task_id"), customer_id)
        if task is None:
            raise RequestRefused("not_found", _(self.no_task))
        return _show_task(task)

    def change(self, request: Request, customer_id: UUID, task_id: str, body: dict[str, Any]) -> Response:
        """One task of the customer as it is after the change. Raises RequestRefused."""
        id_ = read_id(task_id, "task_id")
        expected = read_if_match(request, current=lambda: (self._read(id_, customer_id) or {}).get("version"))
        with refusals():
            task = tasks.change_task(id_, customer_id=customer_id, by=self.by, expected_version=expected, **body)
        return _show_task(task)

    def _read(self, task_id: UUID, customer_id: UUID) -> Row | None:
        today = timezone.now().date()
        return tasks.read_task(
            task_id, customer_id=customer_id, tenant=self.tenant, today=today, sees_texts=self.sees_texts
        )


class TaskOfAnyoneViewSet(TaskViewSet):
    """``/tasks``: what is given to the caller or a colleague, of all customers; each by its id alone."""

    required_permissions: ClassVar[dict[str, str]] = {
        "list": VIEW_LIFECYCLE,
        "retrieve": VIEW_LIFECYCLE,
        "partial_update": UPDATE_LIFECYCLE,
    }
    no_task: ClassVar[str] = NO_SUCH_TASK
    # The customers that the answer is about, for what is kept of it.
    answered: set[UUID]

    @schema.LIST_OWN_TASKS
    def list(self, request: Request) -> Response:
        """The caller's own tasks, or a colleague's: open ones, the most urgent first, or those that are done, the
        latest first.
        """
        parameters = request.query_params
        refuse_unknown_parameters(parameters, ("assignee", "open", "state", *PAGING))
        state = _read_open(request) or read_state(request) or OPEN
        person = self._read_assignee(parameters.get("assignee", ME))
        question = f"tasks|{person}|{state}".encode()
        limit, position = read_limit(parameters), read_position(parameters, question)
        rows = tasks.list_own_tasks(
            person,
            tenant=self.tenant,
            today=timezone.now().date(),
            state=state,
            after=TaskPosition(position.key, UUID(position.id)) if position else None,
            limit=limit + 1,
            sees_texts=self.sees_texts,
        )
        last = tasks.position_of(rows[limit - 1]) if len(rows) > limit else None
        cursor = encode_cursor(Position(last.key, str(last.id)), question=question) if last else None
        around = surround(request, cursor, count=lambda: tasks.count_own_tasks(person, tenant=self.tenant, state=state))
        return Response(responses.TaskPageResponse.render({"results": rows[:limit], **around}))

    @schema.GET_TASK_BY_ID
    def retrieve(self, request: Request, task_id: str) -> Response:
        """One task, of whichever customer."""
        return self.show(request, self._find_customer(task_id), task_id)

    @schema.CHANGE_TASK_BY_ID
    @idempotent
    def partial_update(self, request: Request, task_id: str) -> Response:
        """Change a task, say that it is done, or open it again. What is not given stays."""
        body = self.read(TaskChangeSerializer, request)
        customer_id = self._find_customer(task_id)
        self.answered = {customer_id}
        return self.change(request, customer_id, task_id, body)

    def _find_customer(self, task_id: str) -> UUID:
        found = tasks.find_customer_of_task(read_id(task_id, "task_id"), tenant=self.tenant)
        if found is None:
            raise RequestRefused("not_found", _(NO_SUCH_TASK))
        return found

    def _read_assignee(self, name: str) -> UUID:
        if name == ME:
            return self.identity.user_id
        is_name = 0 < len(name) <= LONGEST_NAME
        found = find_members([name], tenant=self.tenant).get(name) if is_name else None
        if found is None:
            raise refuse_parameter(
                "assignee", _("No active colleague has this name: give me, an id, a user name or an external subject.")
            )
        return found


def read_state(request: Request) -> str | None:
    """The parameter ``state``. Raises RequestRefused."""
    state: str | None = request.query_params.get("state")
    if state is not None and state not in STATES:
        raise refuse_choice("state", STATES)
    return state


def _read_open(request: Request) -> str | None:
    """The state that the parameter ``open`` asks for; not beside another. Raises RequestRefused."""
    asked = request.query_params.get("open")
    if asked is None:
        return None
    if asked not in _STATE_OF_FLAG:
        raise refuse_choice("open", _STATE_OF_FLAG)
    if read_state(request) not in (None, _STATE_OF_FLAG[asked]):
        raise refuse_parameter("open", _("open and state contradict each other: give one of them."))
    return _STATE_OF_FLAG[asked]


@contextmanager
def refusals() -> Iterator[None]:
    """A refusal of the services as the answer to the request."""
    try:
        yield
    except WorkRefused as refused:
        errors = []
        if refused.field:
            errors = [{"pointer": f"#/{refused.field}", "detail": refused.sentence, "code": refused.code}]
        raise RequestRefused(refused.code, refused.sentence, errors=errors) from refused


def _last(rows: Sequence[Row], limit: int) -> Position | None:
    return Position(str(rows[limit - 1]["id"]), str(rows[limit - 1]["id"])) if len(rows) > limit else None


def _show_written(written: notes.Written, *, status: int = 200) -> Response:
    body = responses.WrittenNoteResponse.render({**written.note, "not_notified": list(written.missed)})
    return Response(body, status=status, headers={"ETag": format_etag(written.note["version"])})


def _show_task(task: Row, *, status: int = 200) -> Response:
    headers = {"ETag": format_etag(task["version"])}
    return Response(responses.TaskResponse.render(task), status=status, headers=headers)
