"""Anyone who rewrites history is found out by its chain, but for who rewrites it to its end."""

import pytest
from django.db import connections

from audit.services.verification import Verified
from lifecycle.models import Customer
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration.publication import publish_configuration, revert_publication
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import MINIMAL, utc_now
from tests.services.audit_chain.tampering import (
    ACTOR,
    Attack,
    backdate_a_row,
    blame_somebody_else,
    breaks_of,
    carry_out,
    delete_and_renumber,
    delete_in_the_middle,
    delete_the_first_row,
    delete_the_last_row,
    delete_the_last_row_and_fix_the_head,
    delete_the_status,
    delete_the_whole_history,
    delete_two_in_the_middle,
    edit_a_row,
    edit_and_recompute_its_hash,
    exchange_a_note,
    history_of,
    move,
    move_without_history,
    raise_the_version,
    rewrite_everything_and_the_head,
    rewrite_the_link_as_well,
    rewrite_up_to_the_last_row,
)


def test_an_honest_history_is_whole(customer: Customer, neighbour: Customer, tenant: TenantRef) -> None:
    assert list(verify_tenant(tenant)) == [
        Verified(customer.id, 5, None),
        Verified(neighbour.id, 2, None),
    ]


@pytest.mark.parametrize(
    ("attack", "sequence", "code"),
    [
        (edit_a_row, 3, "row_altered"),
        (backdate_a_row, 4, "row_altered"),
        (blame_somebody_else, 1, "row_altered"),
        (exchange_a_note, 2, "row_altered"),
        (delete_the_last_row, None, "head_differs"),
        (delete_in_the_middle, 3, "row_missing"),
        (delete_two_in_the_middle, 3, "row_missing"),
        (delete_the_first_row, 1, "row_missing"),
        (delete_and_renumber, 3, "row_altered"),
        (edit_and_recompute_its_hash, 4, "row_unlinked"),
        (rewrite_the_link_as_well, 4, "row_altered"),
        (rewrite_up_to_the_last_row, None, "head_differs"),
        (move_without_history, None, "head_differs"),
        (raise_the_version, None, "head_differs"),
        (delete_the_whole_history, None, "history_missing"),
        (delete_the_status, None, "head_missing"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_who_rewrites_history_is_found_out(
    attack: Attack, sequence: int | None, code: str, customer: Customer, neighbour: Customer, tenant: TenantRef
) -> None:
    carry_out(attack, customer)
    assert breaks_of(tenant) == {customer.id: (sequence, code)}


@pytest.mark.parametrize(
    "attack",
    [delete_the_last_row_and_fix_the_head, rewrite_everything_and_the_head],
    ids=lambda attack: attack.__name__,
)
def test_the_chain_alone_does_not_see_who_rewrites_it_to_the_end(
    attack: Attack, customer: Customer, tenant: TenantRef
) -> None:
    """Known and documented (docs/security.md): only a seal kept outside the database sees this."""
    carry_out(attack, customer)
    assert breaks_of(tenant) == {}


def test_a_renamed_stage_breaks_no_chain(tenant: TenantRef, customer: Customer, neighbour: Customer) -> None:
    renamed = {**MINIMAL, "stages": ["Prospect", "Onboarded", "Live", "At-Risk", "Churned"]}
    with tenant_context(tenant.id):
        publish_configuration(renamed, renamed={"Active": "Live"}, tenant=tenant, actor=ACTOR, now=utc_now())
    assert breaks_of(tenant) == {}
    move(customer, tenant, ("Churned", "Left"), ("Live", None))
    assert breaks_of(tenant) == {}
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ACTOR, now=utc_now(), comment="a mistake")
    move(neighbour, tenant, ("Prospect", None))
    assert breaks_of(tenant) == {}
    assert [row["to_stage"] for row in history_of(customer)][-3:] == ["Active", "Churned", "Live"]


def test_a_verification_in_the_middle_of_the_work_raises_no_false_alarm(
    customer: Customer, neighbour: Customer, tenant: TenantRef
) -> None:
    running = verify_tenant(tenant)
    seen = [next(running)]
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant.id)])
            cursor.execute(
                "UPDATE customer_lifecycle_status SET version = 99 WHERE customer_id = %s", [str(neighbour.id)]
            )
        seen += running
        assert [one.broken for one in seen] == [None, None]
        assert breaks_of(tenant) == {neighbour.id: (None, "head_differs")}
    finally:
        other.close()
