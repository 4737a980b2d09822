"""What a tenant admin does with an uploaded file: keep it, choose, start, stop, discard. A worker does the rest.

Each decision is made on what the caller has seen (``revision``), under the lock of the upload's row, and recorded.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from django.db import transaction

from audit.services.administration import record_administration
from lifecycle.models import ImportUpload
from lifecycle.sentences.codes import UPLOAD_STATES, name_code
from lifecycle.services.imports.counts import counts_of, total_of
from lifecycle.services.imports.encoding_names import EncodingRefused, find_codec
from lifecycle.services.imports.files import find_kind
from lifecycle.services.imports.parts import (
    PART_BYTES,
    Facts,
    Kind,
    add_part,
    delete_parts,
    open_reader,
    open_upload,
    read_facts,
    write_facts,
)
from lifecycle.services.imports.refusals import ImportRefusal
from tenants.actors import Actor, TenantRef
from tenants.models import Tenant
from tenants.rules.messages import Message

# Below what a form with a file may have in all (MAX_UPLOAD_BYTES), so that it is refused in the page and in words.
LARGEST: Final = 30_000_000
MOST_KEPT: Final = 10
KEPT: Final = dt.timedelta(hours=24)
_ROWS_SHOWN: Final = 5
_RECORDS_LOOKED_AT: Final = 200

State = ImportUpload.State


class UploadRefused(ImportRefusal):
    """What was asked for cannot be done; the message says why. Nothing was changed."""


def store_upload(
    file: BinaryIO, *, name: str, size: int, kind: str, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> ImportUpload:
    """Keep a file for a day and have it read. ``kind``: csv, ndjson, or "" to tell it by the name.

    Raises FileRefused for what can be seen at once to be no such file, UploadRefused for one that is too large.
    """
    if size > LARGEST:
        raise UploadRefused("upload_too_large", size=size, most=LARGEST)
    if not size:
        raise UploadRefused("upload_empty")
    name = "".join(letter for letter in name if letter.isprintable())
    kind = find_kind(file, Path(name), kind)
    with transaction.atomic():
        if ImportUpload.objects.filter(tenant_id=tenant.id).count() >= MOST_KEPT:
            raise UploadRefused("too_many_uploads", most=MOST_KEPT)
        upload = ImportUpload.objects.create(
            tenant_id=tenant.id, name=name[-255:], size=size, kind=kind, created_at=now, created_by=actor.name
        )
        number = 0
        while piece := file.read(PART_BYTES):
            add_part(upload, Kind.FILE, number, piece)
            number += 1
        _record("upload_import", upload, actor=actor, now=now, detail={"bytes": size})
    return upload


def find_upload(upload_id: UUID, *, tenant: TenantRef) -> ImportUpload | None:
    """An upload of the tenant, or None. One statement."""
    return ImportUpload.objects.filter(tenant_id=tenant.id, id=upload_id).first()


def list_uploads(tenant: TenantRef) -> list[ImportUpload]:
    """The uploads that are kept, newest first. One statement."""
    return list(ImportUpload.objects.filter(tenant_id=tenant.id).order_by("-id"))


def show_rows(upload: ImportUpload, facts: Facts) -> list[Mapping[str, object]]:
    """The first good records: column -> what is there. Raises UploadGone."""
    rows: list[Mapping[str, object]] = []
    with open_upload(upload) as file:
        for number, record in enumerate(open_reader(file, upload, facts)):
            if record.error is None:
                rows.append(record.cells)
            if len(rows) == _ROWS_SHOWN or number == _RECORDS_LOOKED_AT:
                break
    return rows


def choose_encoding(
    upload_id: UUID, *, encoding: str, revision: int, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> None:
    """Have the file read again, in this encoding. Raises UploadRefused."""
    try:
        find_codec(encoding)
    except EncodingRefused as refusal:
        name, params = refusal.message
        raise UploadRefused(name, **params) from None
    with transaction.atomic():
        upload = _lock(upload_id, revision, (State.REFUSED, State.READY), tenant=tenant)
        write_facts(upload, Facts(encoding=encoding))
        delete_parts(upload, Kind.REJECTS)
        _move(upload, State.READING, actor=actor, now=now)
        _record("choose_import_encoding", upload, actor=actor, now=now, detail={"encoding": encoding})


def choose_columns(
    upload_id: UUID,
    *,
    mapping: Mapping[str, str | None],
    as_of: dt.datetime | None,
    revision: int,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> int:
    """Say which column is which field; the new revision. Raises UploadRefused, MappingRefused."""
    with transaction.atomic():
        upload = _lock(upload_id, revision, (State.READY,), tenant=tenant)
        facts = read_facts(upload)
        if (dict(mapping), as_of) == (facts.mapping, upload.as_of):
            return upload.revision
        _, refusal = facts.plan(mapping)
        if refusal is not None:
            raise refusal
        facts.mapping, facts.said = dict(mapping), None
        write_facts(upload, facts)
        upload.as_of = as_of
        if upload.last_run == State.IMPORTING:
            # What was imported stays true; with other columns the next import begins at the first line.
            upload.line = upload.position = 0
            upload.revision += 1
            upload.ran_revision = upload.revision
            upload.checked_revision = None
            upload.save()
        else:
            _move(upload, State.READY, actor=actor, now=now)
        _record("map_import", upload, actor=actor, now=now, detail={"fields": sorted(filter(None, mapping.values()))})
    return upload.revision


def start_run(
    upload_id: UUID,
    *,
    dry_run: bool,
    revision: int,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    starts_effects: bool = False,
    confirmed: int | None = None,
) -> None:
    """Have the file imported, or judged without writing anything.

    An import starts nothing, unless ``starts_effects``: then new customers start what the dry run of the same columns
    has counted, and above the tenant's budget that number is to be ``confirmed``. Raises UploadRefused, MappingRefused.
    """
    with transaction.atomic():
        upload = _lock(upload_id, revision, (State.READY,), tenant=tenant)
        facts = read_facts(upload)
        _, refusal = facts.plan()
        if refusal is not None:
            raise refusal
        if dry_run:
            facts.foreseen = {}
        elif starts_effects:
            _check_effects(upload, facts, confirmed)
        facts.starts_effects, facts.started = starts_effects and not dry_run, {}
        facts.said, facts.refusals = None, []
        write_facts(upload, facts)
        delete_parts(upload, Kind.REJECTS)
        _move(upload, State.CHECKING if dry_run else State.IMPORTING, actor=actor, now=now)
        detail: dict[str, object] = {"effects": facts.foreseen} if facts.starts_effects else {}
        _record("check_import" if dry_run else "begin_import", upload, actor=actor, now=now, detail=detail)


def go_on_with_import(upload_id: UUID, *, revision: int, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """Have an import that was stopped go on behind the last line that it had dealt with, as the same import: what was
    counted and rejected before stays, and no more starts than was agreed to for all of it. Raises UploadRefused.
    """
    with transaction.atomic():
        upload = _lock(upload_id, revision, (State.READY,), tenant=tenant)
        facts = read_facts(upload)
        if not can_go_on(upload, facts):
            raise UploadRefused("import_needs_agreement" if upload.can_go_on else "import_cannot_go_on")
        facts.said = None
        write_facts(upload, facts)
        upload.state = State.IMPORTING
        upload.revision += 1
        upload.ran_revision = upload.revision
        # The time stays at which it began: by it the values of the file are older or newer than others.
        upload.started_by, upload.started_by_kind = actor.name, actor.kind
        upload.finished_at = upload.worker = upload.leased_until = upload.checked_revision = None
        upload.save()
        _record("begin_import", upload, actor=actor, now=now, detail={"after_line": upload.line})


def can_go_on(upload: ImportUpload, facts: Facts) -> bool:
    """Whether an import that was stopped can go on: not where it would at once be stopped again, by the same batch."""
    return upload.can_go_on and (facts.said is None or facts.said[0] != NOT_AGREED)


def asks_for_number(foreseen: Mapping[str, int], *, tenant_id: UUID) -> bool:
    """Whether so many effects are above the tenant's budget. One statement."""
    budget = Tenant.objects.filter(id=tenant_id).values_list("effects_budget", flat=True).get()
    return sum(foreseen.values()) > budget


def _check_effects(upload: ImportUpload, facts: Facts, confirmed: int | None) -> None:
    if upload.checked_revision != upload.revision:
        raise UploadRefused("upload_not_checked")
    count = sum(facts.foreseen.values())
    if confirmed != count and asks_for_number(facts.foreseen, tenant_id=upload.tenant_id):
        raise UploadRefused("upload_effects_unconfirmed", count=count)


def stop_run(upload_id: UUID, *, revision: int, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """Stop after the batch at hand. What was imported stays, and is passed over the next time. Raises UploadRefused."""
    with transaction.atomic():
        upload = _lock(upload_id, revision, (State.CHECKING, State.IMPORTING), tenant=tenant)
        facts = read_facts(upload)
        stopped = "check_stopped" if upload.state == State.CHECKING else "import_stopped"
        facts.said = (stopped, {"line": upload.line})
        write_facts(upload, facts)
        # Also of a run that a process of a former release has begun.
        upload.ran = upload.state
        upload.state = State.READY
        upload.revision += 1
        upload.ran_revision = upload.revision
        upload.finished_at = now
        upload.worker = upload.leased_until = None
        upload.save()
        record_stop(upload, actor=actor, now=now)


def record_stop(upload: ImportUpload, *, actor: Actor, now: dt.datetime, because: str = "") -> None:
    """Note that an import or a dry run ended before the end of its file, and what it had done. One statement.

    The upload itself is destroyed after a day; this stays. ``because``: the name of the message that says why.
    """
    detail = {"run": upload.last_run, **_count(upload), **({"because": because} if because else {})}
    _record("stop_import", upload, actor=actor, now=now, detail=detail)


def _count(upload: ImportUpload) -> dict[str, object]:
    return {"line": upload.line, **total_of(counts_of(upload))}


def discard_upload(upload_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> None:
    """Destroy the file and what was rejected of it. What was imported stays. Raises UploadRefused."""
    with transaction.atomic():
        upload = ImportUpload.objects.select_for_update().filter(tenant_id=tenant.id, id=upload_id).first()
        if upload is None:
            raise UploadRefused(GONE.name)
        _record("discard_import", upload, actor=actor, now=now, detail=_count(upload))
        upload.delete()


def record_download(upload: ImportUpload, *, actor: Actor, now: dt.datetime) -> None:
    """Note that someone took the rejected lines, which name people. One statement."""
    _record("download_rejects", upload, actor=actor, now=now, detail={"rejected": upload.rejected})


def destroy_uploads(tenant: TenantRef) -> int:
    """Destroy every upload of the tenant, also one that is being imported; how many.

    For an erasure: any of the files may name the person. What was imported stays; the rest is to be uploaded again.
    """
    count, _ = ImportUpload.objects.filter(tenant_id=tenant.id).delete()
    return count


def forget_uploads(tenant_id: UUID, *, before: dt.datetime, limit: int) -> int:
    """Destroy up to ``limit`` uploads from before then; how many. Inside the tenant's context.

    Not one that a worker is importing: half of it would be done, and no one could go on with it, or see how far it was.
    """
    old = ImportUpload.objects.filter(tenant_id=tenant_id, created_at__lt=before)
    old = old.exclude(state=State.IMPORTING, leased_until__gt=before + KEPT).order_by("id")[:limit]
    count, _ = ImportUpload.objects.filter(tenant_id=tenant_id, id__in=list(old.values_list("id", flat=True))).delete()
    return count


GONE: Final = Message("upload_gone")
# What more than the dry run has counted would start: the name of the message that the worker leaves.
NOT_AGREED: Final = "effects_not_agreed"


def _lock(upload_id: UUID, revision: int, states: tuple[State, ...], *, tenant: TenantRef) -> ImportUpload:
    upload = ImportUpload.objects.select_for_update().filter(tenant_id=tenant.id, id=upload_id).first()
    if upload is None:
        raise UploadRefused(GONE.name)
    if upload.revision != revision or upload.state not in states:
        raise UploadRefused("upload_changed", state=name_code(UPLOAD_STATES, upload.state))
    return upload


def _move(upload: ImportUpload, state: State, *, actor: Actor, now: dt.datetime) -> None:
    """On to a state, from the beginning of the file."""
    upload.state = state
    upload.ran = state if state in (State.CHECKING, State.IMPORTING) else ""
    upload.revision += 1
    upload.ran_revision = upload.revision if upload.ran else None
    upload.line = upload.position = upload.created = upload.changed = upload.unchanged = upload.rejected = 0
    upload.started_at, upload.started_by, upload.started_by_kind = now, actor.name, actor.kind
    upload.finished_at = upload.worker = upload.leased_until = upload.checked_revision = None
    upload.save()


def _record(
    action: str, upload: ImportUpload, *, actor: Actor, now: dt.datetime, detail: dict[str, object] | None = None
) -> None:
    record_administration(
        action,
        upload.name,
        tenant_id=upload.tenant_id,
        actor=actor,
        detail={"upload": str(upload.id), **(detail or {})},
        now=now,
    )
