"""A file is written and imported; customers, stages and contacts as they are afterwards."""

from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import CommandError, call_command

from lifecycle.models import Contact, Customer, CustomerLifecycleStatus
from tenants.actors import TenantRef
from tenants.context import tenant_context


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def run(path: Path, tenant: TenantRef, *options: str) -> tuple[int, str, str]:
    """Exit status, output, and the one line of an error."""
    out = StringIO()
    try:
        call_command("import_customers", str(path), "--tenant", tenant.slug, *options, stdout=out, stderr=StringIO())
    except CommandError as error:
        return 1, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def customers(tenant: TenantRef) -> dict[str, str]:
    with tenant_context(tenant.id):
        return dict(Customer.objects.for_tenant(tenant.id).order_by("external_id").values_list("external_id", "name"))


def stages(tenant: TenantRef) -> dict[str, str]:
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.for_tenant(tenant.id)
        return dict(rows.values_list("customer__external_id", "stage"))


def contacts(tenant: TenantRef, external_id: str) -> list[tuple[str, Any, Any, str]]:
    with tenant_context(tenant.id):
        rows = Contact.objects.filter(customer__external_id=external_id).order_by("position")
        return [(row.name, row.email, row.phone, row.role) for row in rows]
