"""Notes about customers: written, edited with every earlier version kept, deleted with a trace.

The author edits; the author or a tenant admin deletes. Texts lie under the customer's data key and go when the customer
is erased. Each step is in the administration log, without the text.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from uuid_utils.compat import uuid7

from audit.services.administration import record_administration, record_dated
from lifecycle.models import Customer, InsightState, Note, NoteVersion, Notification, Task
from lifecycle.services.effects.notices import Notice, notify_people
from lifecycle.services.work.colleagues import find_mentioned
from lifecycle.services.work.encryption import Keys, decrypt_texts, encrypt_text
from lifecycle.services.work.refusals import WorkRefused, check_version, lock_customer, refuse_value
from tenants.actors import Actor, TenantRef
from tenants.roles import CONFIGURE_STAGES
from tenants.rules.values import InvalidValue, read_paragraphs

LONGEST_TEXT: Final = 10_000
_TABLE: Final = "lifecycle_note"
_VERSIONS: Final = "lifecycle_noteversion"
NO_NOTE: Final = gettext_noop("There is no such note of this customer: check the id.")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class By:
    """Who writes, for which tenant, when, and with which request. ``is_backdated``: it was written elsewhere, then."""

    tenant: TenantRef
    actor: Actor
    now: dt.datetime
    request_id: UUID | None = None
    is_backdated: bool = False

    def new_id(self) -> UUID:
        """The id of what is written. Ids begin with the time: by them lists and the timeline are sorted."""
        if not self.is_backdated:
            return uuid7()
        return uuid7(timestamp=int(self.now.timestamp()), nanos=self.now.microsecond * 1000)


@dataclass(frozen=True, slots=True)
class Written:
    """A note as it is kept now, and the names in it that no one was notified by."""

    note: Row
    missed: tuple[str, ...] = ()


def write_note(customer_id: UUID, text: str, *, by: By) -> Written:
    """Keep a note and notify those whom it mentions. Call in the tenant's context. Raises WorkRefused."""
    text = read_text(text)
    lock_customer(customer_id, by.tenant)
    mentioned = find_mentioned(text, tenant=by.tenant)
    note = Note(
        id=by.new_id(),
        tenant_id=by.tenant.id,
        customer_id=customer_id,
        mentions=[str(user_id) for user_id in mentioned.user_ids],
        created_at=by.now,
        created_by=by.actor.name,
    )
    note.text = _encrypt(text, note, by.tenant)
    note.save(force_insert=True)
    record_step("write_note", "note", note, by)
    _notify(note, set(mentioned.user_ids), by)
    return Written(_describe(note, text), mentioned.missed)


def edit_note(note_id: UUID, text: str, *, customer_id: UUID, by: By, expected_version: int | None = None) -> Written:
    """Say something else instead; what it said before is kept. Those who were not mentioned before are notified.

    Only for the author. The same text again changes nothing. Raises WorkRefused.
    """
    text = read_text(text)
    note = _lock(note_id, customer_id, by.tenant)
    if note.created_by != by.actor.name:
        raise WorkRefused("permission_denied", _("Only the author may edit a note. Nothing was saved."))
    check_version(note.version, expected_version)
    before = _open([note], by.tenant)[note.id]
    if before == text:
        return Written(_describe(note, text))
    if before is not None:
        version = NoteVersion(
            id=uuid7(),
            tenant_id=by.tenant.id,
            note_id=note.id,
            number=note.version,
            written_at=note.edited_at or note.created_at,
        )
        version.text = encrypt_text(before, _VERSIONS, "text", version.id, customer_id=customer_id, tenant=by.tenant)
        version.save(force_insert=True)
    mentioned = find_mentioned(text, tenant=by.tenant)
    known = {UUID(one) for one in note.mentions}
    note.text = _encrypt(text, note, by.tenant)
    note.mentions = [str(user_id) for user_id in mentioned.user_ids]
    note.version += 1
    note.edited_at = by.now
    note.save(update_fields=["text", "mentions", "version", "edited_at"])
    record_step("edit_note", "note", note, by)
    _notify(note, set(mentioned.user_ids) - known, by)
    return Written(_describe(note, text), mentioned.missed)


def delete_note(note_id: UUID, *, customer_id: UUID, by: By) -> None:
    """Destroy what the note says, in every version. Who wrote it and who deleted it stays. Twice is once.

    For the author and for tenant admins. Raises WorkRefused.
    """
    note = _lock(note_id, customer_id, by.tenant, also_deleted=True)
    if note.created_by != by.actor.name and not by.actor.may(CONFIGURE_STAGES):
        raise WorkRefused(
            "permission_denied", _("Only the author or a tenant admin may delete a note. Nothing was deleted.")
        )
    if note.deleted_at is not None:
        return
    NoteVersion.objects.filter(tenant_id=by.tenant.id, note_id=note.id).delete()
    note.text, note.mentions, note.deleted_at, note.deleted_by = None, [], by.now, by.actor.name
    note.save(update_fields=["text", "mentions", "deleted_at", "deleted_by"])
    # What is kept of it about customers at risk is made again.
    InsightState.objects.filter(tenant_id=by.tenant.id, customer_id=customer_id).update(risk="")
    record_step("delete_note", "note", note, by)


def list_notes(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    before: UUID | None = None,
    limit: int = 50,
    sees_texts: bool = True,
    keys: Keys | None = None,
    with_deleted: bool = True,
) -> list[Row] | None:
    """The customer's notes, the latest first, deleted ones too, unless they are left out; None if there is no such
    customer. Three statements.
    """
    found = Note.objects.filter(tenant_id=tenant.id, customer_id=customer_id)
    if not with_deleted:
        found = found.filter(deleted_at=None)
    if before is not None:
        found = found.filter(id__lt=before)
    rows = list(found.order_by("-id")[:limit])
    if not rows and not Customer.objects.filter(tenant_id=tenant.id, id=customer_id).exists():
        return None
    return describe_notes(rows, tenant=tenant, sees_texts=sees_texts, keys=keys)


def count_notes(customer_id: UUID, *, tenant: TenantRef) -> int:
    """How many notes the customer has, deleted ones too. One statement."""
    return Note.objects.filter(tenant_id=tenant.id, customer_id=customer_id).count()


def read_note(note_id: UUID, *, customer_id: UUID, tenant: TenantRef, sees_texts: bool = True) -> Row | None:
    """One note with what it said before, the earliest first; None if the customer has no such note."""
    note = Note.objects.filter(tenant_id=tenant.id, customer_id=customer_id, id=note_id).first()
    if note is None:
        return None
    versions = list(NoteVersion.objects.filter(tenant_id=tenant.id, note_id=note.id).order_by("number"))
    (shown,) = describe_notes([note], tenant=tenant, sees_texts=sees_texts)
    texts = open_versions(versions, customer_id, tenant) if sees_texts else {}
    return {**shown, "versions": [_describe_version(one, texts.get(one.id)) for one in versions]}


def describe_notes(
    notes: Sequence[Note], *, tenant: TenantRef, sees_texts: bool = True, keys: Keys | None = None
) -> list[Row]:
    """Notes as plain dicts. ``text`` is None when it was deleted or erased, and for those who may not see texts."""
    texts = _open(notes, tenant, keys) if sees_texts else {}
    return [_describe(note, texts.get(note.id), is_masked=not sees_texts) for note in notes]


def open_versions(versions: Sequence[NoteVersion], customer_id: UUID, tenant: TenantRef) -> dict[UUID, str | None]:
    """What the versions said, by their id."""
    return dict(decrypt_texts([(_VERSIONS, "text", one.id, customer_id, one.text) for one in versions], tenant=tenant))


def read_text(text: str) -> str:
    """What is kept of what someone typed. Raises WorkRefused."""
    try:
        kept = read_paragraphs(text, LONGEST_TEXT)
    except InvalidValue as error:
        raise refuse_value("text", _("The note %(error)s. Nothing was saved."), error) from error
    if not kept:
        raise WorkRefused("invalid_request", _("Write something first: the note is empty."), "text")
    return kept


def _lock(note_id: UUID, customer_id: UUID, tenant: TenantRef, *, also_deleted: bool = False) -> Note:
    lock_customer(customer_id, tenant)
    rows = Note.objects.filter(tenant_id=tenant.id, customer_id=customer_id, id=note_id).select_for_update()
    note: Note | None = rows.first()
    if note is None:
        raise WorkRefused("not_found", _(NO_NOTE))
    if note.deleted_at is not None and not also_deleted:
        raise WorkRefused("conflict", _("This note was deleted. Nothing was saved."))
    return note


def _encrypt(text: str, note: Note, tenant: TenantRef) -> bytes:
    return encrypt_text(text, _TABLE, "text", note.id, customer_id=note.customer_id, tenant=tenant)


def _open(notes: Sequence[Note], tenant: TenantRef, keys: Keys | None = None) -> dict[UUID, str | None]:
    kept = [(_TABLE, "text", note.id, note.customer_id, note.text) for note in notes if note.text is not None]
    return dict(decrypt_texts(kept, tenant=tenant, keys=keys))


def _notify(note: Note, user_ids: set[UUID], by: By) -> None:
    others = {user_id for user_id in user_ids if str(user_id) != by.actor.name}
    notice = Notice(Notification.MENTION, note.id, note.customer_id, by.actor.name)
    notify_people(notice, others, tenant=by.tenant, now=by.now)


def _describe(note: Note, text: str | None, *, is_masked: bool = False) -> Row:
    return {
        "id": note.id,
        "customer_id": note.customer_id,
        "text": text,
        "text_erased": note.text is not None and text is None and not is_masked,
        "is_masked": is_masked and note.text is not None,
        "mentions": list(note.mentions),
        "created_at": note.created_at,
        "created_by": note.created_by,
        "version": note.version,
        "edited_at": note.edited_at,
        "deleted_at": note.deleted_at,
        "deleted_by": note.deleted_by or None,
    }


def _describe_version(version: NoteVersion, text: str | None) -> Row:
    return {"number": version.number, "text": text, "written_at": version.written_at}


def record_step(action: str, kind: str, row: Note | Task, by: By) -> None:
    """What was done with a note or a task, in the administration log, without its text."""
    detail = {kind: str(row.id), "version": row.version}
    if by.is_backdated:
        record_dated([describe_step(action, row, detail, by)], tenant_id=by.tenant.id)
        return
    record_administration(
        action,
        row.customer_id,
        tenant_id=by.tenant.id,
        actor=by.actor,
        detail=detail,
        request_id=by.request_id,
        now=by.now,
    )


def describe_step(action: str, row: Note | Task, detail: Row, by: By) -> Row:
    """The entry of the administration log for what was done elsewhere, then."""
    return {
        "actor": by.actor.name,
        "actor_kind": by.actor.kind,
        "action": action,
        "subject": str(row.customer_id),
        "detail": detail,
        "recorded_at": by.now,
    }
