"""Who looks after a customer: given by a person, to one or to many, and pinned so that no event takes it back."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from audit.services.administration import record_administration
from audit.services.chain import micros
from lifecycle.rules.fields import COMPANY
from lifecycle.rules.figures import as_text
from lifecycle.rules.precedence import PEOPLE, Offer
from lifecycle.services.customers.batch import Batch
from lifecycle.services.customers.offers import Row, held_offer
from storage.cursors import fetch_prepared, plain_array
from tenants.actors import Actor, TenantRef
from tenants.models import User
from tenants.rules.messages import Message
from tenants.rules.texts import fold_text, shorten_text

ASSIGNED, UNCHANGED, CONFLICT, NOT_FOUND = "moved", "unchanged", "version_conflict", "not_found"
OWNER: Final = "owner"
BY_HAND: Final = "Chosen by hand"
# In the order in which events and imports lock them.
_LOCK: Final = """
SELECT id, external_id, version, owner FROM lifecycle_customer
 WHERE tenant_id = %(tenant_id)s::uuid AND id = ANY(%(ids)s::uuid[]) AND erased_at IS NULL
 ORDER BY external_id FOR NO KEY UPDATE
"""


class UnknownOwner(Exception):
    """No one of the tenant may own customers under that name; ``message`` says so."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.message = Message("unknown_owner", {"name": shorten_text(owner)})


def check_owner(owner: str, *, tenant: TenantRef) -> str:
    """The user name as it is written: of an active person of the tenant, who may be called by their full name where no
    one else has it; '' for no owner. Two statements at most.

    Call in the tenant's context. Raises UnknownOwner.
    """
    name = owner.strip()
    if not name:
        return ""
    people = User.objects.filter(tenant_id=tenant.id, is_active=True, is_service_account=False)
    found = people.filter(username__in={name, fold_text(name)}).values_list("username", flat=True).first()
    if found is not None:
        return str(found)
    called = list(people.filter(full_name__iexact=name).values_list("username", flat=True)[:2])
    if len(called) != 1:
        raise UnknownOwner(name)
    return str(called[0])


def assign_owner(
    customers: Sequence[tuple[UUID, int | None]],
    owner: str,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    reason: str = "",
    request_id: UUID | None = None,
) -> list[str]:
    """Give customers an owner, a user name that ``check_owner`` gave, or none (''); what became of each, in order.

    A customer comes with the version that was seen (None: whichever): another one is a CONFLICT, and it is left alone.
    The owner is pinned, for ``reason``: what events say of it is kept beside it. The administration log keeps who had
    them before. Call in the tenant's context and the transaction of the request; five statements for any number.
    """
    expected = dict(customers)
    rows = fetch_prepared(_LOCK, {"tenant_id": tenant.id, "ids": plain_array(expected)}, using="default")
    before = {id_: (version, former) for id_, _, version, former in rows}
    codes = [_judge(before.get(id_), version, owner) for id_, version in customers]
    assigned = {id_ for (id_, _), code in zip(customers, codes, strict=True) if code == ASSIGNED}
    if assigned:
        batch = Batch(tenant, now, backdated=False)
        batch.lock([external_id for id_, external_id, _, _ in rows if id_ in assigned])
        for row in batch.rows.values():
            _pin(batch, row, owner, by=actor.name, reason=reason or BY_HAND, now=now)
        batch.write()
        record_administration(
            "assign_owner",
            str(next(iter(assigned))) if len(assigned) == 1 else "",
            tenant_id=tenant.id,
            actor=actor,
            reason=reason,
            detail={"owner": owner, "before": {str(id_): before[id_][1] for id_ in sorted(assigned)}},
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


def _pin(batch: Batch, row: Row, owner: str, *, by: str, reason: str, now: dt.datetime) -> None:
    row["pins"][OWNER] = {"by": by, "at": now.isoformat(), "reason": reason, "until": None}
    # Later than what is held: the clock of a source may be ahead.
    held = held_offer(row, OWNER)
    at = max(micros(now), held.at if held else 0)
    brought = batch.offers.override(COMPANY, row, OWNER, Offer(as_text(owner or None), at, PEOPLE))
    batch.figure_changes.keep(row["id"], brought.figures, source=PEOPLE, at=now, is_disputed=True)
    batch.touch_pins(row)
