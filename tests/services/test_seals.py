"""Seals: what the chain alone does not see, because anyone who rewrites it can compute hashes as well."""

import base64
import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AuditSeal, LifecycleHistory, OutboxMessage, SealedRow
from audit.services import seals
from audit.services.published_seals import PublishedSeals, read_seal
from audit.services.seals import MerkleTree, describe_seal, facts_of, is_signed_by, merkle_root, public_key_of
from lifecycle.management import progress
from lifecycle.messaging.clients import ensure_topics, make_producer
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import verify_tenant_seals
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.services import test_audit_chain as attacks
from tests.services.threads import run_together

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PUBLIC = public_key_of(KEY)

# From the reference implementation of Certificate Transparency.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_tree_is_that_of_rfc_6962(size: int) -> None:
    assert merkle_root(LEAVES[:size]).hex() == ROOTS[size]


@given(leaves=st.lists(st.binary(max_size=8), max_size=70))
def test_the_tree_built_leaf_by_leaf_is_the_recursive_one(leaves: list[bytes]) -> None:
    def recursive(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return hashlib.sha256(b"\x00" + part[0]).digest()
        split = 1 << (len(part) - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + recursive(part[:split]) + recursive(part[split:])).digest()

    assert merkle_root(leaves) == (recursive(leaves) if leaves else hashlib.sha256(b"").digest())


def test_a_big_tree_holds_one_digest_a_level() -> None:
    tree = MerkleTree()
    for number in range(1000):
        tree.add(number.to_bytes(4, "big"))
    assert len(tree._complete) == bin(1000).count("1")


# --- sealing --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def signing_key() -> Iterator[None]:
    """The sealing process has the key."""
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        yield


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer with five rows of history."""
    customer = CustomerFactory(tenant=tenant)
    attacks.move(customer, tenant, *attacks.MOVES, note="a note")
    return customer


def seal(*arguments: str) -> list[str]:
    """What ``manage.py seal_audit`` writes."""
    out = io.StringIO()
    call_command("seal_audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().splitlines()


def seal_once(tenant: TenantRef) -> int:
    """Seal as the command does, from any thread; how many rows were covered."""
    with tenant_context(tenant.id):
        sealed = seals.seal_rows(tenant.id, signing_key=KEY, now=utc_now())
    return sealed.seal.leaves if sealed else 0


def seals_of(tenant: TenantRef) -> list[AuditSeal]:
    """The tenant's seals, oldest first."""
    with tenant_context(tenant.id):
        return list(AuditSeal.objects.order_by("number"))


def errors_of(tenant: TenantRef, *, published: Any = (), keys: Any = (PUBLIC,)) -> list[tuple[int, str]]:
    """Number and code of what is wrong with the tenant's seals."""
    kept = PublishedSeals()
    for one in published:
        kept.add(read_seal(json.dumps(one).encode()))
    found = verify_tenant_seals(tenant, public_keys=keys, published=kept, now=utc_now())
    return [(number, error.code) for number, error in found if error]


def test_a_seal_covers_what_no_seal_covers_yet(tenant: TenantRef, customer: Customer) -> None:
    assert seal("--tenant", tenant.slug) == [f"{tenant.slug}: seal 1 over 5 rows"]
    assert seal("--tenant", tenant.slug) == []
    attacks.move(customer, tenant, ("Prospect", None), ("Active", None))
    assert seal("--tenant", tenant.slug) == [f"{tenant.slug}: seal 2 over 2 rows"]
    first, second = seals_of(tenant)
    assert bytes(first.previous) == b""
    assert bytes(second.previous) == facts_of(first).digest()
    with tenant_context(tenant.id):
        rows = LifecycleHistory.objects.filter(sequence__lte=5).order_by("sequence")
        assert bytes(first.root) == merkle_root([bytes(row.hash) for row in rows])
        assert SealedRow.objects.count() == LifecycleHistory.objects.count() == 7
    assert is_signed_by(PUBLIC, facts_of(first), bytes(first.signature))
    assert not is_signed_by(public_key_of(OTHER_KEY), facts_of(first), bytes(first.signature))
    assert errors_of(tenant) == []


def test_a_row_that_commits_late_comes_into_the_next_seal(tenant: TenantRef, customer: Customer) -> None:
    with tenant_context(tenant.id):
        change = Change(customer_id=customer.id, stage="Prospect")
        (outcome,) = apply(Call(tenant, system_actor("tests"), "API", utc_now()), [change])
        assert outcome.moved
        assert run_together([lambda: seal_once(tenant)]) == [5]
    assert seal("--tenant", tenant.slug) == [f"{tenant.slug}: seal 2 over 1 rows"]
    assert errors_of(tenant) == []


def test_a_backlog_is_sealed_in_pieces_and_an_interrupted_run_goes_on(
    tenant: TenantRef, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "MOST", 2)
    with tenant_context(tenant.id):
        sealed = seals.seal_rows(tenant.id, signing_key=KEY, now=utc_now())
        assert sealed is not None
        assert sealed.place == (customer.id, 2)
    assert [line.rpartition(": ")[2] for line in seal("--tenant", tenant.slug)] == [
        "seal 2 over 2 rows",
        "seal 3 over 1 rows",
    ]
    assert errors_of(tenant) == []
    assert [one.complete_to.year for one in seals_of(tenant)[:2]] == [1970, 1970]


def test_two_sealers_at_once_seal_each_row_once(tenant: TenantRef, customer: Customer) -> None:
    assert sorted(run_together([lambda: seal_once(tenant)] * 4)) == [0, 0, 0, 5]
    assert errors_of(tenant) == []


def test_seals_of_one_tenant_are_not_the_others(
    tenant: TenantRef, other_tenant: TenantRef, customer: Customer, other_customer: Customer
) -> None:
    seal("--tenant", tenant.slug)
    assert seals_of(other_tenant) == []
    seal("--tenant", other_tenant.slug)
    assert [one.leaves for one in seals_of(other_tenant)] == [1]


def test_no_one_rewrites_a_seal(tenant: TenantRef, customer: Customer) -> None:
    seal("--tenant", tenant.slug)
    for table in ("audit_seal", "audit_sealed_row"):
        for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with attacks.superuser() as session:
                session.execute("SET LOCAL session_replication_role = replica")
                with pytest.raises(psycopg.errors.DatabaseError, match=r"append-only|referenced in a foreign key"):
                    session.execute(statement)


def test_a_seal_is_published_in_the_same_transaction(tenant: TenantRef, customer: Customer) -> None:
    with override_settings(AUDIT_SEAL_TOPIC="audit.seals"):
        seal("--tenant", tenant.slug)
    with tenant_context(tenant.id):
        message = OutboxMessage.objects.get(topic="audit.seals", tenant_id=tenant.id)
    (made,) = seals_of(tenant)
    assert json.loads(bytes(message.payload or b"")) == describe_seal(made)
    assert bytes(message.key or b"") == str(tenant.id).encode()


# --- attacks --------------------------------------------------------------------------------------------------------


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


def drop_the_seals(session: psycopg.Connection[Any], customer: Customer) -> None:
    for table in ("audit_sealed_row", "audit_seal"):
        session.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [customer.tenant_id])


TABLES = {
    "customer_lifecycle_history": ("history_rows_are_final", "history_rows_are_never_emptied"),
    "audit_seal": ("seals_are_final", "seals_are_never_emptied"),
    "audit_sealed_row": ("sealed_rows_are_final", "sealed_rows_are_never_emptied"),
}


def carry_out(attack: Callable[[psycopg.Connection[Any], Customer], Any], customer: Customer) -> None:
    """Attack as a superuser who has switched every trigger off, and cover the tracks."""
    with attacks.superuser() as session:
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        attack(session, customer)
        session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, triggers in TABLES.items():
            for trigger in triggers:
                session.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


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


# --- the commands ---------------------------------------------------------------------------------------------------


def test_verify_audit_verifies_the_seals_as_well(tenant: TenantRef, customer: Customer, tmp_path: Any) -> None:
    seal("--tenant", tenant.slug)
    assert attacks.verify("--tenant", tenant.slug) == (
        f"{tenant.slug}: 1 customers, 5 rows, unbroken; 1 seals, 0 broken\n"
    )
    file = tmp_path / "seals.ndjson"
    file.write_text("".join(json.dumps(describe_seal(one)) + "\n" for one in seals_of(tenant)))
    with override_settings(AUDIT_SIGNING_KEY=None, AUDIT_VERIFY_KEYS=[PUBLIC]):
        assert "1 seals, 0 broken" in attacks.verify("--tenant", tenant.slug, "--published", str(file))
    carry_out(drop_the_seals, customer)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"^1 seal is broken\.$"):
        call_command("verify_audit", "--tenant", tenant.slug, "--published", str(file), stdout=out)
    assert "Seal 1 was published and is missing here. (seal_withdrawn)" in out.getvalue()


def test_verifying_says_how_far_it_is(tenant: TenantRef, customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    seal_once(tenant)
    CustomerFactory(tenant=tenant)
    assert seal_once(tenant) == 1
    said = io.StringIO()
    call_command("verify_audit", "--tenant", tenant.slug, stdout=io.StringIO(), stderr=said)
    assert f"{tenant.slug}: seals 1 of 2" in said.getvalue().splitlines()


def test_a_file_that_holds_no_seals_is_named_with_its_line(tenant: TenantRef, tmp_path: Any) -> None:
    file = tmp_path / "seals.ndjson"
    file.write_text('\n{"number": 1}\n')
    with pytest.raises(CommandError, match=r"seals.ndjson, line 2: this is not a seal\. Nothing was verified\."):
        attacks.verify("--published", str(file))
    with pytest.raises(CommandError, match=r"nowhere: No such file or directory"):
        attacks.verify("--published", "nowhere")


def test_without_a_key_nothing_is_sealed() -> None:
    with override_settings(AUDIT_SIGNING_KEY=None), pytest.raises(CommandError, match="Set AUDIT_SIGNING_KEY"):
        seal()


def test_a_new_key_comes_with_its_public_half() -> None:
    private, public = (line.partition("=")[2] for line in seal("--new-key"))
    assert public_key_of(base64.b64decode(private)) == base64.b64decode(public)


# --- what was published --------------------------------------------------------------------------------------------


def delete_the_tenant(tenant: TenantRef, *, keep: tuple[str, ...] = ()) -> None:
    """As a superuser with every trigger switched off: no row of the tenant is left, but those of tables to keep."""
    with attacks.superuser() as session:
        session.execute("SET LOCAL session_replication_role = replica")
        columns = session.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND (column_name IN ('tenant_id', 'content_object_id')"
            " OR table_name = 'tenants_tenant' AND column_name = 'id')"
        ).fetchall()
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        session.execute("ALTER TABLE audit_administration DISABLE TRIGGER USER")
        session.execute("ALTER TABLE tenants_configurationversion DISABLE TRIGGER USER")
        for table, column in columns:
            if table not in keep:
                session.execute(f"DELETE FROM {table} WHERE {column}::text = %s", [str(tenant.id)])
        for table in (*TABLES, "audit_administration", "tenants_configurationversion"):
            for (trigger,) in session.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", [table]
            ).fetchall():
                session.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def write_published(path: Any, *seals_: dict[str, Any]) -> str:
    """Published seals in a file."""
    path.write_text("".join(json.dumps(one) + "\n" for one in seals_))
    return str(path)


def verify_published(*arguments: str) -> tuple[str, str]:
    """What ``verify_audit`` writes, and the error it ends with ("" for none)."""
    out = io.StringIO()
    try:
        call_command("verify_audit", *arguments, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[TenantRef], None]:
    """Every tenant is verified, and as far as that goes the given one is the only one that exists."""

    def leave(tenant: TenantRef) -> None:
        existing = Tenant.objects.using("platform").filter(id=tenant.id)
        chosen = lambda _: [tenant] if existing.exists() else []  # noqa: E731
        monkeypatch.setattr("lifecycle.management.commands.verify_audit.choose_tenants", chosen)

    return leave


def test_a_tenant_deleted_with_all_its_rows_is_missed_by_who_kept_what_was_published(
    tmp_path: Any, db: None, alone: Callable[[TenantRef], None]
) -> None:
    tenant = TenantFactory()
    alone(tenant)
    CustomerFactory(tenant=tenant)
    seal("--tenant", tenant.slug)
    file = write_published(tmp_path / "kept", *[describe_seal(one) for one in seals_of(tenant)])
    said = f"{tenant.slug}: 1 customers, 1 rows, unbroken; 1 seals, 0 broken; 1 published\n"
    assert verify_published("--published", file) == (said, "")
    delete_the_tenant(tenant)
    assert verify_published("--published", file) == (
        f"Tenant {tenant.id} has published seals up to number 1 and does not exist here. (tenant_missing)\n",
        "1 tenant is missing.",
    )
    assert verify_published() == ("", "")
    whole = json.loads(verify_published("--published", file, "--format", "json")[0])
    assert whole["intact"] is False
    assert [error["code"] for error in whole["missing"]] == ["tenant_missing"]


def test_a_tenant_deleted_without_its_history_is_missed_without_anything_published(
    db: None, alone: Callable[[TenantRef], None]
) -> None:
    tenant = TenantFactory()
    alone(tenant)
    CustomerFactory(tenant=tenant)
    delete_the_tenant(tenant, keep=("customer_lifecycle_history",))
    try:
        assert verify_published() == (
            f"Tenant {tenant.id} has history here and does not exist. (tenant_missing)\n",
            "1 tenant is missing.",
        )
    finally:
        delete_the_tenant(tenant)
    assert verify_published() == ("", "")


def test_a_tenant_without_a_seal_is_named_and_no_break(tenant: TenantRef, customer: Customer) -> None:
    assert verify_published("--tenant", tenant.slug) == (
        f"{tenant.slug}: 1 customers, 5 rows, unbroken; no seals\n",
        "",
    )


def test_how_many_seals_were_compared_is_said(tenant: TenantRef, customer: Customer, tmp_path: Any) -> None:
    seal("--tenant", tenant.slug)
    (first,) = [describe_seal(one) for one in seals_of(tenant)]
    attacks.move(customer, tenant, ("Prospect", None))
    seal("--tenant", tenant.slug)
    # The same message twice is one seal.
    file = write_published(tmp_path / "kept", first, first)
    said, error = verify_published("--tenant", tenant.slug, "--published", file)
    assert (said, error) == (
        f"{tenant.slug}: 1 customers, 6 rows, unbroken; 2 seals, 0 broken; 1 published\n",
        "",
    )


def test_rows_taken_from_the_end_with_their_seal_are_missed(
    tenant: TenantRef, customer: Customer, tmp_path: Any
) -> None:
    seal("--tenant", tenant.slug)
    attacks.move(customer, tenant, ("Prospect", None))
    seal("--tenant", tenant.slug)
    file = write_published(tmp_path / "kept", *[describe_seal(one) for one in seals_of(tenant)])

    def take_the_end(session: psycopg.Connection[Any], _: Customer) -> None:
        for table, column in (("audit_sealed_row", "seal_number"), ("audit_seal", "number")):
            session.execute(f"DELETE FROM {table} WHERE tenant_id = %s AND {column} = 2", [tenant.id])
        session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s AND sequence = 6", [customer.id])
        session.execute(
            "UPDATE customer_lifecycle_status s SET version = 5, stage = h.to_stage, head_hash = h.hash"
            " FROM customer_lifecycle_history h"
            " WHERE s.customer_id = %s AND h.customer_id = s.customer_id AND h.sequence = 5",
            [customer.id],
        )

    carry_out(take_the_end, customer)
    assert verify_published("--tenant", tenant.slug)[1] == ""
    said, error = verify_published("--tenant", tenant.slug, "--published", file)
    assert "Seal 2 was published and is missing here. (seal_withdrawn)" in said
    assert error == "1 seal is broken."


def published_by(key: bytes, one: AuditSeal, **changes: Any) -> dict[str, Any]:
    """The seal as somebody with this key might have published it."""
    facts = dataclasses.replace(facts_of(one), **changes)
    return describe_seal(seals._sign(facts, key, complete_to=one.complete_to))


def test_published_seals_are_not_believed_without_their_signature(tenant: TenantRef, customer: Customer) -> None:
    seal("--tenant", tenant.slug)
    (made,) = seals_of(tenant)
    true = describe_seal(made)
    other = published_by(KEY, made, leaves=4)
    assert errors_of(tenant, published=[true]) == []
    assert errors_of(tenant, published=[true, other]) == [(0, "published_twice")]
    assert errors_of(tenant, published=[other]) == [(1, "seal_withdrawn")]
    assert errors_of(tenant, published=[published_by(OTHER_KEY, made)]) == [(0, "published_unknown_key")]
    assert errors_of(tenant, published=[true, published_by(OTHER_KEY, made, number=2)]) == [
        (0, "published_unknown_key")
    ]
    assert errors_of(tenant, published=[{**true, "leaves": 4}]) == [(0, "published_forged")]


def test_a_tenant_is_not_missed_on_the_word_of_an_outsider(
    tmp_path: Any, tenant: TenantRef, customer: Customer, alone: Callable[[TenantRef], None]
) -> None:
    alone(tenant)
    seal("--tenant", tenant.slug)
    (made,) = seals_of(tenant)
    made_up = uuid4()
    file = write_published(tmp_path / "kept", published_by(OTHER_KEY, made, tenant_id=made_up))
    said, _ = verify_published("--published", file)
    assert f"which is not known here. Its tenant is {made_up}. (published_unknown_key)" in said
    assert f"Tenant {made_up} has" not in said


def test_nothing_to_compare_with_is_said_and_ends_with_one(
    tenant: TenantRef, customer: Customer, tmp_path: Any
) -> None:
    seal("--tenant", tenant.slug)
    file = write_published(tmp_path / "empty")
    said, error = verify_published("--tenant", tenant.slug, "--published", file)
    assert said == f"{tenant.slug}: 1 customers, 5 rows, unbroken; 1 seals, 0 broken\n"
    assert error == f"Nothing was compared with published seals: {file} holds none."


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "1",
        "null",
        '{"number": 1}',
        "{",
        pytest.param("\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"), id="no UTF-8"),
    ],
)
def test_a_line_that_is_no_seal_is_named(line: str, tmp_path: Any, db: None) -> None:
    file = tmp_path / "kept"
    file.write_text(f"\n{line}\n", encoding="latin-1")
    assert verify_published("--published", str(file)) == (
        "",
        f"{file}, line 2: this is not a seal. Nothing was verified.",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"number": "1"},
        {"number": 0},
        {"number": 10**30},
        {"number": True},
        {"tenant_id": "acme"},
        {"sealed_at": 10**30},
        {"root": "xyz"},
        {"signature": "?"},
        {"format": "customer360.seal.9"},
        {"previous": None},
    ],
    ids=str,
)
def test_a_seal_with_an_impossible_value_is_none(
    change: dict[str, Any], tenant: TenantRef, customer: Customer, tmp_path: Any
) -> None:
    seal("--tenant", tenant.slug)
    (made,) = seals_of(tenant)
    file = write_published(tmp_path / "kept", {**describe_seal(made), **change})
    assert verify_published("--tenant", tenant.slug, "--published", file)[1] == (
        f"{file}, line 1: this is not a seal. Nothing was verified."
    )


def test_the_topic_itself_is_compared(
    tenant: TenantRef, customer: Customer, alone: Callable[[TenantRef], None]
) -> None:
    alone(tenant)
    topic = f"seals-{uuid4().hex[:8]}"
    with override_settings(AUDIT_SEAL_TOPIC=topic):
        said, error = verify_published("--tenant", tenant.slug, "--published")
        assert said == f"{tenant.slug}: 1 customers, 5 rows, unbroken; no seals\n"
        assert error.startswith(f"Nothing was compared with published seals: There is no topic {topic}")
        seal("--tenant", tenant.slug)
        (made,) = seals_of(tenant)
        publish(topic, json.dumps(describe_seal(made)).encode())
        assert verify_published("--tenant", tenant.slug, "--published") == (
            f"{tenant.slug}: 1 customers, 5 rows, unbroken; 1 seals, 0 broken; 1 published\n",
            "",
        )
        kept = io.StringIO()
        call_command("tail_topic", topic, "--all", "--values", stdout=kept)
        assert json.loads(kept.getvalue()) == describe_seal(made)
        # Who may write there must not be able to prevent the comparison.
        publish(topic, b"not a seal")
        carry_out(drop_the_seals, customer)
        said, error = verify_published("--published")
        assert "Seal 1 was published and is missing here. (seal_withdrawn)" in said
        assert "offset 1: this is not a seal. (not_a_seal)" in said
        assert error == "2 seals are broken."


def publish(topic: str, value: bytes) -> None:
    """Send one message, to the one partition of the topic."""
    with override_settings(KAFKA_PARTITIONS=1):
        ensure_topics([topic])
    producer = make_producer()
    producer.produce(topic, value, partition=0)
    assert producer.flush(20) == 0


def test_without_a_broker_the_rest_is_verified(tenant: TenantRef, customer: Customer) -> None:
    seal("--tenant", tenant.slug)
    with override_settings(AUDIT_SEAL_TOPIC="seals", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"):
        said, error = verify_published("--tenant", tenant.slug, "--published")
    assert said == f"{tenant.slug}: 1 customers, 5 rows, unbroken; 1 seals, 0 broken\n"
    assert error.startswith("Nothing was compared with published seals: Kafka cannot be reached:")


def test_without_a_topic_a_file_must_be_named(db: None) -> None:
    with override_settings(AUDIT_SEAL_TOPIC=""):
        assert verify_published("--published") == (
            "",
            "Set AUDIT_SEAL_TOPIC, or name a file: --published FILE. Nothing was verified.",
        )
