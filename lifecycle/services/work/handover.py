"""A brief for the new owner of a customer, made from what is known."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.utils import timezone

from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.summaries import read_summary
from lifecycle.services.transitions.history import read_history
from lifecycle.services.work.encryption import LateKeys
from lifecycle.services.work.notes import list_notes
from lifecycle.services.work.tasks import list_open_tasks
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy

LATEST_NOTES = 5
LATEST_CHANGES = 5


def read_handover(
    customer_id: UUID, *, tenant: TenantRef, policy: Policy, now: dt.datetime, sees_texts: bool
) -> dict[str, Any] | None:
    """Which stage the customer is in and why, open tasks, the last notes, the renewal, contacts (masked) and figures.

    ``policy``: what is live. What is to be done in the stage is what it says now, and not when the customer came there.
    None if there is no such customer. Call in the tenant's context. A number of statements that does not depend on the
    customer.
    """
    profile = read_profile(customer_id, tenant=tenant, now=now)
    if profile is None:
        return None
    summary = read_summary(customer_id, tenant=tenant, now=now)
    keys = LateKeys(tenant.id, customer_id)
    history = read_history(customer_id, tenant=tenant, limit=LATEST_CHANGES, keys=keys, is_known=True)
    changes = history.rows if history else []
    notes = list_notes(
        customer_id, tenant=tenant, limit=LATEST_NOTES, sees_texts=sees_texts, keys=keys, with_deleted=False
    )
    return {
        "profile": profile,
        "company": profile["company"],
        "summary": summary,
        "changes": changes,
        "guidance": "" if summary is None else policy.guidance(summary["stage"]),
        "tasks": list_open_tasks(
            customer_id, tenant=tenant, today=timezone.localdate(now), sees_texts=sees_texts, keys=keys
        ),
        "notes": notes or [],
    }
