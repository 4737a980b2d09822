"""What at-risk rules propose, as the home page and a customer's page show it."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from lifecycle.services.risk.proposals import list_proposals
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy


def show_proposals(
    policy: Policy, *, tenant: TenantRef, owners: Collection[str] | None = None, customer_id: UUID | None = None
) -> dict[str, Any]:
    """The open proposals and how many there are. One statement; none where no rule is on."""
    if not any(rule.enabled for rule in policy.configuration.risk_rules):
        return {"proposals": (), "proposal_count": 0}
    proposals, count = list_proposals(tenant=tenant, owners=owners, customer_id=customer_id)
    return {"proposals": proposals, "proposal_count": count}
