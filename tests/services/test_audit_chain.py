"""The history proves itself: what SQL wrote Python recomputes, and anyone who rewrites it is found out.

The attacks are a superuser's, with the triggers switched off: nothing in a database stops them, so they must be seen.
"""

import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.models import LifecycleHistory
from audit.services import chain
from audit.services.verification import Verified
from lifecycle.management import tenants as management_tenants
from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration.publication import publish_configuration, revert_publication
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.services.accounts.people import suspend_tenant
from tenants.services.directory import list_every_tenant
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, utc_now

ACTOR = system_actor("tests")
MOVES = [("Onboarded", None), ("Active", "Signed"), ("At-Risk", 'Grund "ü" \\ 🙂'), ("Active", "Saved")]

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
times = st.integers(-2_000_000_000_000_000, 200_000_000_000_000_000).map(
    lambda micros: chain.EPOCH + dt.timedelta(microseconds=micros)
)


def move(customer: Customer, tenant: TenantRef, *stages: tuple[str, str | None], note: str | None = None) -> None:
    """Move a customer on, each step a transaction."""
    for stage, reason in stages:
        change = Change(customer_id=customer.id, stage=stage, reason_code=reason, note=note)
        with tenant_context(tenant.id):
            (outcome,) = apply(Call(tenant, ACTOR, "API", utc_now()), [change])
        assert outcome.moved, outcome


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer with five rows of history."""
    customer = CustomerFactory(tenant=tenant)
    move(customer, tenant, *MOVES, note="a note")
    return customer


@pytest.fixture
def neighbour(tenant: TenantRef) -> Customer:
    """Another customer of the same tenant, with two rows, whom no attack concerns."""
    neighbour = CustomerFactory(tenant=tenant)
    move(neighbour, tenant, ("Active", None))
    return neighbour


def history_of(customer: Customer) -> list[dict[str, Any]]:
    """The customer's rows, oldest first."""
    with tenant_context(customer.tenant_id):
        return [
            dict(row) for row in LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence").values()
        ]


def breaks_of(tenant: TenantRef) -> dict[UUID, tuple[int | None, str]]:
    """Customer -> row and code of the first break, for every broken customer."""
    return {one.customer_id: (one.broken.sequence, one.broken.code) for one in verify_tenant(tenant) if one.broken}


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


def superuser() -> psycopg.Connection[Any]:
    """A superuser's session in the test database."""
    name = connections["default"].settings_dict["NAME"]
    return psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name)


# --- attacks -------------------------------------------------------------------------------------------------------

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


# --- the command ---------------------------------------------------------------------------------------------------


def verify(*arguments: str) -> str:
    """What ``manage.py verify_audit`` writes when all is well."""
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


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


def test_a_broken_transaction_writes_neither_status_nor_history(customer: Customer, tenant: TenantRef) -> None:
    before = history_of(customer)
    with pytest.raises(KeyError), tenant_context(tenant.id), transaction.atomic():
        change = Change(customer_id=customer.id, stage="Prospect")
        (outcome,) = apply(Call(tenant, ACTOR, "API", utc_now()), [change])
        assert outcome.moved
        raise KeyError
    assert history_of(customer) == before
    assert breaks_of(tenant) == {}
