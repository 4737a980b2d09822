"""Notes and tasks of a customer, and one's own tasks: lists, forms, and what the forms ask for."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from lifecycle.models import Customer
from lifecycle.queries.cursors import Position, encode_cursor
from lifecycle.services.work import notes, tasks
from lifecycle.services.work.notes import By, Written
from lifecycle.services.work.refusals import WorkRefused
from lifecycle.services.work.tasks import DONE, OPEN, TaskPosition
from lifecycle.web.address_reader import AddressReader
from lifecycle.web.pages import page
from lifecycle.web.submissions import once
from lifecycle.web.work import form_context, show_notes, show_tasks, with_assignee
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.permissions import describe_denial
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import UPDATE_LIFECYCLE, VIEW_HISTORY

PAGE = 30
Row = dict[str, Any]


@page(VIEW_HISTORY, "GET", "HEAD", "POST")
@once
def customer_notes(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """What people wrote about the customer, and the form for another note."""
    if request.method != "POST":
        return _show_notes(request, customer_id)
    text = request.POST.get("text", "")
    try:
        written = notes.write_note(customer_id, text, by=_by(request))
    except WorkRefused as refused:
        return _show_notes(request, customer_id, refusal=_judge(refused), text=text, status=_status_of(refused))
    _say_written(request, written, _("Your note was saved."))
    return redirect(f"{reverse('customer-page', args=[customer_id])}#note-{written.note['id']}")


@page(VIEW_HISTORY, "GET", "HEAD", "POST")
@once
def customer_note(request: TenantRequest, customer_id: UUID, note_id: UUID) -> HttpResponse:
    """One note with what it said before; its author edits it here."""
    refusal, text, status = "", None, 200
    if request.method == "POST":
        text = request.POST.get("text", "")
        version = _read_number(request.POST.get("version", ""))
        try:
            written = notes.edit_note(note_id, text, customer_id=customer_id, by=_by(request), expected_version=version)
        except WorkRefused as refused:
            refusal, status = _judge(refused), _status_of(refused)
        else:
            _say_written(request, written, _("Your note was changed. What it said before is kept."))
            return redirect("customer-note-page", customer_id, note_id)
    viewer = request.identity
    note = notes.read_note(
        note_id, customer_id=customer_id, tenant=request.tenant, sees_texts=viewer.may(UPDATE_LIFECYCLE)
    )
    if note is None:
        raise Http404
    (shown,) = show_notes([note], tenant=request.tenant, viewer=viewer)
    context = {
        **_frame(request, customer_id),
        **form_context(request.tenant, viewer),
        "note": shown,
        "text": note["text"] if text is None else text,
        "refusal": refusal,
    }
    return render(request, "work/note.html", context, status=status)


@page(UPDATE_LIFECYCLE, "POST")
def delete_note(request: TenantRequest, customer_id: UUID, note_id: UUID) -> HttpResponse:
    """Destroy what the note says."""
    try:
        notes.delete_note(note_id, customer_id=customer_id, by=_by(request))
    except WorkRefused as refused:
        messages.error(request, _judge(refused))
    else:
        messages.success(request, _("The note was deleted."))
    return redirect(f"{reverse('customer-page', args=[customer_id])}#note-{note_id}")


@page(VIEW_HISTORY, "GET", "HEAD", "POST")
@once
def customer_tasks(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """What is to be done about the customer and what was, and the form for another task."""
    if request.method != "POST":
        return _show_tasks(request, customer_id)
    try:
        asked = _read_task(request)
        task = tasks.create_task(customer_id, by=_by(request), **asked)
    except WorkRefused as refused:
        return _show_tasks(request, customer_id, refusal=_judge(refused), status=_status_of(refused))
    messages.success(request, _("The task was saved."))
    return redirect(f"{reverse('customer-page', args=[customer_id])}#task-{task['id']}")


@page(UPDATE_LIFECYCLE, "GET", "HEAD", "POST")
@once
def customer_task(request: TenantRequest, customer_id: UUID, task_id: UUID) -> HttpResponse:
    """One task, and the form that changes it."""
    refusal, status = "", 200
    if request.method == "POST":
        version = _read_number(request.POST.get("version", ""))
        try:
            tasks.change_task(
                task_id, customer_id=customer_id, by=_by(request), expected_version=version, **_read_task(request)
            )
        except WorkRefused as refused:
            refusal, status = _judge(refused), _status_of(refused)
        else:
            messages.success(request, _("The task was changed."))
            return redirect(f"{reverse('customer-page', args=[customer_id])}#task-{task_id}")
    today = timezone.localdate()
    task = tasks.read_task(task_id, customer_id=customer_id, tenant=request.tenant, today=today)
    if task is None:
        raise Http404
    (shown,) = show_tasks([task], tenant=request.tenant, viewer=request.identity)
    given = (
        request.POST if refusal else {"title": task["title"], "due_on": task["due_on"], "assignee": task["assignee_id"]}
    )
    context = {
        **_frame(request, customer_id),
        **with_assignee(form_context(request.tenant, request.identity), shown),
        "task": shown,
        "given": {name: str(given.get(name) or "") for name in ("title", "due_on", "assignee")},
        "refusal": refusal,
    }
    return render(request, "work/task.html", context, status=status)


@page(UPDATE_LIFECYCLE, "POST")
def set_task_state(request: TenantRequest, customer_id: UUID, task_id: UUID) -> HttpResponse:
    """The task is done, or open again."""
    done = request.POST.get("state") == DONE
    try:
        tasks.change_task(task_id, customer_id=customer_id, by=_by(request), done=done)
    except WorkRefused as refused:
        messages.error(request, _judge(refused))
    else:
        messages.success(request, _("The task is done.") if done else _("The task is open again."))
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None, require_https=request.is_secure()):
        back = f"{reverse('customer-page', args=[customer_id])}#tasks"
    return redirect(back)


@page(VIEW_HISTORY)
def own_tasks(request: TenantRequest) -> HttpResponse:
    """What the person has to do, the most urgent first, or what of theirs is done."""
    asked = AddressReader(request.GET)
    state = asked.choose("state", (OPEN, DONE), OPEN)
    question = f"own-tasks|{request.identity.user_id}|{state}".encode()
    position = asked.read_position(question)
    rows = _list_own(request, state, TaskPosition(position.key, UUID(position.id)) if position else None)
    if position is not None and not rows:
        # The last ones of a later page were done from there: those before them are not.
        rows = _list_own(request, state, None)
    last = tasks.position_of(rows[PAGE - 1]) if len(rows) > PAGE else None
    context = {
        "troubles": asked.troubles,
        "tasks": show_tasks(rows[:PAGE], tenant=request.tenant, viewer=request.identity, with_customers=True),
        "state": state,
        "next": encode_cursor(Position(last.key, str(last.id)), question=question) if last else "",
        "stage_colors": {},
    }
    return render(request, "work/own_tasks.html", context, status=asked.status)


def _list_own(request: TenantRequest, state: str, after: TaskPosition | None) -> list[Row]:
    return tasks.list_own_tasks(
        request.identity.user_id,
        tenant=request.tenant,
        today=timezone.localdate(),
        state=state,
        after=after,
        limit=PAGE + 1,
        sees_texts=request.identity.may(UPDATE_LIFECYCLE),
    )


def _show_notes(
    request: TenantRequest, customer_id: UUID, *, refusal: str = "", text: str = "", status: int = 200
) -> HttpResponse:
    question = f"notes-page|{customer_id}".encode()
    asked = AddressReader(request.GET)
    position = asked.read_position(question)
    viewer = request.identity
    rows = notes.list_notes(
        customer_id,
        tenant=request.tenant,
        before=UUID(position.id) if position else None,
        limit=PAGE + 1,
        sees_texts=viewer.may(UPDATE_LIFECYCLE),
    )
    if rows is None:
        raise Http404
    context = {
        **_frame(request, customer_id),
        **form_context(request.tenant, viewer),
        "notes": show_notes(rows[:PAGE], tenant=request.tenant, viewer=viewer),
        "next": _next_of(rows, question),
        "troubles": asked.troubles,
        "refusal": refusal,
        "text": text,
    }
    return render(request, "work/notes.html", context, status=max(status, asked.status))


def _show_tasks(request: TenantRequest, customer_id: UUID, *, refusal: str = "", status: int = 200) -> HttpResponse:
    question = f"tasks-page|{customer_id}".encode()
    asked = AddressReader(request.GET)
    position = asked.read_position(question)
    viewer = request.identity
    rows = tasks.list_tasks(
        customer_id,
        tenant=request.tenant,
        today=timezone.localdate(),
        before=UUID(position.id) if position else None,
        limit=PAGE + 1,
        sees_texts=viewer.may(UPDATE_LIFECYCLE),
    )
    if rows is None:
        raise Http404
    context = {
        **_frame(request, customer_id),
        **form_context(request.tenant, viewer),
        "tasks": show_tasks(rows[:PAGE], tenant=request.tenant, viewer=viewer),
        "next": _next_of(rows, question),
        "troubles": asked.troubles,
        "refusal": refusal,
        # Of a form that was not sent nothing is given: it offers the task to the person, as on the customer's page.
        "given": {name: request.POST.get(name, "") for name in ("title", "due_on", "assignee")} if refusal else None,
    }
    return render(request, "work/tasks.html", context, status=max(status, asked.status))


def _frame(request: TenantRequest, customer_id: UUID) -> Row:
    """What every page about one customer needs. One statement. Raises Http404."""
    rows = Customer.objects.filter(tenant_id=request.tenant.id, id=customer_id)
    name = rows.values_list("name", flat=True).first()
    if name is None:
        raise Http404
    return {"customer_id": customer_id, "name": name, "stage_colors": {}}


def _by(request: TenantRequest) -> By:
    """Who writes. Raises PermissionDenied for those who may only look."""
    if not request.identity.may(UPDATE_LIFECYCLE):
        raise PermissionDenied(describe_denial(request.identity, UPDATE_LIFECYCLE))
    return By(request.tenant, request.identity.actor(), timezone.now(), current_request_id())


def _read_task(request: TenantRequest) -> Row:
    return {
        "title": request.POST.get("title", ""),
        "due_on": _read_day(request.POST.get("due_on", "")),
        "assignee": request.POST.get("assignee") or None,
    }


def _read_day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text.strip() else None
    except ValueError as error:
        raise WorkRefused(
            "invalid_request",
            _("The due date is not a day: choose one, or leave it empty. Nothing was saved."),
            "due_on",
        ) from error


def _read_number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _next_of(rows: list[Row], question: bytes) -> str:
    if len(rows) <= PAGE:
        return ""
    last = str(rows[PAGE - 1]["id"])
    return encode_cursor(Position(last, last), question=question)


def _judge(refused: WorkRefused) -> str:
    """The sentence to show above the form. Raises what the refusal is where there is nothing to correct."""
    if refused.code == "not_found":
        raise Http404 from refused
    if refused.code == "permission_denied":
        raise PermissionDenied(refused.sentence) from refused
    return refused.sentence


def _status_of(refused: WorkRefused) -> int:
    return STATUS_OF_CODE[refused.code]


def _say_written(request: TenantRequest, written: Written, sentence: str) -> None:
    messages.success(request, sentence)
    if written.missed:
        names = _(", ").join(f"@{name}" for name in written.missed)
        messages.warning(
            request,
            _("No one was notified by %(names)s: no colleague with access to notes has that name.") % {"names": names},
        )
