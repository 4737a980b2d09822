"""The command that verifies histories."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from lifecycle.management import tenants as management_tenants
from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.services.accounts.people import suspend_tenant
from tenants.services.directory import list_every_tenant
from tests.factories import ADMIN_ACTOR, CustomerFactory, utc_now
from tests.services.audit_chain.tampering import carry_out, delete_in_the_middle, edit_a_row, verify


def test_the_command_tells_that_a_tenant_is_whole(
    customer: Customer,
    neighbour: Customer,
    tenant: TenantRef,
    other_tenant: TenantRef,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = CustomerFactory(tenant=other_tenant, stage="Trial")
    suspend_tenant(tenant=other_tenant, actor=ADMIN_ACTOR, now=utc_now())
    # Without a tenant it goes through all that there are, suspended ones too: here without those of all other tests.
    slugs = {tenant.slug, other_tenant.slug}
    found = [one for one in list_every_tenant() if one.slug in slugs]
    monkeypatch.setattr(management_tenants, "list_tenants_everywhere", lambda **_: found)
    assert verify("--tenant", tenant.slug) == f"{tenant.slug}: 2 customers, 7 rows, unbroken; no seals\n"
    assert verify("--customer", str(customer.id)) == f"{tenant.slug}: 1 customers, 5 rows, unbroken\n"
    assert verify("--customer", str(theirs.id)) == f"{other_tenant.slug}: 1 customers, 1 rows, unbroken\n"


def test_the_command_names_the_first_break_and_ends_with_one(customer: Customer, tenant: TenantRef) -> None:
    carry_out(edit_a_row, customer)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"^1 chain is broken\.$") as end:
        call_command("verify_audit", "--tenant", tenant.slug, stdout=out, stderr=io.StringIO())
    assert end.value.returncode == 1
    assert out.getvalue() == (
        f"{tenant.slug}: 1 customers, 5 rows, 1 broken; no seals\n"
        f"  customer {customer.id} row 3: The row was altered: its hash is not the hash of what it says."
        " (row_altered)\n"
    )


def test_machines_get_json(customer: Customer, neighbour: Customer, tenant: TenantRef) -> None:
    carry_out(delete_in_the_middle, customer)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", "--tenant", tenant.slug, "--format", "json", stdout=out, stderr=io.StringIO())
    report = json.loads(out.getvalue())
    assert report["intact"] is False
    assert report["tenants"] == [
        {
            "tenant": tenant.slug,
            "customers": 2,
            "rows": 6,
            "broken": 1,
            "breaks": [
                {
                    "customer_id": str(customer.id),
                    "sequence": 3,
                    "code": "row_missing",
                    "sentence": "The customer's row 3 of the history cannot be found.",
                }
            ],
            "seals": 0,
            "seal_breaks": [],
            "emptied": None,
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--tenant", "no one"], "There is no tenant 'no one'."),
        (
            # Of this tenant alone: otherwise all those of other tests are gone through.
            ["--tenant", "{slug}", "--customer", "00000000-0000-0000-0000-000000000009"],
            "There is no customer 00000000-0000-0000-0000-000000000009.",
        ),
        (["--customer", "crm-1"], "Error: argument --customer: 'crm-1' is not a UUID."),
    ],
)
def test_bad_input_is_named_in_one_line(arguments: list[str], line: str, tenant: TenantRef) -> None:
    with pytest.raises(CommandError) as refusal:
        verify(*(argument.format(slug=tenant.slug) for argument in arguments))
    assert str(refusal.value) == line
