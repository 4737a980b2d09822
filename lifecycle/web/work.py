"""Notes and tasks as pages show them: with the names of people, and what the one who looks may do."""

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.utils import timezone

from lifecycle.models import Customer
from lifecycle.services.work.colleagues import list_colleagues
from lifecycle.services.work.encryption import Keys
from lifecycle.services.work.notes import LONGEST_TEXT
from lifecycle.services.work.tasks import LONGEST_TITLE, list_open_tasks
from lifecycle.web.people import say_you
from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE
from tenants.services.accounts.members import Recorded, name_members_then

Row = dict[str, Any]


def gather_work(customer_id: UUID, *, tenant: TenantRef, viewer: Identity, keys: Keys) -> Row:
    """The open tasks of a customer as they are kept, and what the forms for notes and tasks need.

    For those who may see history. Two statements; ``keys`` is the customer's data key.
    """
    sees_texts, today = viewer.may(UPDATE_LIFECYCLE), timezone.localdate()
    open_tasks = list_open_tasks(customer_id, tenant=tenant, today=today, sees_texts=sees_texts, keys=keys)
    return {"tasks": open_tasks, **form_context(tenant, viewer)}


def people_of(work: Row, now: dt.datetime) -> set[Recorded]:
    """Who of what ``gather_work`` found has to be named, and is not a colleague: as they are called now."""
    known = {str(id_) for id_, _username, _full_name in work["colleagues"]}
    return {(id_, now) for id_, _at in _people_of(work["tasks"], now) if id_ not in known}


def name_work(
    work: Row, names: Mapping[Recorded, str], now: dt.datetime, *, tenant: TenantRef, viewer: Identity
) -> Row:
    """The same as it is shown. No statement."""
    known = {str(id_): full_name or username for id_, username, full_name in work["colleagues"]}
    known |= {id_: name for (id_, at), name in names.items() if at == now}
    return work | {"tasks": show_tasks(work["tasks"], tenant=tenant, viewer=viewer, known=known)}


def form_context(tenant: TenantRef, viewer: Identity) -> Row:
    """What the forms for a note and a task need. One statement."""
    may_write = viewer.may(UPDATE_LIFECYCLE)
    return {
        "may_write": may_write,
        "colleagues": list_colleagues(tenant) if may_write else (),
        "longest_text": LONGEST_TEXT,
        "longest_title": LONGEST_TITLE,
        "today": timezone.localdate(),
        "viewer_id": viewer.user_id,
    }


def with_assignee(form: Row, task: Row) -> Row:
    """``form_context`` for the form of a task, as ``show_tasks`` shows it: with whom it is for among those offered.

    Who has left or may only look is not offered otherwise, nor is everyone of a large company. Of a task that is for
    one of them no choice would be marked, and saving another day would take it from them.
    """
    id_, known = task["assignee_id"], form["colleagues"]
    if id_ is None or any(id_ == other for other, _username, _full_name in known):
        return form
    return form | {"colleagues": [*known, (id_, "", task["assignee"])]}


def people_of_notes(rows: Sequence[Row]) -> set[Recorded]:
    """Who has written notes, and who has deleted them."""
    asked = {(row["created_by"], row["created_at"]) for row in rows}
    return asked | {(row["deleted_by"], row["deleted_at"]) for row in rows if row["deleted_by"]}


def show_notes(
    rows: Sequence[Row], *, tenant: TenantRef, viewer: Identity, names: Mapping[Recorded, str] | None = None
) -> list[Row]:
    """Each with ``who``, ``deleter`` and what the viewer may do with it.

    ``names``: those of ``people_of_notes``, for who has them. One statement without, none with them.
    """
    if names is None:
        names = name_members_then(people_of_notes(rows), tenant=tenant)
    names = say_you(names, viewer)
    return [_show_note(row, names, viewer) for row in rows]


def _show_note(row: Row, names: Mapping[tuple[str, dt.datetime], str], viewer: Identity) -> Row:
    return {
        **row,
        "who": names[row["created_by"], row["created_at"]],
        "deleter": names.get((row["deleted_by"], row["deleted_at"]), ""),
        **may_do(row, viewer),
    }


def may_do(note: Row, viewer: Identity) -> Row:
    """What the viewer may do with a note: ``may_edit``, ``may_delete``."""
    is_author = str(viewer.user_id) == note["created_by"]
    may_write = viewer.may(UPDATE_LIFECYCLE) and note["deleted_at"] is None
    return {
        "may_edit": may_write and is_author,
        "may_delete": may_write and (is_author or viewer.may(CONFIGURE_STAGES)),
    }


def _people_of(rows: Sequence[Row], now: dt.datetime) -> set[Recorded]:
    """Who has made tasks, who has done them, and whom they are for now."""
    asked = {(row["created_by"], row["created_at"]) for row in rows}
    asked |= {(row["done_by"], row["done_at"]) for row in rows if row["done_by"]}
    return asked | {(str(row["assignee_id"]), now) for row in rows if row["assignee_id"]}


def show_tasks(
    rows: Sequence[Row],
    *,
    tenant: TenantRef,
    viewer: Identity,
    with_customers: bool = False,
    known: Mapping[str, str] = MappingProxyType({}),
) -> list[Row]:
    """Each with the names of whom it is for, and of who has made and done it, as they were called then, and, if asked
    for, of its customer.

    ``known``: names that are there already. Two statements at most.
    """
    now = timezone.now()
    asked = {one for one in _people_of(rows, now) if one[0] not in known}
    names = name_members_then(asked, tenant=tenant)

    def name(id_: Any, at: Any) -> str:
        return (known.get(str(id_)) or names.get((str(id_), at), "")) if id_ else ""

    companies: Mapping[UUID, str] = {}
    if with_customers and rows:
        found = Customer.objects.filter(tenant_id=tenant.id, id__in={row["customer_id"] for row in rows})
        companies = dict(found.values_list("id", "name"))
    may_write = viewer.may(UPDATE_LIFECYCLE)
    return [
        {
            **row,
            "assignee": name(row["assignee_id"], now),
            "is_own": row["assignee_id"] == viewer.user_id,
            "who": name(row["created_by"], row["created_at"]),
            "doer": name(row["done_by"], row["done_at"]),
            "company": companies.get(row["customer_id"], ""),
            "may_write": may_write,
        }
        for row in rows
    ]
