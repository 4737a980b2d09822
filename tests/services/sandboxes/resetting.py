"""A sandbox is reset; which customers it has then."""

from io import StringIO
from typing import Any

from django.core.management import call_command

from lifecycle.models import Customer
from lifecycle.services.demo.sandboxes import reset_sandbox
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import utc_now


def reset(tenant: TenantRef, **options: Any) -> Any:
    return reset_sandbox(tenant, now=utc_now(), **options)


def external_ids(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(Customer.objects.order_by("external_id").values_list("external_id", flat=True))


def verify(tenant: TenantRef, *arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", "--tenant", tenant.slug, *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()
