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
from lifecycle.rules.transitions import Change
from lifecycle.services.risk.watching import ACCEPTED, MOVED, OPEN, REFUSED
from lifecycle.services.transitions.apply import Call, Outcome, apply
from lifecycle.services.transitions.update_budget import UpdateBudget
from storage.cursors import text_array
from tenants.actors import Actor, TenantRef

DISMISSED: Final = "dismissed"
LONGEST_DISMISSAL: Final = 255
MOST_SHOWN: Final = 10
Json = dict[str, Any]


class ProposalRefused(Exception):
    """Nothing was dismissed, or accepted. ``code`` is the contract's."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def list_proposals(
    *,
    tenant: TenantRef,
    owners: Collection[str] | None = None,
    customer_id: UUID | None = None,
    proposal_id: UUID | None = None,
    after: tuple[dt.datetime, UUID] | None = None,
    limit: int = MOST_SHOWN,
) -> tuple[Sequence[Json], int]:
    """The open proposals, the oldest first, and how many there are. One statement.

    ``owners``: of the customers of these owner keys; None: of everyone's. ``after``: those behind one that fired then,
    with this id. A customer that is in the proposed stage already, or was moved to another since, has none.
    """
    parameters: Mapping[str, Any] = {
        "tenant_id": tenant.id,
        "owners": None if owners is None else text_array(owners),
        "customer_id": customer_id,
        "proposal_id": proposal_id,
        "after_at": after[0] if after else None,
        "after_id": after[1] if after else None,
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

    Call in the tenant's context. Raises ProposalRefused: without a reason, or for one that is not open any more.
    """
    reason = " ".join(reason.replace("\x00", "").split())
    if not reason or len(reason) > LONGEST_DISMISSAL:
        sentence = _("Enter a reason, in at most %(most)s characters.")
        raise ProposalRefused("reason_required", sentence % {"most": LONGEST_DISMISSAL})
    found = RiskFiring.objects.select_for_update().filter(tenant_id=tenant.id, id=proposal_id, customer_id=customer_id)
    firing = found.first()
    if firing is None:
        raise ProposalRefused("not_found", _("There is no such proposal."))
    if firing.state != OPEN:
        raise ProposalRefused("conflict", _("This proposal is no longer open. Nothing was changed."))
    firing.state, firing.dismissal, firing.decided_by, firing.decided_at = DISMISSED, reason, actor.name, now
    firing.save(update_fields=["state", "dismissal", "decided_by", "decided_at"])
    record_administration(
        "dismiss_proposal",
        customer_id,
        tenant_id=tenant.id,
        actor=actor,
        # The reason may name a person: it is kept with the proposal, which an erasure deletes.
        detail={"rule": firing.rule, "to_stage": firing.to_stage},
        now=now,
    )
    return firing


def find_firing(proposal_id: UUID, *, tenant: TenantRef) -> RiskFiring | None:
    """What a rule did, whatever became of it; None for what is no proposal or of an erased customer. One statement."""
    rows = RiskFiring.objects.filter(tenant_id=tenant.id, id=proposal_id)
    found: RiskFiring | None = rows.exclude(state__in=(MOVED, REFUSED)).first()
    return found


def accept_proposal(
    proposal_id: UUID,
    call: Call,
    *,
    reason_code: str | None = None,
    note: str | None = None,
    expected_effects: int | None = None,
    budget: UpdateBudget | None = None,
) -> Outcome:
    """Move the customer to the proposed stage, by the one verb, as the person of the call; then it is accepted.

    ``reason_code``: another reason than the rule gives. The customer is moved only as it was seen here. Call in the
    tenant's context. Raises ProposalRefused for one that is not open any more, CallRefused as ``apply`` does.
    """
    rows, _count = list_proposals(tenant=call.tenant, proposal_id=proposal_id, limit=1)
    if not rows:
        if find_firing(proposal_id, tenant=call.tenant) is None:
            raise ProposalRefused("not_found", _("There is no such proposal."))
        raise ProposalRefused("conflict", _("This proposal is no longer open. Nothing was changed."))
    (row,) = rows
    change = Change(
        customer_id=row["customer_id"],
        stage=row["to_stage"],
        reason_code=reason_code or row["reason_code"] or None,
        note=note or None,
        expected_version=row["version"],
        expected_effects=expected_effects,
    )
    (outcome,) = apply(call, [change], budget=budget)
    if outcome.moved:
        # The customer is locked: no look at the rules goes on in between.
        firings = RiskFiring.objects.filter(tenant_id=call.tenant.id, id=proposal_id, state=OPEN)
        firings.update(state=ACCEPTED, decided_by=call.actor.name, decided_at=call.now)
    return outcome


def erase_firings(tenant_id: UUID, customer_id: UUID) -> None:
    """Forget what rules did about a customer: why something was dismissed may name a person."""
    RiskFiring.objects.filter(tenant_id=tenant_id, customer_id=customer_id).delete()


def export_firings(customer_id: UUID, *, tenant: TenantRef) -> list[Json]:
    """What rules did about a customer, for an export of its data."""
    rows = RiskFiring.objects.filter(tenant_id=tenant.id, customer_id=customer_id).order_by("id")
    return [{key: value for key, value in row.items() if key != "tenant_id"} for row in rows.values()]
