"""Is the history of a tenant whole, and is every customer where its history says?

The chains are recomputed by ``audit.services.verification``, which knows nothing of customers; where they are, and
what a stage was called when, is added here.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import Count, Max

from audit.models import AuditSeal, Departure
from audit.services.published_seals import PublishedSeals, judge_published
from audit.services.seal_verification import SealBreak, count_unsealed, verify_seals
from audit.services.seals import LATE
from audit.services.verification import FETCHED, Head, Verified, read_history, verify_chains
from lifecycle.models import CustomerLifecycleStatus
from storage.away import AwayServers
from storage.servers import MAIN, has_servers, server_names
from storage.timeouts import UNLIMITED, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.homes import find_server, list_homes
from tenants.models import Tenant
from tenants.services.configuration.versions import present_names
from tenants.services.directory import PLATFORM

HEADS: Final = """
SELECT customer_id, stage, version, head_hash FROM customer_lifecycle_status
 WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = COALESCE(%(customer_id)s::uuid, customer_id)
 ORDER BY customer_id
"""

MISSING_TENANT: Final = "tenant_missing"
# One that lives where nothing was looked at, so that what was published of it was compared with nothing.
UNREACHED_TENANT: Final = "tenant_not_reached"
# Each tenant that something is recorded of, found by jumping from one to the next: never a walk over all rows.
RECORDED_TENANTS: Final = """
WITH RECURSIVE recorded AS (
    (SELECT tenant_id FROM customer_lifecycle_history ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT h.tenant_id FROM customer_lifecycle_history h
             WHERE h.tenant_id > recorded.tenant_id ORDER BY h.tenant_id LIMIT 1)
      FROM recorded WHERE recorded.tenant_id IS NOT NULL
)
SELECT tenant_id FROM (SELECT tenant_id FROM recorded UNION SELECT DISTINCT tenant_id FROM audit_seal) AS t(tenant_id)
 WHERE tenant_id IS NOT NULL AND NOT EXISTS (SELECT FROM tenants_tenant WHERE id = tenant_id)
 ORDER BY tenant_id
"""


def find_missing_tenants(
    *, public_keys: Collection[bytes] = (), published: PublishedSeals | None = None, away: AwayServers
) -> Iterator[SealBreak]:
    """Tenants of which history, a seal or a published seal is known, and which do not exist: someone deleted them.

    The product itself never deletes a tenant. All servers are looked at that this process may go to; a tenant with
    published seals that lives on another is named as well, because no one has compared them. A published seal that
    cannot be believed is named for itself. Nothing is said of tenants on servers that are ``away``. Three statements a
    server over its platform connection.
    """
    known: set[UUID] = set()
    for server in server_names():
        orphaned: list[UUID] = []
        if server not in away:
            with away.work_on(server):
                orphaned, existing = _look_for_tenants(server)
                known |= existing
        place = f"on server {server}" if has_servers() else "here"
        for tenant_id in orphaned:
            yield SealBreak(0, MISSING_TENANT, f"Tenant {tenant_id} has history {place} and does not exist.")
    elsewhere = {home.tenant_id: home.server for home in list_homes() if home.tenant_id not in known}
    for tenant_id, server in sorted(elsewhere.items()):
        if server in server_names() and server not in away:
            sentence = f"Tenant {tenant_id} lives on server {server}, as the directory says, and does not exist there."
            yield SealBreak(0, MISSING_TENANT, sentence)
    for tenant_id in sorted(published.by_tenant if published else ()):
        if tenant_id not in known and published is not None:
            yield from _judge_absent(tenant_id, elsewhere.get(tenant_id, ""), published, public_keys)


def _look_for_tenants(server: str) -> tuple[list[UUID], set[UUID]]:
    """Those of which something is recorded and which do not exist, and those that do and live here."""
    with connections[PLATFORM].cursor() as cursor:
        cursor.execute(RECORDED_TENANTS)
        orphaned = [row[0] for row in cursor.fetchall()]
    existing = set(Tenant.objects.using(PLATFORM).values_list("id", flat=True))
    if has_servers():
        existing = {tenant_id for tenant_id in existing if find_server(tenant_id) == server}
    return orphaned, existing


def _judge_absent(
    tenant_id: UUID, server: str, published: PublishedSeals, public_keys: Collection[bytes]
) -> Iterator[SealBreak]:
    """What is to be said of published seals whose tenant was found on no server. ``server``: where it should be."""
    believed, errors = judge_published(published, tenant_id, public_keys)
    for error in errors:
        yield SealBreak(error.number, error.code, f"{error.sentence} Its tenant is {tenant_id}.")
    if not believed or server in server_names():
        return
    last = max(believed)
    if server or settings.DATABASE_SERVER != MAIN:
        # Only the server main has the directory: of a tenant that is not here another server cannot say more.
        where = f"lives on server {server}" if server else f"does not live on server {settings.DATABASE_SERVER}"
        sentence = (
            f"Tenant {tenant_id} {where}: its published seals up to number {last} were compared with nothing. Verify"
            " without DATABASE_SERVER and with DATABASE_SERVERS, which looks at every server."
        )
        yield SealBreak(last, UNREACHED_TENANT, sentence)
        return
    sentence = f"Tenant {tenant_id} has published seals up to number {last} and does not exist here."
    yield SealBreak(last, MISSING_TENANT, sentence)


def count_customers(tenant: TenantRef) -> int:
    """How many customers there are to verify; for a progress bar."""
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.for_tenant(tenant.id).count()


def count_seals(tenant: TenantRef) -> int:
    """How many seals there are to verify; for a progress bar."""
    with tenant_context(tenant.id):
        return AuditSeal.objects.filter(tenant_id=tenant.id).count()


def verify_tenant(tenant: TenantRef, *, customer_id: UUID | None = None) -> Iterator[Verified]:
    """Verify every chain of a tenant, or one customer's; one Verified a customer.

    Call outside of any transaction. Reads one state of the database whatever is written in the meantime, and holds a
    few thousand rows at a time.
    """
    with _one_state_of_the_database(), tenant_context(tenant.id):
        live_version = Tenant.objects.values_list("configuration_version", flat=True).get(id=tenant.id)
        renames = present_names(tenant)

        def rename(stage: str, since: int, until: int) -> str:
            for number, renamed in renames.items():
                if since < number <= until:
                    stage = renamed.get(stage, stage)
            return stage

        yield from verify_chains(
            read_history(tenant.id, customer_id=customer_id, using="default"),
            _read_heads(tenant.id, customer_id),
            rename=rename,
            live_version=live_version,
        )


def verify_tenant_seals(
    tenant: TenantRef,
    *,
    public_keys: Collection[bytes],
    published: PublishedSeals | None = None,
    now: dt.datetime,
) -> Iterator[tuple[int, SealBreak | None]]:
    """Verify every seal of a tenant; its number and what is wrong with it. Call outside of any transaction.

    When there are seals, rows that stay unsealed for too long are an error as well, of seal number 0. What a sandbox
    was emptied of is not missed; of any other tenant nothing can have been emptied, whatever the database says.
    """
    with _one_state_of_the_database(), tenant_context(tenant.id):
        sealed = False
        emptied = find_emptied(tenant)
        found = verify_seals(
            tenant.id, public_keys=public_keys, published=published, emptied_to=emptied.seals_to if emptied else 0
        )
        for number, error in found:
            sealed = sealed or number > 0
            yield number, error
        unsealed, oldest = count_unsealed(tenant.id)
        if sealed and oldest is not None and oldest < now - LATE:
            sentence = f"{unsealed:,} rows are not sealed, the oldest since {oldest.isoformat()}."
            yield 0, SealBreak(0, "rows_unsealed", sentence)


@dataclass(frozen=True, slots=True)
class Emptied:
    """That the history of a sandbox was emptied: when last, how often, and up to which seal."""

    at: dt.datetime
    times: int
    seals_to: int


def find_emptied(tenant: TenantRef) -> Emptied | None:
    """None for what is no sandbox, and for one that was never emptied. Two statements, in the tenant's context."""
    if not Tenant.objects.filter(id=tenant.id, is_sandbox=True).exists():
        return None
    found = Departure.objects.filter(tenant_id=tenant.id, seals_to__isnull=False).aggregate(
        at=Max("deleted_at"), times=Count("id"), seals_to=Max("seals_to")
    )
    return Emptied(**found) if found["times"] else None


def read_emptied(tenant: TenantRef) -> Emptied | None:
    """As ``find_emptied``, outside of the tenant's context."""
    with tenant_context(tenant.id):
        return find_emptied(tenant)


@contextmanager
def _one_state_of_the_database() -> Iterator[None]:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # A long history is read for longer than any request may take, and printed in between.
        allow_seconds(UNLIMITED, idle=3600)
        yield


def _read_heads(tenant_id: UUID, customer_id: UUID | None) -> Iterator[Head]:
    with connection.connection.cursor(name=f"heads_{uuid4().hex}") as cursor:
        cursor.itersize = FETCHED
        for id_, stage, version, hash_ in cursor.execute(HEADS, {"tenant_id": tenant_id, "customer_id": customer_id}):
            yield Head(id_, stage, version, bytes(hash_))
