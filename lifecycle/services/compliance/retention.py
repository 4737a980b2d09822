"""What is forgotten when its time is over, row by row: in transactions of bounded size, until nothing old is left.

Inbox, outbox and refused attempts are not: they are filed by period, and go with it (``storage.periods``).

Each step takes one tenant after the other, so that one whose rows cannot be deleted leaves the others alone. Several
processes may forget at once: rows that one of them is deleting are passed over by the others.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import Final
from uuid import UUID

import structlog
from django.db import connection

from lifecycle.models import (
    NO_TENANT,
    BulkChange,
    Customer,
    DeadLetter,
    EffectRun,
    EffectTally,
    ImportUpload,
    Notification,
)
from lifecycle.services.bulk import working as bulk
from lifecycle.services.customers.pins import release_expired_pins
from lifecycle.services.effects import forgetting
from lifecycle.services.imports import uploads
from lifecycle.services.transitions import idempotency
from storage.cursors import prepared_cursor
from storage.failures import concerns_every_tenant, describe
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.services.directory import PLATFORM, list_slugs

log = structlog.get_logger(__name__)

# Rows of one transaction: some tens of milliseconds.
BATCH: Final = 5000
FORGET_DEAD_LETTERS: Final = """
DELETE FROM lifecycle_deadletter WHERE id = ANY(ARRAY(
    SELECT id FROM lifecycle_deadletter
     WHERE tenant_id = %(tenant_id)s::uuid AND resolved_at < %(before)s::timestamptz
     LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED))
"""

# Rows that belong to no tenant: what of each table is over.
FORGET_ENDED: Final[Mapping[str, str]] = {
    "sessions": """
DELETE FROM django_session WHERE session_key = ANY(ARRAY(
    SELECT session_key FROM django_session WHERE expire_date < %(now)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
""",
    # What their owners see of them, also of those whose session was deleted before its time.
    "open sessions": """
DELETE FROM tenants_opensession WHERE id = ANY(ARRAY(
    SELECT id FROM tenants_opensession WHERE expires_at < %(now)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
""",
    "refresh tokens": """
DELETE FROM tenants_refreshtoken WHERE digest = ANY(ARRAY(
    SELECT digest FROM tenants_refreshtoken WHERE expires_at < %(now)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
""",
    # Of people who have changed nothing for two hours.
    "update budgets": "SELECT FROM forget_updates(%(limit)s)",
    # Where mail was switched off while some waited; else its sender has dealt with it long before.
    "mails": """
DELETE FROM tenants_queuedmail WHERE id = ANY(ARRAY(
    SELECT id FROM tenants_queuedmail WHERE created_at < %(now)s - interval '7 days'
     LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
""",
}

Stop = Callable[[], object]


def _never() -> bool:
    return False


def forget_dead_letters(*, before: dt.datetime, stop: Stop = _never) -> int:
    """Delete dead letters that were resolved before then. The administration log keeps the action. How many."""
    old = DeadLetter.objects.using(PLATFORM).filter(resolved_at__lt=before)

    def forget(tenant_id: UUID) -> int:
        with prepared_cursor("default") as cursor:
            cursor.execute(FORGET_DEAD_LETTERS, {"tenant_id": tenant_id, "before": before, "limit": BATCH})
            count: int = cursor.rowcount
        return count

    return _forget_all("dead letters", set(old.values_list("tenant_id", flat=True).distinct()), forget, stop)


def forget_answers(*, now: dt.datetime, stop: Stop = _never) -> int:
    """Delete kept answers to idempotent requests whose day is over; how many. A tenant that still sends requests
    removes its own with each of them: this is for those that do not.
    """
    before = now - idempotency.LIFETIME

    def forget(tenant_id: UUID) -> int:
        return idempotency.sweep_answers(tenant_id, outdated=before, limit=BATCH)

    # No role reads the answers of all tenants.
    return _forget_all("answers", _list_keepers(), forget, stop)


def forget_old_uploads(*, now: dt.datetime, stop: Stop = _never) -> int:
    """Destroy uploaded files whose day is over, also those that were never imported; how many."""
    before = now - uploads.KEPT
    old = ImportUpload.objects.using(PLATFORM).filter(created_at__lt=before)

    def forget(tenant_id: UUID) -> int:
        return uploads.forget_uploads(tenant_id, before=before, limit=BATCH)

    return _forget_all("uploads", set(old.values_list("tenant_id", flat=True).distinct()), forget, stop)


def forget_bulk_changes(*, now: dt.datetime, stop: Stop = _never) -> int:
    """Forget selections of customers that were never confirmed, and changes of many that ended long ago; how many."""
    old = BulkChange.objects.using(PLATFORM).filter(created_at__lt=now - bulk.UNCONFIRMED_KEPT)

    def forget(tenant_id: UUID) -> int:
        return bulk.forget_changes(tenant_id, now=now, limit=BATCH)

    return _forget_all("bulk changes", set(old.values_list("tenant_id", flat=True).distinct()), forget, stop)


def forget_old_effects(*, now: dt.datetime, stop: Stop = _never) -> int:
    """Delete effects that have ended, notifications and tallies when their time is over; how many."""
    before = now - forgetting.KEPT

    def forget(tenant_id: UUID) -> int:
        return forgetting.forget_effects(tenant_id, before=before, limit=BATCH)

    # Each by itself: people are notified of mentions and tasks also in a tenant that starts nothing.
    old = (
        EffectRun.objects.using(PLATFORM).filter(finished_at__lt=before),
        EffectRun.objects.using(PLATFORM).filter(state=EffectRun.SUPPRESSED, finished_at=None, created_at__lt=before),
        Notification.objects.using(PLATFORM).filter(created_at__lt=before),
        EffectTally.objects.using(PLATFORM).filter(since__lt=before),
    )
    found = {tenant_id for rows in old for tenant_id in rows.values_list("tenant_id", flat=True).distinct()}
    return _forget_all("effects", found, forget, stop)


def release_pins(*, now: dt.datetime, stop: Stop = _never) -> int:
    """Take away the pins whose time is over, so that sources count again; of how many customers."""
    expired = Customer.objects.using(PLATFORM).filter(pins_until__lte=now)
    slugs = list_slugs()

    def release(tenant_id: UUID) -> int:
        return release_expired_pins(TenantRef(tenant_id, slugs.get(tenant_id, "")), now=now, limit=BATCH)

    return _forget_all("pins", set(expired.values_list("tenant_id", flat=True).distinct()), release, stop)


def forget_ended(what: str, *, now: dt.datetime, stop: Stop = _never) -> int:
    """Delete what has ended by itself of one of FORGET_ENDED: sessions, refresh tokens, mail, budgets; how many.

    No one can use it any more. Call outside of any transaction.
    """
    total = 0
    while not stop():
        with connection.cursor() as cursor:
            cursor.execute(FORGET_ENDED[what], {"now": now, "limit": BATCH})
            count = cursor.rowcount
        total += count
        if count < BATCH:
            break
    return total


def _list_keepers() -> list[UUID]:
    """Every tenant, suspended ones too, and the one of messages that belong to none."""
    return [*list_slugs(), NO_TENANT]


def _forget_all(what: str, tenant_ids: Collection[UUID], forget: Callable[[UUID], int], stop: Stop) -> int:
    """Raises the first failure, after the other tenants had their turn."""
    total, failure = 0, None
    for tenant_id in sorted(tenant_ids):
        try:
            while not stop():
                with tenant_context(tenant_id):
                    count = forget(tenant_id)
                total += count
                if count < BATCH:
                    break
        except Exception as error:
            if concerns_every_tenant(error):
                raise
            log.error("not forgotten", what=what, tenant=str(tenant_id), error=describe(error))
            failure = failure or error
    if failure is not None:
        raise failure
    return total
