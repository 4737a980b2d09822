"""``python -m bench.memory TENANT_ID SLUG TOTAL``: make the transitions, print the peak memory in megabytes."""

import gc
import resource
import sys
from uuid import UUID


def run(tenant_id: str, slug: str, total: str) -> None:
    """Move customers to and fro, as ``bench.bulk`` does."""
    from bench.bulk import apply_batches
    from bench.peers.models import OUT_OF_RISK
    from lifecycle.models import CustomerLifecycleStatus
    from tenants.actors import TenantRef
    from tenants.context import tenant_context

    tenant = TenantRef(UUID(tenant_id), slug)
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(stage=OUT_OF_RISK)
        customers = list(rows.values_list("customer_id", flat=True))
    gc.freeze()
    for step in apply_batches(tenant, customers, int(total)):
        step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    import django

    django.setup()
    run(*sys.argv[1:])
