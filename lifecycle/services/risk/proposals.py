"""What rules propose to people: shown until someone moves the customer, dismisses it, or the conditions cease to hold.

To accept a proposal is to move the customer to its stage, by the one verb, as the person who does it.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from lifecycle.models import RiskFiring
from lifecycle.queries import risk as queries
from lifecycle.services.risk.watching import OPEN
from storage.cursors import text_array
from tenants.actors import Actor, TenantRef

DISMISSED: Final = "dismissed"
LONGEST_DISMISSAL: Final = 255
MOST_SHOWN: Final = 10
Json = dict[str, Any]


class DismissalRefused(Exception):
    """Nothing was dismissed. ``code`` is the contract's."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def list_proposals(
    *,
    tenant: TenantRef,
    owners: Collection[str] | None = None,
    customer_id: UUID | None = None,
    limit: int = MOST_SHOWN,
) -> tuple[Sequence[Json], int]:
    """The open proposals, those of the longest standing first, and how many there are. One statement.

    ``owners``: of the customers of these owner keys; None: of everyone's. A customer that is in the proposed stage
    already, or was moved to another since, has none.
    """
    parameters: Mapping[str, Any] = {
        "tenant_id": tenant.id,
        "owners": None if owners is None else text_array(owners),
        "customer_id": customer_id,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(queries.PROPOSALS, parameters)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    return rows, rows[0]["total"] if rows else 0


def dismiss_proposal(
    proposal_id: UUID, customer_id: UUID, *, reason: str, tenant: TenantRef, actor: Actor, now: dt.datetime
) -> RiskFiring:
    """Put a proposal aside, with the reason: it comes again only after the conditions have ceased to hold.

    Call in the tenant's context. Raises DismissalRefused: without a reason, or for one that is not open any more.
    """
    reason = " ".join(reason.replace("\x00", "").split())
    if not reason or len(reason) > LONGEST_DISMISSAL:
        sentence = _("Enter a reason, in at most %(most)s characters.")
        raise DismissalRefused("reason_required", sentence % {"most": LONGEST_DISMISSAL})
    found = RiskFiring.objects.select_for_update().filter(tenant_id=tenant.id, id=proposal_id, customer_id=customer_id)
    firing = found.first()
    if firing is None:
        raise DismissalRefused("not_found", _("There is no such proposal."))
    if firing.state != OPEN:
        raise DismissalRefused("conflict", _("This proposal is no longer open. Nothing was changed."))
    firing.state, firing.dismissal, firing.decided_by, firing.decided_at = DISMISSED, reason, actor.name, now
    firing.save(update_fields=["state", "dismissal", "decided_by", "decided_at"])
    record_administration(
        tenant_id=tenant.id,
        actor=actor.name,
        actor_kind=actor.kind,
        action="dismiss_proposal",
        subject=str(customer_id),
        reason=reason,
        detail={"rule": firing.rule, "to_stage": firing.to_stage},
        now=now,
    )
    return firing


def erase_firings(tenant_id: UUID, customer_id: UUID) -> None:
    """Forget what rules did about a customer: why something was dismissed may name a person."""
    RiskFiring.objects.filter(tenant_id=tenant_id, customer_id=customer_id).delete()


def export_firings(customer_id: UUID, *, tenant: TenantRef) -> list[Json]:
    """What rules did about a customer, for an export of its data."""
    rows = RiskFiring.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("id")
    return [{key: value for key, value in row.items() if key != "tenant_id"} for row in rows.values()]
