"""Seals: what the chain alone does not see, because anyone who rewrites it can compute hashes as well."""

import base64
import hashlib
import io
import json
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from audit.models import LifecycleHistory, OutboxMessage, SealedRow
from audit.services import seals
from audit.services.seals import MerkleTree, describe_seal, facts_of, is_signed_by, merkle_root, public_key_of
from lifecycle.management import progress
from lifecycle.management.commands import seal_audit
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.services.audit_chain import tampering as attacks
from tests.services.seals.sealing import KEY, OTHER_KEY, PUBLIC, carry_out, drop_the_seals, errors_of, seal, seals_of
from tests.services.threads import run_together

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


def seal_once(tenant: TenantRef) -> int:
    """Seal as the command does, from any thread; how many rows were covered."""
    with tenant_context(tenant.id):
        sealed = seals.seal_rows(tenant.id, signing_key=KEY, now=utc_now())
    return sealed.seal.leaves if sealed else 0


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


@override_settings(AUDIT_SIGNING_KEY=KEY)
def test_a_tenant_whose_rows_cannot_be_written_holds_up_no_other_and_is_named(
    tenant: TenantRef, other_tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while it is being moved; its fence refuses the seal."""
    CustomerFactory(tenant=tenant)
    CustomerFactory(tenant=other_tenant, stage="Live")
    seal_rows = seals.seal_rows

    def refuse_one(tenant_id: Any, **options: Any) -> Any:
        if tenant_id == tenant.id:
            raise OperationalError from psycopg.errors.ObjectNotInPrerequisiteState()
        return seal_rows(tenant_id, **options)

    monkeypatch.setattr(seal_audit, "choose_tenants", lambda *_: [tenant, other_tenant])
    monkeypatch.setattr(seal_audit, "seal_rows", refuse_one)
    with pytest.raises(CommandError, match=rf"^Not sealed: {tenant.slug}\. Run it again in a moment\.$"):
        seal()
    assert (len(seals_of(tenant)), len(seals_of(other_tenant))) == (0, 1)
