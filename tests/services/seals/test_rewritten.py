"""Anyone who rewrites sealed history, or takes it away, is found out."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from audit.services import seals
from audit.services.seals import describe_seal, facts_of
from lifecycle.models import Customer
from tenants.actors import TenantRef
from tests.services.audit_chain import tampering as attacks
from tests.services.seals.sealing import OTHER_KEY, carry_out, drop_the_seals, errors_of, seal, seals_of


def edit_the_root(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("UPDATE audit_seal SET root = sha256('x') WHERE tenant_id = %s", [customer.tenant_id])


def backdate_the_seal(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "UPDATE audit_seal SET sealed_at = sealed_at - interval '1 day' WHERE tenant_id = %s", [customer.tenant_id]
    )


def sign_with_a_key_of_their_own(session: psycopg.Connection[Any], customer: Customer) -> None:
    (made,) = seals_of(TenantRef(customer.tenant_id, ""))
    forged = seals._sign(facts_of(made), OTHER_KEY, complete_to=made.complete_to)
    session.execute(
        "UPDATE audit_seal SET signature = %s, key_id = %s WHERE tenant_id = %s",
        [forged.signature, forged.key_id, customer.tenant_id],
    )


def rewrite_history_head_and_leaves(session: psycopg.Connection[Any], customer: Customer) -> None:
    attacks.rewrite_everything_and_the_head(session, customer)
    session.execute(
        "UPDATE audit_sealed_row r SET hash = h.hash FROM customer_lifecycle_history h"
        " WHERE h.id = r.history_id AND r.tenant_id = %s",
        [customer.tenant_id],
    )


def delete_row_head_and_leaf(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "DELETE FROM audit_sealed_row r USING customer_lifecycle_history h"
        " WHERE h.id = r.history_id AND h.customer_id = %s AND h.sequence = 5",
        [customer.id],
    )
    attacks.delete_the_last_row_and_fix_the_head(session, customer)


def wipe_the_customer(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s", [customer.id])
    session.execute("DELETE FROM customer_lifecycle_status WHERE customer_id = %s", [customer.id])


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        # The two that the chain alone does not see.
        (attacks.rewrite_everything_and_the_head, "sealed_row_altered"),
        (attacks.delete_the_last_row_and_fix_the_head, "sealed_row_missing"),
        (wipe_the_customer, "sealed_row_missing"),
        (rewrite_history_head_and_leaves, "root_differs"),
        (delete_row_head_and_leaf, "root_differs"),
        (edit_the_root, "seal_forged"),
        (backdate_the_seal, "seal_forged"),
        (sign_with_a_key_of_their_own, "seal_unknown_key"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_who_rewrites_sealed_history_is_found_out(
    attack: Callable[[psycopg.Connection[Any], Customer], Any], code: str, tenant: TenantRef, customer: Customer
) -> None:
    seal("--tenant", tenant.slug)
    carry_out(attack, customer)
    assert errors_of(tenant) == [(1, code)]


def test_a_seal_taken_out_of_the_middle_is_missed(tenant: TenantRef, customer: Customer) -> None:
    for stage in ("Prospect", "Active"):
        seal("--tenant", tenant.slug)
        attacks.move(customer, tenant, (stage, None))
    seal("--tenant", tenant.slug)

    def take_the_second(session: psycopg.Connection[Any], _: Customer) -> None:
        for table, column in (("audit_sealed_row", "seal_number"), ("audit_seal", "number")):
            session.execute(f"DELETE FROM {table} WHERE tenant_id = %s AND {column} = 2", [tenant.id])

    carry_out(take_the_second, customer)
    assert errors_of(tenant) == [(2, "seal_missing"), (3, "seal_unlinked")]


def test_the_last_seals_taken_back_are_seen_only_by_who_kept_what_was_published(
    tenant: TenantRef, customer: Customer
) -> None:
    seal("--tenant", tenant.slug)
    published = [describe_seal(one) for one in seals_of(tenant)]
    carry_out(drop_the_seals, customer)
    assert errors_of(tenant) == []
    assert errors_of(tenant, published=published) == [(1, "seal_withdrawn")]
    seal("--tenant", tenant.slug)
    assert errors_of(tenant, published=published) == [(1, "seal_withdrawn")]


def test_an_unsealed_row_taken_back_is_not_seen(tenant: TenantRef, customer: Customer) -> None:
    """Known and documented (docs/security.md): the window is the time between two seals."""
    carry_out(attacks.delete_the_last_row_and_fix_the_head, customer)
    seal("--tenant", tenant.slug)
    assert errors_of(tenant) == []


def test_rows_that_stay_unsealed_are_an_error(tenant: TenantRef, customer: Customer) -> None:
    seal("--tenant", tenant.slug)
    attacks.move(customer, tenant, ("Prospect", None))

    def age(session: psycopg.Connection[Any], _: Customer) -> None:
        session.execute(
            "UPDATE customer_lifecycle_history SET recorded_at = recorded_at - interval '2 days'"
            " WHERE customer_id = %s AND sequence = 6",
            [customer.id],
        )

    carry_out(age, customer)
    assert errors_of(tenant) == [(0, "rows_unsealed")]
