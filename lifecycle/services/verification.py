"""Is the history of a tenant whole, and does every customer stand where its history says?

The chains are recomputed by ``audit.services.verification``, which knows nothing of customers; where they stand, and
what a stage was called when, is added here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction

from audit.services.verification import FETCHED, Head, Verified, read_history, verify_chains
from lifecycle.models import CustomerLifecycleStatus
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.services.configurations import present_names

HEADS: Final = """
SELECT customer_id, stage, version, head_hash FROM customer_lifecycle_status
 WHERE tenant_id = %(tenant_id)s::uuid AND customer_id = COALESCE(%(customer_id)s::uuid, customer_id)
 ORDER BY customer_id
"""


def count_customers(tenant: TenantRef) -> int:
    """How many customers there are to verify; for a progress bar."""
    with tenant_context(tenant.id):
        return CustomerLifecycleStatus.objects.for_tenant(tenant.id).count()


def verify_tenant(tenant: TenantRef, *, customer_id: UUID | None = None) -> Iterator[Verified]:
    """Verify every chain of a tenant, or one customer's; one Verified a customer.

    Call outside of any transaction. Reads one state of the database whatever is written meanwhile, and holds a few
    thousand rows at a time.
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


@contextmanager
def _one_state_of_the_database() -> Iterator[None]:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _read_heads(tenant_id: UUID, customer_id: UUID | None) -> Iterator[Head]:
    with connection.connection.cursor(name=f"heads_{uuid4().hex}") as cursor:
        cursor.itersize = FETCHED
        for id_, stage, version, hash_ in cursor.execute(HEADS, {"tenant_id": tenant_id, "customer_id": customer_id}):
            yield Head(id_, stage, version, bytes(hash_))
