"""Choosing customers, up to 50,000 at once: who was chosen, and at which version, is kept from then on.

What was shown is what is changed: a customer that enters the list later is not in the selection, and one that someone
else changes is seen by its version.
"""

import datetime as dt
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from lifecycle.models import BulkChange
from lifecycle.queries.listing import ListQuery
from lifecycle.queries.selection import match_customers
from storage.cursors import plain_array
from tenants.actors import Actor, TenantRef
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

MOST: Final = 50_000
# The version by which it is seen that someone else has changed the customer in the meantime.
_VERSIONS: Final = {BulkChange.Kind.MOVE: "s.version", BulkChange.Kind.OWNER: "c.version"}
_NAMED: Final = """
  FROM customer_lifecycle_status s
  JOIN lifecycle_customer c ON c.tenant_id = s.tenant_id AND c.id = s.customer_id
 WHERE s.tenant_id = %(tenant_id)s::uuid AND s.customer_id = ANY(%(customer_ids)s::uuid[])"""
_CUSTOMER: Final = frozenset({"customer"})


class BulkRefused(Exception):
    """Nothing was chosen, or nothing begun; ``message`` says why, ``code`` is the contract's."""

    def __init__(self, code: str, message: Message | str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def select_customers(
    chosen: ListQuery | Collection[UUID],
    *,
    kind: str,
    tenant: TenantRef,
    actor: Actor,
    policy: Policy,
    now: dt.datetime,
) -> BulkChange:
    """Keep who is chosen: all that a list's filters leave, or those with these ids. Nothing is changed yet.

    Call in the tenant's context. Two statements, in a savepoint, whatever the number of customers. Raises BulkRefused
    when there are none, or more than MOST, and nothing is kept.
    """
    change = BulkChange(
        tenant_id=tenant.id,
        kind=kind,
        actor=actor.name,
        actor_kind=actor.kind,
        updates_per_hour=actor.updates_per_hour,
        total=0,
        created_at=now,
    )
    # A page that says why it is refused goes on with the transaction, and commits it.
    with transaction.atomic():
        change.total = _keep(change, chosen, tenant=tenant, policy=policy, now=now)
        if change.total > MOST:
            raise BulkRefused("invalid_request", Message("selection_too_large", {"most": MOST}))
        if not change.total:
            raise BulkRefused("invalid_request", Message("selection_empty"))
        change.save(force_insert=True)
    return change


def _keep(
    change: BulkChange,
    chosen: ListQuery | Collection[UUID],
    *,
    tenant: TenantRef,
    policy: Policy,
    now: dt.datetime,
) -> int:
    parameters: dict[str, Any]
    if isinstance(chosen, ListQuery):
        matched = match_customers(chosen, tenant=tenant, policy=policy, now=now, needs=_CUSTOMER)
        if matched is None:
            return 0
        matching, parameters = matched
    else:
        matching, parameters = _NAMED, {"tenant_id": tenant.id, "customer_ids": plain_array(set(chosen))}
    version = _VERSIONS[BulkChange.Kind(change.kind)]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lifecycle_bulkchangeitem (tenant_id, change_id, customer_id, version, stage, code)"
            f" SELECT s.tenant_id, %(change_id)s::uuid, s.customer_id, {version}, s.stage, ''{matching}"
            " LIMIT %(most)s::int + 1",
            {**parameters, "change_id": change.id, "most": MOST},
        )
        count: int = cursor.rowcount
    return count


def find_change(change_id: UUID, *, tenant: TenantRef, actor: Actor) -> BulkChange | None:
    """The change; one that is not confirmed yet only for the person who has chosen its customers. One statement."""
    change = BulkChange.objects.filter(tenant_id=tenant.id, id=change_id).first()
    if change is None or (change.started_at is None and change.actor != actor.name):
        return None
    return change
