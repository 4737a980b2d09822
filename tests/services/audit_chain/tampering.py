"""A history, and everything that somebody who may do anything could do to it."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from audit.models import LifecycleHistory
from audit.services import chain
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import utc_now

ACTOR = system_actor("tests")
MOVES = [("Onboarded", None), ("Active", "Signed"), ("At-Risk", 'Grund "ü" \\ 🙂'), ("Active", "Saved")]


def move(customer: Customer, tenant: TenantRef, *stages: tuple[str, str | None], note: str | None = None) -> None:
    """Move a customer on, each step a transaction."""
    for stage, reason in stages:
        change = Change(customer_id=customer.id, stage=stage, reason_code=reason, note=note)
        with tenant_context(tenant.id):
            (outcome,) = apply(Call(tenant, ACTOR, "API", utc_now()), [change])
        assert outcome.moved, outcome


def history_of(customer: Customer) -> list[dict[str, Any]]:
    """The customer's rows, oldest first."""
    with tenant_context(customer.tenant_id):
        return [
            dict(row) for row in LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence").values()
        ]


def breaks_of(tenant: TenantRef) -> dict[UUID, tuple[int | None, str]]:
    """Customer -> row and code of the first break, for every broken customer."""
    return {one.customer_id: (one.broken.sequence, one.broken.code) for one in verify_tenant(tenant) if one.broken}


def superuser() -> psycopg.Connection[Any]:
    """A superuser's session in the test database."""
    name = connections["default"].settings_dict["NAME"]
    return psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name)


Attack = Callable[[psycopg.Connection[Any], Customer], None]


def edit_a_row(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "UPDATE customer_lifecycle_history SET reason_code = 'Other' WHERE customer_id = %s AND sequence = 3",
        [customer.id],
    )


def backdate_a_row(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "UPDATE customer_lifecycle_history SET changed_at = changed_at - interval '1 microsecond'"
        " WHERE customer_id = %s AND sequence = 4",
        [customer.id],
    )


def blame_somebody_else(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "UPDATE customer_lifecycle_history SET changed_by = 'system:cron' WHERE customer_id = %s AND sequence = 1",
        [customer.id],
    )


def exchange_a_note(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "UPDATE customer_lifecycle_history h SET note = (SELECT note FROM customer_lifecycle_history"
        " WHERE customer_id = h.customer_id AND sequence = 5) WHERE customer_id = %s AND sequence = 2",
        [customer.id],
    )


def delete_the_last_row(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s AND sequence = 5", [customer.id])


def delete_in_the_middle(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s AND sequence = 3", [customer.id])


def delete_two_in_the_middle(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute(
        "DELETE FROM customer_lifecycle_history WHERE customer_id = %s AND sequence IN (3, 4)", [customer.id]
    )


def delete_the_first_row(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s AND sequence = 1", [customer.id])


def delete_and_renumber(session: psycopg.Connection[Any], customer: Customer) -> None:
    delete_in_the_middle(session, customer)
    for sequence in (4, 5):
        session.execute(
            "UPDATE customer_lifecycle_history SET sequence = sequence - 1 WHERE customer_id = %s AND sequence = %s",
            [customer.id, sequence],
        )


def edit_and_recompute_its_hash(session: psycopg.Connection[Any], customer: Customer) -> None:
    edit_a_row(session, customer)
    rehash(session, customer, 3)


def rehash(session: psycopg.Connection[Any], customer: Customer, sequence: int) -> bytes:
    """Give a row the hash of what it says now, as somebody would who knows the format."""
    with session.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        where = "WHERE customer_id = %s AND sequence = %s"
        row = cursor.execute(f"SELECT * FROM customer_lifecycle_history {where}", [customer.id, sequence]).fetchone()
        assert row is not None
        forged = chain.row_hash(row)
        cursor.execute(f"UPDATE customer_lifecycle_history SET hash = %s {where}", [forged, customer.id, sequence])
    return forged


def rewrite_the_link_as_well(session: psycopg.Connection[Any], customer: Customer) -> None:
    edit_a_row(session, customer)
    forged = rehash(session, customer, 3)
    session.execute(
        "UPDATE customer_lifecycle_history SET previous_hash = %s WHERE customer_id = %s AND sequence = 4",
        [forged, customer.id],
    )


def rewrite_up_to_the_last_row(session: psycopg.Connection[Any], customer: Customer) -> None:
    rewrite_from_the_third_row(session, customer)


def rewrite_from_the_third_row(session: psycopg.Connection[Any], customer: Customer) -> bytes:
    """Edit the third row and recompute every later one; the hash of the last."""
    edit_a_row(session, customer)
    forged = rehash(session, customer, 3)
    for sequence in (4, 5):
        session.execute(
            "UPDATE customer_lifecycle_history SET previous_hash = %s WHERE customer_id = %s AND sequence = %s",
            [forged, customer.id, sequence],
        )
        forged = rehash(session, customer, sequence)
    return forged


def move_without_history(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("UPDATE customer_lifecycle_status SET stage = 'Churned' WHERE customer_id = %s", [customer.id])


def raise_the_version(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("UPDATE customer_lifecycle_status SET version = 6 WHERE customer_id = %s", [customer.id])


def delete_the_whole_history(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s", [customer.id])


def delete_the_status(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_status WHERE customer_id = %s", [customer.id])


def delete_the_last_row_and_fix_the_head(session: psycopg.Connection[Any], customer: Customer) -> None:
    delete_the_last_row(session, customer)
    session.execute(
        "UPDATE customer_lifecycle_status s SET version = 4, stage = h.to_stage, head_hash = h.hash"
        " FROM customer_lifecycle_history h"
        " WHERE s.customer_id = %s AND h.customer_id = s.customer_id AND h.sequence = 4",
        [customer.id],
    )


def rewrite_everything_and_the_head(session: psycopg.Connection[Any], customer: Customer) -> None:
    forged = rewrite_from_the_third_row(session, customer)
    session.execute("UPDATE customer_lifecycle_status SET head_hash = %s WHERE customer_id = %s", [forged, customer.id])


def carry_out(attack: Attack, customer: Customer) -> None:
    """Attack as a superuser who has switched the triggers off, and cover the tracks."""
    with superuser() as session:
        session.execute("ALTER TABLE customer_lifecycle_history DISABLE TRIGGER USER")
        attack(session, customer)
        for trigger in ("history_rows_are_final", "history_rows_are_never_emptied"):
            session.execute(f"ALTER TABLE customer_lifecycle_history ENABLE ALWAYS TRIGGER {trigger}")


def verify(*arguments: str) -> str:
    """What ``manage.py verify_audit`` writes when all is well."""
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()
