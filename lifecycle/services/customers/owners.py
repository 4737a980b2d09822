"""Who looks after a customer: given by a person, to one customer or to many."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from audit.services.administration import record_administration
from audit.services.chain import micros
from lifecycle.services.cache import copies
from storage.cursors import fetch_prepared, plain_array, prepared_cursor
from tenants.actors import Actor, TenantRef
from tenants.models import User
from tenants.rules.messages import Message
from tenants.rules.texts import fold_text, shorten_text

ASSIGNED, UNCHANGED, CONFLICT, NOT_FOUND = "moved", "unchanged", "version_conflict", "not_found"
# In the order in which events and imports lock them.
_LOCK: Final = """
SELECT id, version, owner FROM lifecycle_customer
 WHERE tenant_id = %(tenant_id)s::uuid AND id = ANY(%(ids)s::uuid[]) AND erased_at IS NULL
 ORDER BY external_id FOR NO KEY UPDATE
"""
_ASSIGN: Final = """
UPDATE lifecycle_customer
   SET owner = %(owner)s::text, owner_key = %(owner_key)s::text, version = version + 1,
       updated_at = %(now)s::timestamptz,
       field_times = field_times || jsonb_build_object('owner', %(at)s::bigint)
 WHERE tenant_id = %(tenant_id)s::uuid AND id = ANY(%(ids)s::uuid[])
"""


class UnknownOwner(Exception):
    """No one of the tenant may own customers under that name; ``message`` says so."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.message = Message("unknown_owner", {"name": shorten_text(owner)})


def check_owner(owner: str, *, tenant: TenantRef) -> str:
    """The user name as it is written: of an active person of the tenant; '' for no owner. One statement.

    Call in the tenant's context. Raises UnknownOwner.
    """
    name = owner.strip()
    if not name:
        return ""
    people = User.objects.filter(tenant_id=tenant.id, is_active=True, is_service_account=False)
    found = people.filter(username__in={name, fold_text(name)}).values_list("username", flat=True).first()
    if found is None:
        raise UnknownOwner(name)
    return str(found)


def assign_owner(
    customers: Sequence[tuple[UUID, int | None]],
    owner: str,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    request_id: UUID | None = None,
) -> list[str]:
    """Give customers an owner, a user name that ``check_owner`` gave, or none (''); what became of each, in order.

    A customer comes with the version that was seen (None: whichever): another one is a CONFLICT, and it is left alone.
    An event that is older does not overwrite it. The administration log keeps who had them before. Call in the tenant's
    context and the transaction of the request; three statements, whatever their number.
    """
    expected = dict(customers)
    rows = fetch_prepared(_LOCK, {"tenant_id": tenant.id, "ids": plain_array(expected)}, using="default")
    before = {id_: (version, former) for id_, version, former in rows}
    codes = [_judge(before.get(id_), version, owner) for id_, version in customers]
    assigned = [id_ for (id_, _), code in zip(customers, codes, strict=True) if code == ASSIGNED]
    if assigned:
        _write(assigned, owner, tenant=tenant, now=now)
        record_administration(
            tenant_id=tenant.id,
            actor=actor.name,
            actor_kind=actor.kind,
            action="assign_owner",
            subject=str(assigned[0]) if len(assigned) == 1 else "",
            detail={"owner": owner, "before": {str(id_): before[id_][1] for id_ in assigned}},
            request_id=request_id,
            now=now,
        )
    return codes


def _judge(found: tuple[int, str] | None, expected: int | None, owner: str) -> str:
    if found is None:
        return NOT_FOUND
    version, former = found
    if expected is not None and expected != version:
        return CONFLICT
    return UNCHANGED if former == owner else ASSIGNED


def _write(ids: Sequence[UUID], owner: str, *, tenant: TenantRef, now: dt.datetime) -> None:
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _ASSIGN,
            {
                "tenant_id": tenant.id,
                "ids": plain_array(ids),
                "owner": owner,
                "owner_key": fold_text(owner),
                "at": micros(now),
                "now": now,
            },
        )
    copies.forget_profiles(tenant.id, sorted(ids))
