"""The hash chain of a customer's history: SQL and Python compute the same, and the database refuses to rewrite it."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.services import chain
from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.services.audit_chain.tampering import ACTOR, breaks_of, history_of, superuser

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
times = st.integers(-2_000_000_000_000_000, 200_000_000_000_000_000).map(
    lambda micros: chain.EPOCH + dt.timedelta(microseconds=micros)
)


# --- the two sides of the hash ------------------------------------------------------------------------------------


def test_every_row_carries_the_hash_of_its_contents_and_of_the_row_before(customer: Customer) -> None:
    rows = history_of(customer)
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert [bytes(row["hash"]) for row in rows] == [chain.row_hash(row) for row in rows]
    assert [bytes(row["previous_hash"]) for row in rows] == [b"", *(bytes(row["hash"]) for row in rows[:-1])]
    assert [row["from_stage"] for row in rows] == [None, *(row["to_stage"] for row in rows[:-1])]
    with tenant_context(customer.tenant_id):
        status = CustomerLifecycleStatus.objects.get(customer_id=customer.id)
    assert (status.version, status.stage, bytes(status.head_hash)) == (5, "Active", bytes(rows[-1]["hash"]))


def test_the_canonical_form_is_the_documented_one() -> None:
    row = {
        "id": UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        "tenant_id": UUID(int=1),
        "customer_id": UUID(int=2),
        "sequence": 2,
        "from_stage": "Prospect",
        "to_stage": "Žofie",
        "changed_at": dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC),
        "effective_at": dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        "recorded_at": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        "changed_by": "system:x",
        "on_behalf_of": "",
        "actor_kind": "system",
        "source": "API",
        "reason_code": 'a "b" \\ \n',
        "request_id": None,
        "event_id": "",
        "configuration_version": 3,
        "note": b"\x02\xff",
        "previous_hash": b"",
    }
    assert chain.canonical_bytes(row).decode() == (
        '["customer360.history.1", "01890a5d-ac96-774b-bcce-b302099a8057", "00000000-0000-0000-0000-000000000001",'
        ' "00000000-0000-0000-0000-000000000002", 2, "Prospect", "Žofie", 1767323045678901, -1, 0, "system:x", "",'
        ' "system", "API", "a \\"b\\" \\\\ \\n", null, "", 3, "02ff", ""]'
    )


@hypothesis_settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    texts=st.tuples(*[text] * 6),
    timestamps=st.tuples(*[times] * 3),
    note=st.none() | st.binary(max_size=20),
    stage=st.none() | text,
    request=st.none() | st.uuids(),
)
def test_sql_and_python_agree_on_every_value(
    texts: tuple[str, ...],
    timestamps: tuple[dt.datetime, ...],
    note: bytes | None,
    stage: str | None,
    request: UUID | None,
    db: None,
) -> None:
    values: dict[str, Any] = {
        "id": uuid4(), "tenant_id": uuid4(), "customer_id": uuid4(), "sequence": 7, "from_stage": stage,
        "to_stage": texts[0], "changed_at": timestamps[0], "effective_at": timestamps[1], "recorded_at": timestamps[2],
        "changed_by": texts[1], "on_behalf_of": texts[2], "actor_kind": "user", "source": texts[3],
        "reason_code": texts[4], "request_id": request, "event_id": texts[5], "configuration_version": 1,
        "note": note, "previous_hash": b"\x00\x01",
    }  # fmt: skip
    types = {"id": "uuid", "tenant_id": "uuid", "customer_id": "uuid", "request_id": "uuid", "sequence": "int",
             "configuration_version": "int", "note": "bytea", "previous_hash": "bytea", "changed_at": "timestamptz",
             "effective_at": "timestamptz", "recorded_at": "timestamptz"}  # fmt: skip
    expressions = {name: f"%({name})s::{types.get(name, 'text')}" for name in values}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {chain.hash_sql(expressions)}", values)
        assert bytes(cursor.fetchone()[0]) == chain.row_hash(values)


# --- what the database itself refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE customer_lifecycle_history SET reason_code = 'x'",
        "DELETE FROM customer_lifecycle_history",
        "TRUNCATE customer_lifecycle_history",
        "ALTER TABLE customer_lifecycle_history DISABLE TRIGGER ALL",
        "DROP TABLE customer_lifecycle_history",
    ],
)
@pytest.mark.parametrize("alias", ["default", "owner", "platform", "relay"])
def test_no_role_of_the_product_rewrites_history(
    statement: str, alias: str, customer: Customer, tenant: TenantRef
) -> None:
    with (
        pytest.raises(DatabaseError, match=r"permission denied|must be owner|append-only"),
        tenant_context(tenant.id, using=alias),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute(statement)
    assert breaks_of(tenant) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE customer_lifecycle_history SET reason_code = 'x'",
        "DELETE FROM customer_lifecycle_history",
        "TRUNCATE customer_lifecycle_history",
    ],
)
def test_the_triggers_stop_even_a_superuser_in_replica_mode(statement: str, customer: Customer) -> None:
    for role in ("postgres", "c360_audit"):
        for mode in ("origin", "replica"):
            with superuser() as session:
                session.execute(f"SET LOCAL session_replication_role = {mode}")
                session.execute(f"SET LOCAL ROLE {role}")
                session.execute("SELECT set_config('app.tenant_id', %s, true)", [str(customer.tenant_id)])
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    session.execute(statement)


def test_a_broken_transaction_writes_neither_status_nor_history(customer: Customer, tenant: TenantRef) -> None:
    before = history_of(customer)
    with pytest.raises(KeyError), tenant_context(tenant.id), transaction.atomic():
        change = Change(customer_id=customer.id, stage="Prospect")
        (outcome,) = apply(Call(tenant, ACTOR, "API", utc_now()), [change])
        assert outcome.moved
        raise KeyError
    assert history_of(customer) == before
    assert breaks_of(tenant) == {}
