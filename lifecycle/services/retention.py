"""What is forgotten when its time is over."""

import datetime as dt

from audit.services.refusals import KEPT_DAYS, find_prunable, prune_refusals
from tenants.context import tenant_context
from tenants.services.directory import PLATFORM


def forget_refusals(*, now: dt.datetime) -> int:
    """Delete refused attempts older than KEPT_DAYS, of every tenant, in small transactions; how many.

    Call outside of any transaction. Several may do it at once.
    """
    before = now - dt.timedelta(days=KEPT_DAYS)
    total = 0
    for tenant_id in find_prunable(before=before, using=PLATFORM):
        pruned = None
        while pruned != 0:
            with tenant_context(tenant_id):
                pruned = prune_refusals(tenant_id, before=before)
            total += pruned
    return total
