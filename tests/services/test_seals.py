"""Seals: what the chain alone does not see, because whoever rewrites it can compute hashes as well."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AuditSeal, LifecycleHistory, OutboxMessage, SealedRow
from audit.services import seals
from audit.services.seals import MerkleTree, describe_seal, facts_of, is_signed_by, merkle_root, public_key_of
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions import apply
from lifecycle.services.verification import verify_tenant_seals
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
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


def faults_of(tenant: TenantRef, *, published: Any = (), keys: Any = (PUBLIC,)) -> list[tuple[int, str]]:
    """Number and code of what is wrong with the tenant's seals."""
    found = verify_tenant_seals(tenant, public_keys=keys, published=published, now=utc_now())
    return [(number, fault.code) for number, fault in found if fault]


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
    assert faults_of(tenant) == []


def test_a_row_that_commits_late_comes_into_the_next_seal(tenant: TenantRef, customer: Customer) -> None:
    with tenant_context(tenant.id):
        change = Change(customer_id=customer.id, stage="Prospect")
        (outcome,) = apply([change], tenant=tenant, actor=system_actor("tests"), source="API", now=utc_now())
        assert outcome.moved
        assert run_together([lambda: seal_once(tenant)]) == [5]
    assert seal("--tenant", tenant.slug) == [f"{tenant.slug}: seal 2 over 1 rows"]
    assert faults_of(tenant) == []


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
    assert faults_of(tenant) == []
    assert [one.complete_to.year for one in seals_of(tenant)[:2]] == [1970, 1970]


def test_two_sealers_at_once_seal_each_row_once(tenant: TenantRef, customer: Customer) -> None:
    assert sorted(run_together([lambda: seal_once(tenant)] * 4)) == [0, 0, 0, 5]
    assert faults_of(tenant) == []


def test_seals_of_one_tenant_are_not_the_others(
    tenant: TenantRef, other_tenant: TenantRef, customer: Customer, other_customer: Customer
) -> None:
    seal("--tenant", tenant.slug)
    assert seals_of(other_tenant) == []
    seal("--tenant", other_tenant.slug)
    assert [one.leaves for one in seals_of(other_tenant)] == [1]


def test_nobody_rewrites_a_seal(tenant: TenantRef, customer: Customer) -> None:
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


def sign_with_a_key_of_his_own(session: psycopg.Connection[Any], customer: Customer) -> None:
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
    attacks.delete_the_last_row_and_mend_the_head(session, customer)


def wipe_the_customer(session: psycopg.Connection[Any], customer: Customer) -> None:
    session.execute("DELETE FROM customer_lifecycle_history WHERE customer_id = %s", [customer.id])
    session.execute("DELETE FROM customer_lifecycle_status WHERE customer_id = %s", [customer.id])


def drop_the_seals(session: psycopg.Connection[Any], customer: Customer) -> None:
    for table in ("audit_sealed_row", "audit_seal"):
        session.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [customer.tenant_id])


TABLES = {
    "customer_lifecycle_history": ("history_rows_are_final", "history_is_never_emptied"),
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
        (attacks.delete_the_last_row_and_mend_the_head, "sealed_row_missing"),
        (wipe_the_customer, "sealed_row_missing"),
        (rewrite_history_head_and_leaves, "root_differs"),
        (delete_row_head_and_leaf, "root_differs"),
        (edit_the_root, "seal_forged"),
        (backdate_the_seal, "seal_forged"),
        (sign_with_a_key_of_his_own, "seal_unknown_key"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_who_rewrites_sealed_history_is_found_out(
    attack: Callable[[psycopg.Connection[Any], Customer], Any], code: str, tenant: TenantRef, customer: Customer
) -> None:
    seal("--tenant", tenant.slug)
    carry_out(attack, customer)
    assert faults_of(tenant) == [(1, code)]


def test_a_seal_taken_out_of_the_middle_is_missed(tenant: TenantRef, customer: Customer) -> None:
    for stage in ("Prospect", "Active"):
        seal("--tenant", tenant.slug)
        attacks.move(customer, tenant, (stage, None))
    seal("--tenant", tenant.slug)

    def take_the_second(session: psycopg.Connection[Any], _: Customer) -> None:
        for table, column in (("audit_sealed_row", "seal_number"), ("audit_seal", "number")):
            session.execute(f"DELETE FROM {table} WHERE tenant_id = %s AND {column} = 2", [tenant.id])

    carry_out(take_the_second, customer)
    assert faults_of(tenant) == [(2, "seal_missing"), (3, "seal_unlinked")]


def test_the_last_seals_taken_back_are_seen_only_by_who_kept_what_was_published(
    tenant: TenantRef, customer: Customer
) -> None:
    seal("--tenant", tenant.slug)
    published = [describe_seal(one) for one in seals_of(tenant)]
    carry_out(drop_the_seals, customer)
    assert faults_of(tenant) == []
    assert faults_of(tenant, published=published) == [(1, "seal_withdrawn")]
    seal("--tenant", tenant.slug)
    assert faults_of(tenant, published=published) == [(1, "seal_withdrawn")]


def test_an_unsealed_row_taken_back_is_not_seen(tenant: TenantRef, customer: Customer) -> None:
    """Known and documented (docs/security.md): the window is the time between two seals."""
    carry_out(attacks.delete_the_last_row_and_mend_the_head, customer)
    seal("--tenant", tenant.slug)
    assert faults_of(tenant) == []


def test_rows_that_stay_unsealed_are_a_fault(tenant: TenantRef, customer: Customer) -> None:
    seal("--tenant", tenant.slug)
    attacks.move(customer, tenant, ("Prospect", None))

    def age(session: psycopg.Connection[Any], _: Customer) -> None:
        session.execute(
            "UPDATE customer_lifecycle_history SET recorded_at = recorded_at - interval '2 days'"
            " WHERE customer_id = %s AND sequence = 6",
            [customer.id],
        )

    carry_out(age, customer)
    assert faults_of(tenant) == [(0, "rows_unsealed")]


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
    assert "Seal 1 was published, and the database has it not. (seal_withdrawn)" in out.getvalue()


def test_a_file_that_holds_no_seals_is_named_with_its_line(tenant: TenantRef, tmp_path: Any) -> None:
    file = tmp_path / "seals.ndjson"
    file.write_text('\n{"number": 1}\n')
    with pytest.raises(CommandError, match=r"seals.ndjson, line 2: this is not a seal\."):
        attacks.verify("--published", str(file))
    with pytest.raises(CommandError, match=r"nowhere: No such file or directory"):
        attacks.verify("--published", "nowhere")


def test_without_a_key_nothing_is_sealed() -> None:
    with override_settings(AUDIT_SIGNING_KEY=None), pytest.raises(CommandError, match="Set AUDIT_SIGNING_KEY"):
        seal()


def test_a_new_key_comes_with_its_public_half() -> None:
    private, public = (line.partition("=")[2] for line in seal("--new-key"))
    assert public_key_of(base64.b64decode(private)) == base64.b64decode(public)
