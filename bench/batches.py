"""Many transitions in a process of its own, so that its peak memory is theirs: ``python -m bench.batches``.

Reads ``{"tenant": [id, slug], "customers": [id, ...], "count": n}`` from standard input and writes
``{"seconds": s, "megabytes": m}``. The customers are moved into risk and out again, batch by batch, each batch one
transaction, as a bulk call or an event batch does it.
"""

import json
import resource
import sys
import time
from uuid import UUID

import django

BATCH = 10_000


def main() -> None:
    """Move ``count`` customers and tell how long it took and how much memory it needed."""
    django.setup()
    from django.utils import timezone

    from bench.single import INTO_RISK, OUT_OF_RISK, REASON
    from lifecycle.rules.transitions import Change
    from lifecycle.services.transitions import apply
    from tenants.actors import TenantRef, system_actor
    from tenants.context import tenant_context

    order = json.load(sys.stdin)
    tenant = TenantRef(UUID(order["tenant"][0]), order["tenant"][1])
    customers = [UUID(text) for text in order["customers"]]
    left, into_risk = order["count"], True
    begin = time.perf_counter()
    while left:
        for start in range(0, min(left, len(customers)), BATCH):
            chosen = customers[start : start + min(BATCH, left)]
            stage, reason = (INTO_RISK, REASON) if into_risk else (OUT_OF_RISK, None)
            with tenant_context(tenant.id):
                outcomes = apply(
                    [Change(customer_id=customer_id, stage=stage, reason_code=reason) for customer_id in chosen],
                    tenant=tenant,
                    actor=system_actor("bench"),
                    source="EventListener",
                    now=timezone.now(),
                )
            assert all(outcome.moved for outcome in outcomes)
            left -= len(chosen)
        into_risk = not into_risk
    seconds = time.perf_counter() - begin
    json.dump({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}, sys.stdout)


if __name__ == "__main__":
    main()
