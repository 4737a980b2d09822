"""Recording what was done to a tenant itself: who, what, why. In the transaction of the action."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.models import AdministrationEntry

# Subject by subject: for many at once a planner whose statistics do not know of the last hour reads all of that hour.
_RECORDED: Final = """
SELECT e.id, e.subject, e.detail FROM unnest(%(subjects)s::text[]) asked (subject)
 CROSS JOIN LATERAL (
       SELECT a.id, a.subject, a.detail FROM audit_administration a
        WHERE a.tenant_id = %(tenant_id)s AND a.subject = asked.subject AND a.id >= %(first)s
          AND a.recorded_at >= %(since)s AND a.actor = %(actor)s AND a.action = %(action)s
       OFFSET 0) e
"""


class Author(Protocol):
    """Who did it: ``tenants.actors.Actor``, of whom this floor knows no more."""

    @property
    def kind(self) -> str:
        """A person, a service account, or the system."""

    @property
    def name(self) -> str:
        """The user's id, or ``system:<name>``."""


def record_administration(
    action: str,
    subject: UUID | str = "",
    *,
    tenant_id: UUID | None,
    actor: Author,
    now: dt.datetime,
    reason: str = "",
    detail: dict[str, Any] | None = None,
    request_id: UUID | None = None,
) -> None:
    """Append one entry. Call inside the tenant's context and the transaction that does what it says. One statement.

    ``tenant_id`` None: about a super admin, in the context of that user (``subject`` is the user's id).
    """
    AdministrationEntry.objects.create(
        tenant_id=tenant_id,
        recorded_at=now,
        actor=actor.name,
        actor_kind=actor.kind,
        action=action,
        subject=str(subject),
        reason=reason,
        detail=detail or {},
        request_id=request_id,
    )


def record_many(
    action: str,
    entries: Sequence[tuple[str, dict[str, Any]]],
    *,
    tenant_id: UUID,
    actor: Author,
    now: dt.datetime,
    request_id: UUID | None = None,
) -> None:
    """As ``record_administration`` for one action on many: ``entries``: subject and detail of each. One statement."""
    AdministrationEntry.objects.bulk_create(
        AdministrationEntry(
            tenant_id=tenant_id,
            recorded_at=now,
            actor=actor.name,
            actor_kind=actor.kind,
            action=action,
            subject=subject,
            detail=detail,
            request_id=request_id,
        )
        for subject, detail in entries
    )


def list_recorded(
    action: str, subjects: Sequence[str], since: dt.datetime, *, tenant_id: UUID, actor: str
) -> list[tuple[str, dict[str, Any]]]:
    """Subject and detail of what the actor has done to these since then, as ``record_many`` takes them.

    Call inside the tenant's context. One statement, which reads what was done to these since then and nothing else of
    the log (``administration_by_subject``): ids begin with the time that they were made.
    """
    asked = {
        "tenant_id": tenant_id,
        "subjects": list(subjects),
        # What a clock that is behind has made is asked for, too.
        "first": _id_at(since - dt.timedelta(minutes=5)),
        "since": since,
        "actor": actor,
        "action": action,
    }
    return [(entry.subject, entry.detail) for entry in AdministrationEntry.objects.raw(_RECORDED, asked)]


def record_dated(entries: Iterable[Mapping[str, Any]], *, tenant_id: UUID) -> None:
    """As ``record_administration`` for what was done elsewhere, each by its own actor at its own time: each entry has
    ``actor``, ``actor_kind``, ``action``, ``subject``, ``detail`` and ``recorded_at``. One statement for each thousand.

    Their ids begin with that time: by them the log is sorted.
    """
    rows = (AdministrationEntry(id=_id_at(entry["recorded_at"]), tenant_id=tenant_id, **entry) for entry in entries)
    AdministrationEntry.objects.bulk_create(rows, batch_size=1000)


def _id_at(at: dt.datetime) -> UUID:
    return uuid7(timestamp=int(at.timestamp()), nanos=at.microsecond * 1000)
