"""Working on uploads: reading, dry run, import, in pieces of about a second, resumable at any point.

A worker leases an upload for half a minute at a time. Each batch is one transaction with its progress and its rejected
lines, under the lock of the upload's row: a kill leaves both or neither, and a worker that has lost its lease can
commit nothing. Who is in the midst of a batch loses none, however long it takes: two workers would take turns at the
same batch for ever. Anyone who takes over reads the lines before again, to know whom they named, and writes none of
them.
"""

import datetime as dt
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from lifecycle.models import ImportUpload
from lifecycle.services.imports.columns import MappingRefused
from lifecycle.services.imports.counts import Counts, counts_of
from lifecycle.services.imports.evidence import Evidence
from lifecycle.services.imports.files import RecordReader
from lifecycle.services.imports.importing import EffectsNotAgreed, Import
from lifecycle.services.imports.parts import (
    MOST_SHOWN,
    Facts,
    Kind,
    UploadGone,
    add_part,
    delete_parts,
    open_reader,
    open_upload,
    read_facts,
    write_facts,
)
from lifecycle.services.imports.rejects import Rejected, RejectLines
from lifecycle.services.imports.survey import gather_evidence
from lifecycle.services.imports.texts import FileRefused
from lifecycle.services.imports.uploads import NOT_AGREED, record_stop
from storage.cipher import Undecryptable
from storage.failures import concerns_every_tenant, describe, is_transient
from tenants.actors import Actor, TenantRef, system_actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS
from tenants.rules.messages import Message
from tenants.services.configuration.policies import NoConfiguration
from tenants.services.directory import PLATFORM, list_tenants

WORKER: Final = system_actor("import_customers")
LEASE: Final = dt.timedelta(seconds=30)
# So often the same lines are tried where others hold the customers: each time when the lease is over.
TRIES: Final = 5
ACTIVE: Final = (ImportUpload.State.READING, ImportUpload.State.CHECKING, ImportUpload.State.IMPORTING)

# Held while a batch of the upload is written; the lock of its row would keep people waiting who want to stop it.
_HOLD: Final = "SELECT pg_advisory_xact_lock(hashtextextended('import ' || %s, 0))"
_TRY_TO_HOLD: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('import ' || %s, 0))"

log = structlog.get_logger(__name__)

State = ImportUpload.State


class _LeaseLost(Exception):
    """Someone stopped or discarded the upload, or another worker has taken it over."""


class UploadWorker:
    """One process that works on the uploads of all tenants, in turns."""

    def __init__(self) -> None:
        self.id: UUID = uuid7()
        self._jobs: dict[UUID, Generator[None]] = {}
        # Where the run began that others were in the way of, and how many began there.
        self._held_up: dict[UUID, tuple[int, int]] = {}

    def work(self, *, enough: Callable[[], object] = lambda: False) -> bool:
        """One piece of each upload that waits; whether there was any. Call outside of any transaction.

        ``enough`` is asked between pieces. Raises only when the database is away.
        """
        for tenant in find_tenants_with_uploads():
            for upload in self._claim(tenant):
                if enough():
                    return True
                if upload.id not in self._jobs:
                    self._jobs[upload.id] = self._run(upload, tenant)
        jobs = list(self._jobs.items())
        for upload_id, job in jobs:
            try:
                next(job)
            except StopIteration:
                del self._jobs[upload_id]
            except BaseException:
                del self._jobs[upload_id]
                raise
            if enough():
                break
        return bool(jobs)

    def close(self) -> None:
        """Let go of what is at hand; another worker goes on when the lease is over."""
        for job in self._jobs.values():
            job.close()
        self._jobs.clear()

    def _run(self, upload: ImportUpload, tenant: TenantRef) -> Generator[None]:
        """Work on an upload until it is finished; what goes wrong is said on its page."""
        lease, begun_at = _Lease(upload, self.id), upload.line
        try:
            yield from _read(upload, lease) if upload.state == State.READING else _import(upload, tenant, lease)
        except _LeaseLost:
            return
        except UploadGone:
            lease.end(State.REFUSED, Message("file_not_kept"))
        except FileRefused as refusal:
            candidates = [(list(one.names), one.example) for one in refusal.candidates]
            lease.end(State.REFUSED, refusal.page_message, candidates=candidates)
        except MappingRefused as refusal:
            lease.end(State.READY, refusal.page_message)
        except EffectsNotAgreed as refusal:
            lease.end(State.READY, Message(NOT_AGREED, {"effect": str(refusal)}))
        except NoConfiguration:
            lease.end(State.READY, Message("import_without_configuration"))
        except Exception as error:
            if concerns_every_tenant(error):
                raise
            if is_transient(error) and self._may_try_again(upload.id, begun_at):
                # From what was committed, when the lease is over.
                log.warning("upload held up", tenant=tenant.slug, upload=str(upload.id), error=describe(error))
                return
            log.error("upload failed", tenant=tenant.slug, upload=str(upload.id), error=describe(error))
            what = "import_undecryptable" if isinstance(error, Undecryptable) else "import_failed"
            line = lease.counts.line
            message = Message(f"{what}_after", {"line": line}) if line else Message(what)
            lease.end(State.REFUSED if upload.state == State.READING else State.READY, message)
        self._held_up.pop(upload.id, None)

    def _may_try_again(self, upload_id: UUID, line: int) -> bool:
        """Whether a run that others were in the way of, and that had begun behind ``line``, is worth another."""
        before, tries = self._held_up.get(upload_id, (line, 0))
        self._held_up[upload_id] = (line, tries + 1 if line == before else 1)
        return self._held_up[upload_id][1] < TRIES

    def _claim(self, tenant: TenantRef) -> list[ImportUpload]:
        now = timezone.now()
        free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        with tenant_context(tenant.id):
            rows = ImportUpload.objects.filter(tenant_id=tenant.id, state__in=ACTIVE)
            waiting = rows.filter(free).select_for_update(skip_locked=True).order_by("id")
            claimed = [upload for upload in waiting if _is_at_rest(upload)]
            ids = [upload.id for upload in claimed]
            if ids:
                rows.filter(id__in=ids).update(worker=self.id, leased_until=now + LEASE)
        for upload in claimed:
            # It was this worker's before, and a piece took longer than the lease: from what was committed.
            self._jobs.pop(upload.id, None)
            upload.worker = self.id
        return claimed


def _is_at_rest(upload: ImportUpload) -> bool:
    """Whether no one is in the midst of a batch, and until the transaction ends no one begins one."""
    with connection.cursor() as cursor:
        cursor.execute(_TRY_TO_HOLD, [str(upload.id)])
        return bool(cursor.fetchone()[0])


def find_tenants_with_uploads() -> list[TenantRef]:
    """The tenants whose uploads wait to be worked on. Two statements, over the platform connection."""
    ids = set(ImportUpload.objects.using(PLATFORM).filter(state__in=ACTIVE).values_list("tenant_id", flat=True))
    return [tenant for tenant in list_tenants() if tenant.id in ids] if ids else []


def _read(upload: ImportUpload, lease: "_Lease") -> Generator[None]:
    """Find out about the encoding and the columns."""
    with tenant_context(upload.tenant_id):
        facts = read_facts(upload)
    with open_upload(upload) as file:
        reader = RecordReader(file, upload.kind, facts.encoding or None)
        evidence = Evidence(reader.columns)
        for _ in gather_evidence(evidence, reader):
            lease.renew(reader.position)
            yield
        if not evidence.records:
            raise FileRefused("no_lines")
        found = Facts(
            encoding=facts.encoding,
            codec=reader.encoding,
            columns=list(reader.columns or evidence.columns),
            evidence=evidence.to_document(),
        )
        lease.end(State.READY, facts=found)


def _import(upload: ImportUpload, tenant: TenantRef, lease: "_Lease") -> Generator[None]:
    """Judge every line, and write it unless it is a dry run."""
    is_import = upload.state == State.IMPORTING
    with tenant_context(tenant.id):
        facts = read_facts(upload)
    plan, refusal = facts.plan()
    if refusal is not None:
        raise refusal
    actor = Actor(kind=upload.started_by_kind, name=upload.started_by, permissions=frozenset(PERMISSIONS))
    with open_upload(upload) as file:
        reader = open_reader(file, upload, facts)
        run = Import(
            reader,
            plan,
            _PartRejects(lease, reader),
            name=upload.name,
            tenant=tenant,
            actor=actor,
            begun=upload.started_at or timezone.now(),
            as_of=upload.as_of,
            dry_run=not is_import,
            starts_effects=is_import and facts.starts_effects,
            agreed=facts.foreseen,
            done=lease.counts,
            done_effects=facts.started,
        )
        committed = lease.counts.line
        for counts in run:
            if counts.line == committed:
                # What an earlier run has done is read again.
                lease.keep()
            committed = counts.line
            yield
    with tenant_context(tenant.id):
        lease.finish(State.DONE if is_import else State.READY)
        if not is_import:
            write_facts(upload, replace(read_facts(upload), foreseen=dict(run.effects)))
        if is_import:
            # With the last thing that has to be kept: another run would be another entry.
            run.record_run()


class _PartRejects:
    """Keeps the rejected lines beside the upload, and how far it is."""

    def __init__(self, lease: "_Lease", reader: RecordReader) -> None:
        self._lease, self._lines = lease, RejectLines(reader)

    def begin(self) -> None:
        """Have the lease until the batch ends."""
        self._lease.hold()

    def keep(self, rejected: Sequence[Rejected], counts: Counts, effects: Mapping[str, int]) -> None:
        """In the transaction of the batch."""
        lease, before = self._lease, self._lease.counts
        lease.advance(counts)
        if rejected:
            written = [self._lines.write_line(record, sentence) for record, sentence in rejected]
            if not before.rejected:
                written.insert(0, self._lines.write_header())
            add_part(lease.upload, Kind.REJECTS, counts.line, b"".join(written))
        shown = rejected if before.rejected < MOST_SHOWN else ()
        if shown or effects:
            facts = read_facts(lease.upload)
            facts.refusals += [(record.line, sentence) for record, sentence in shown]
            del facts.refusals[MOST_SHOWN:]
            facts.started = dict(effects)
            write_facts(lease.upload, facts)


class _Lease:
    """The right to write about an upload: as long as its row says so."""

    def __init__(self, upload: ImportUpload, worker: UUID) -> None:
        self.upload, self._worker = upload, worker
        self.counts = counts_of(upload)

    def hold(self) -> None:
        """Have it until the transaction ends, however long that takes. Raises _LeaseLost."""
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, [str(self.upload.id)])
        if not self._held().exists():
            raise _LeaseLost

    def keep(self) -> None:
        """Have it for another while. Raises _LeaseLost."""
        with tenant_context(self.upload.tenant_id):
            self._update()

    def renew(self, position: int) -> None:
        """As ``keep``; the page shows the position."""
        with tenant_context(self.upload.tenant_id):
            self._update(position=min(position, self.upload.size))

    def advance(self, counts: Counts) -> None:
        """Note how far the lines are, in the transaction that has written them. Raises _LeaseLost."""
        self._update(
            line=counts.line,
            position=min(counts.position, self.upload.size),
            created=counts.created,
            changed=counts.changed,
            unchanged=counts.unchanged,
            rejected=counts.rejected,
        )
        self.counts = counts

    def finish(self, state: State) -> None:
        """The run is over; after an import the file is not needed any more. In the tenant's context."""
        is_import = state == State.DONE
        self._update(
            state=state,
            position=self.upload.size,
            finished_at=timezone.now(),
            checked_revision=None if is_import else F("revision"),
            worker=None,
            leased_until=None,
        )
        if is_import:
            delete_parts(self.upload, Kind.FILE)

    def end(
        self,
        state: State,
        said: Message | None = None,
        *,
        candidates: list[tuple[list[str], str]] | None = None,
        facts: Facts | None = None,
    ) -> None:
        """Hand it back to people, with what is to be said; nothing, if it is no longer this worker's."""
        upload = self.upload
        # Also of a run that a process of a former release has begun.
        ran = {} if upload.state == State.READING else {"ran": upload.state, "ran_revision": upload.revision}
        try:
            with tenant_context(upload.tenant_id):
                self._update(state=state, finished_at=timezone.now(), worker=None, leased_until=None, **ran)
                known = facts or replace(read_facts(upload), candidates=candidates or [])
                known.said = (said.name, dict(said.params)) if said else None
                write_facts(upload, known)
                if said and self.counts.line:
                    # What it had done is in the row as it was committed last.
                    upload.refresh_from_db()
                    record_stop(upload, actor=WORKER, now=timezone.now(), because=said.name)
        except _LeaseLost:
            return

    def _held(self) -> QuerySet[ImportUpload]:
        upload = self.upload
        return ImportUpload.objects.filter(
            tenant_id=upload.tenant_id, id=upload.id, worker=self._worker, state=upload.state, revision=upload.revision
        )

    def _update(self, **values: object) -> None:
        if not self._held().update(**{"leased_until": timezone.now() + LEASE, **values}):
            raise _LeaseLost
