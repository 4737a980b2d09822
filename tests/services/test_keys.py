"""Keys: rotated in pieces, destroyed with the person; and the commands that do it."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings

from audit.models import AdministrationEntry, DataKey, LifecycleHistory
from audit.services import chain, keys
from audit.services.keys import KeyDestroyed, ensure_keys, load_key, load_keys
from audit.services.message_encryption import decrypt_message, encrypt_message
from lifecycle.models import Contact, Customer, DeadLetter, ParkedEvent
from lifecycle.rules.transitions import Change
from lifecycle.services.cache import copies, stale
from lifecycle.services.compliance import key_rotation
from lifecycle.services.compliance.erasure import ErasureRefused, erase_customer
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.idempotency import KeptResponse, claim_key, keep_answer
from storage import cipher
from storage.servers import MAIN
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import TenantFactory, utc_now
from tests.services.test_encryption import ACTOR, CANARIES, dump_everything, make_customer_with_canaries

OLD, NEW = {1: bytes(range(32))}, {2: bytes(range(32, 64)), 1: bytes(range(32))}
ONLY_NEW = {2: NEW[2]}


@pytest.fixture(autouse=True)
def old_master_key(db: None) -> Iterator[None]:
    """Every key is first wrapped by master key 1."""
    with override_settings(MASTER_KEYS=OLD):
        yield


def make_keys(tenant: TenantRef, number: int) -> dict[UUID, bytes]:
    """Data keys of made-up customers."""
    with tenant_context(tenant.id):
        return ensure_keys(tenant.id, [uuid4() for _ in range(number)])


def read_master_keys(tenant: TenantRef) -> list[int]:
    """The master key of each data key of the tenant."""
    with tenant_context(tenant.id):
        return sorted(DataKey.objects.filter(tenant_id=tenant.id).values_list("master_key_id", flat=True))


def rotate(*arguments: str) -> str:
    """What ``manage.py rotate_keys`` writes."""
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_two_writers_who_need_a_new_customers_key_get_the_same_one(tenant: TenantRef) -> None:
    subject = uuid4()
    with tenant_context(tenant.id):
        first = ensure_keys(tenant.id, [subject])
        assert ensure_keys(tenant.id, [subject, subject]) == first
    assert len(read_master_keys(tenant)) == 1


def test_a_rotation_keeps_every_data_key_and_needs_the_old_master_key_no_more(tenant: TenantRef) -> None:
    before = make_keys(tenant, 25)
    with override_settings(MASTER_KEYS=NEW):
        assert rotate("--tenant", tenant.slug) == f"{tenant.slug}: 25 re-wrapped, 0 left\n"
    assert read_master_keys(tenant) == [2] * 25
    with override_settings(MASTER_KEYS=ONLY_NEW), tenant_context(tenant.id):
        assert load_keys(tenant.id, before) == before


def test_processes_that_are_restarted_one_by_one_read_what_the_others_write(tenant: TenantRef) -> None:
    """In the order of docs/security.md: the new key comes behind the others first, and in front once all know it."""
    handbook = (Path(settings.BASE_DIR) / "docs" / "security.md").read_text()
    (row,) = re.findall(r"^\| MASTER_KEYS \|.*$", handbook, flags=re.M)
    assert re.search("behind the others.*restart.*in front.*restart.*rotate_keys", row)
    behind = {**OLD, **NEW}
    assert next(iter(behind)) == next(iter(OLD)) and next(iter(NEW)) not in OLD
    for former, later in ((OLD, behind), (behind, NEW)):
        for writes, reads in ((former, later), (later, former)):
            with override_settings(MASTER_KEYS=writes):
                made = make_keys(tenant, 2)
            with override_settings(MASTER_KEYS=reads), tenant_context(tenant.id):
                assert load_keys(tenant.id, made) == made
    # In front at once: those that are not restarted yet do not know it.
    with override_settings(MASTER_KEYS=NEW):
        made = make_keys(tenant, 1)
    with override_settings(MASTER_KEYS=OLD), tenant_context(tenant.id), pytest.raises(cipher.MasterKeyMissing):
        load_keys(tenant.id, made)


def test_a_rotation_interrupted_half_way_goes_on_with_the_rest(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_keys(tenant, 25)
    monkeypatch.setattr(key_rotation, "BATCH", 10)
    with override_settings(MASTER_KEYS=NEW):
        running = key_rotation.rotate_tenant(tenant.id)
        assert next(running) == 10
        running.close()
        assert read_master_keys(tenant) == [1] * 15 + [2] * 10
        with tenant_context(tenant.id):
            assert load_keys(tenant.id, before) == before
        assert key_rotation.count_old(tenant.id) == 15
        assert list(key_rotation.rotate_tenant(tenant.id)) == [10, 5]
        assert key_rotation.count_old(tenant.id) == 0
        assert list(key_rotation.rotate_tenant(tenant.id)) == []


def test_a_batch_that_breaks_leaves_no_half(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    make_keys(tenant, 5)
    monkeypatch.setattr(key_rotation, "_rewrap", lambda *_: 1 / 0)
    with override_settings(MASTER_KEYS=NEW), pytest.raises(ZeroDivisionError):
        list(key_rotation.rotate_tenant(tenant.id))
    assert read_master_keys(tenant) == [1] * 5


def test_keys_held_by_somebody_else_are_reported_as_left(tenant: TenantRef) -> None:
    make_keys(tenant, 3)
    other = connections.create_connection("default")
    try:
        with override_settings(MASTER_KEYS=NEW):
            with other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
                cursor.execute("SELECT id FROM audit_data_key ORDER BY id LIMIT 1 FOR UPDATE")
            with pytest.raises(CommandError, match="1 are still under an older master key"):
                rotate("--tenant", tenant.slug)
            assert read_master_keys(tenant) == [1, 2, 2]
            with other.cursor() as cursor:
                cursor.execute("ROLLBACK")
            assert rotate("--tenant", tenant.slug) == f"{tenant.slug}: 1 re-wrapped, 0 left\n"
    finally:
        other.close()


def test_messages_that_wait_are_rotated_as_well(tenant: TenantRef) -> None:
    now = utc_now()
    with tenant_context(tenant.id):
        dead_letter = DeadLetter(tenant_id=tenant.id, topic="crm.customers", partition=0, offset=7, failed_at=now)
        dead_letter.value = encrypt_message(b"a dead letter", tenant_id=tenant.id, row_id=dead_letter.id)
        dead_letter.save(force_insert=True)
        parked = ParkedEvent(
            tenant_id=tenant.id,
            external_id="x",
            topic="crm.customers",
            partition=0,
            offset=8,
            occurred_at=now,
            parked_at=now,
            expires_at=now,
        )
        parked.value = encrypt_message(b"a parked event", tenant_id=tenant.id, row_id=parked.id)
        parked.save(force_insert=True)
    with override_settings(MASTER_KEYS=NEW):
        assert rotate("--tenant", tenant.slug) == f"{tenant.slug}: 2 re-wrapped, 0 left\n"
    with override_settings(MASTER_KEYS=ONLY_NEW), tenant_context(tenant.id):
        dead_letter.refresh_from_db()
        parked.refresh_from_db()
        assert (
            decrypt_message(bytes(dead_letter.value or b""), tenant_id=tenant.id, row_id=dead_letter.id)
            == b"a dead letter"
        )
        assert decrypt_message(bytes(parked.value), tenant_id=tenant.id, row_id=parked.id) == b"a parked event"


def test_answers_kept_for_repeated_requests_are_rotated_as_well(tenant: TenantRef) -> None:
    answer = KeptResponse(200, {"ETag": '"2"'}, b'{"success":true}')

    def ask(key: str) -> KeptResponse | None:
        with tenant_context(tenant.id):
            claim = claim_key(key, principal="ann", fingerprint=b"f", tenant=tenant, now=utc_now())
            if claim.answer is None:
                keep_answer(claim, answer)
            return claim.answer

    # Of a key that was destroyed before: it is refused already, and holds no rotation up.
    with override_settings(MASTER_KEYS={7: bytes(range(64, 96))}):
        assert ask("gone") is None
    assert [ask(key) for key in ("one", "two")] == [None, None]
    with override_settings(MASTER_KEYS=NEW):
        assert key_rotation.count_old(tenant.id) == 2
        assert rotate("--tenant", tenant.slug) == f"{tenant.slug}: 2 re-wrapped, 0 left\n"
    with override_settings(MASTER_KEYS=ONLY_NEW):
        assert [ask(key) for key in ("one", "two")] == [answer, answer]


def test_a_suspended_tenant_is_not_forgotten(tenant: TenantRef) -> None:
    make_keys(tenant, 1)
    with tenant_context(tenant.id), connections["default"].cursor() as cursor:
        cursor.execute("UPDATE tenants_tenant SET is_suspended = true")
    with override_settings(MASTER_KEYS=NEW):
        assert rotate("--tenant", tenant.slug) == f"{tenant.slug}: 1 re-wrapped, 0 left\n"
    keepers = key_rotation.list_keepers()
    assert (MAIN, tenant) in keepers
    assert (MAIN, key_rotation.NAMELESS) in keepers


def test_one_line_tells_that_a_master_key_is_missing(tenant: TenantRef) -> None:
    make_keys(tenant, 1)
    with override_settings(MASTER_KEYS=ONLY_NEW), pytest.raises(CommandError) as refusal:
        rotate("--tenant", tenant.slug)
    assert str(refusal.value) == (f"{tenant.slug}: The master key that wrapped this data key is not in MASTER_KEYS.")
    with pytest.raises(CommandError, match="There is no tenant 'no one'"):
        rotate("--tenant", "no one")


def test_a_rotation_is_written_into_the_administration_log(tenant: TenantRef) -> None:
    make_keys(tenant, 2)
    with override_settings(MASTER_KEYS=NEW):
        rotate("--tenant", tenant.slug)
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="rotate_keys")
    assert (entry.actor, entry.detail) == ("system:rotate_keys", {"rewrapped": 2, "master_key_id": 2})


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer with recognisable personal data."""
    return make_customer_with_canaries(tenant)


def erase(*arguments: str) -> str:
    """What ``manage.py erase_customer`` writes."""
    out = io.StringIO()
    call_command("erase_customer", *arguments, stdout=out)
    return out.getvalue()


def test_erasing_a_customer_makes_notes_unreadable_while_every_hash_still_verifies(
    customer: Customer, tenant: TenantRef
) -> None:
    with tenant_context(tenant.id):
        before = list(LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence").values())
    # Dead letters of no tenant that other tests have left lie under another master key, and are said in further lines.
    line, *_ = erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17 of the data subject").splitlines()
    assert line == "canary-1: data key destroyed, 1 contacts and 0 messages deleted"
    with tenant_context(tenant.id):
        with pytest.raises(KeyDestroyed, match="This customer's personal data was erased"):
            load_key(tenant.id, customer.id)
        after = list(LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence").values())
        assert after == before
        assert [bytes(row["hash"]) for row in after] == [chain.row_hash(dict(row)) for row in after]
        assert not Contact.objects.filter(customer_id=customer.id).exists()
        erased = Customer.objects.get(id=customer.id)
        assert erased.erased_at is not None
        assert erased.name == "Quetzal Ltd"
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="erase_customer")
    assert (entry.actor, entry.subject, entry.reason) == (
        "system:erase_customer",
        str(customer.id),
        "Request 17 of the data subject",
    )
    counts = {"contacts": 1, "messages": 0, "answers": 0, "uploads": 0, "unreadable": entry.detail["unreadable"]}
    assert entry.detail == counts | {"key_destroyed": True, "company": False}


def test_nothing_in_the_database_leads_back_to_the_person(customer: Customer, tenant: TenantRef) -> None:
    index = cipher.email_index(tenant.id, CANARIES["email"])
    assert index in dump_everything()
    erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17", "--company")
    dump = dump_everything()
    assert index not in dump
    with tenant_context(tenant.id):
        assert Customer.objects.get(id=customer.id).name == "Erased customer"
        assert not DataKey.objects.filter(subject_id=customer.id).exists()


def test_the_cached_profile_is_gone_with_the_commit(customer: Customer, tenant: TenantRef) -> None:
    parts = (copies.FIGURES, copies.PROFILE)
    with tenant_context(tenant.id):
        version = stale.note_profiles(tenant.id, [customer.id])[str(customer.id)]
    for _ in range(2):  # the first to come may find Redis without an epoch
        copies.read(tenant.id, customer.id, *parts).offer(1, **dict.fromkeys(parts, (version, b"Zora")))
    assert set(copies.read(tenant.id, customer.id, *parts).values.values()) == {b"Zora"}
    erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17")
    assert set(copies.read(tenant.id, customer.id, *parts).values.values()) == {None}


def test_an_erased_customer_stays_erased_when_its_sources_speak_again(customer: Customer, tenant: TenantRef) -> None:
    now = utc_now()
    erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17", "--company")
    late = CustomerFacts(
        external_id="canary-1",
        source="/crm",
        occurred_at=now,
        company={"name": "Quetzal Ltd", "segment": "Enterprise"},
        contacts=[ContactFacts(CANARIES["name"], CANARIES["email"])],
    )
    with tenant_context(tenant.id):
        record_customers([late], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=True)
        erased = Customer.objects.get(id=customer.id)
        assert (erased.name, erased.segment) == ("Erased customer", "Enterprise")
        assert not Contact.objects.filter(customer_id=customer.id).exists()


def test_an_erased_customer_can_still_be_moved_and_erased_again(customer: Customer, tenant: TenantRef) -> None:
    erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17")
    with tenant_context(tenant.id):
        change = Change(customer_id=customer.id, stage="Churned", reason_code="Left", note="Zora called again")
        (outcome,) = apply(Call(tenant, ACTOR, "API", utc_now()), [change])
        assert outcome.moved
    assert erase("canary-1", "--tenant", tenant.slug, "--reason", "The note of yesterday").startswith(
        "canary-1: data key destroyed, 0 contacts"
    )
    with tenant_context(tenant.id):
        assert list(
            LifecycleHistory.objects.filter(customer_id=customer.id)
            .order_by("sequence")
            .values_list("sequence", flat=True)
        ) == [1, 2, 3]


def test_dead_messages_about_the_customer_lose_their_bytes(customer: Customer, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        for key in (b"canary-1", b"somebody-else"):
            dead_letter = DeadLetter(
                tenant_id=tenant.id, topic="crm.customers", partition=0, offset=7, failed_at=utc_now(), key=key
            )
            dead_letter.value = encrypt_message(b"Zora", tenant_id=tenant.id, row_id=dead_letter.id)
            dead_letter.save(force_insert=True)
    assert "1 messages deleted" in erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17")
    with tenant_context(tenant.id):
        states = {
            bytes(dead_letter.key or b""): (dead_letter.state, dead_letter.value is None)
            for dead_letter in DeadLetter.objects.all()
        }
    assert states == {b"canary-1": ("discarded", True), b"somebody-else": ("open", False)}


def test_an_erasure_that_cannot_be_is_refused_and_changes_nothing(customer: Customer, tenant: TenantRef) -> None:
    for arguments, sentence in (
        (("no one", "--reason", "Request 17"), f"Tenant {tenant.slug} has no customer “no one”."),
        (("canary-1", "--reason", "  "), "Enter a reason, in at most 500 characters."),
    ):
        with pytest.raises(CommandError) as refusal:
            erase(*arguments, "--tenant", tenant.slug)
        assert str(refusal.value) == sentence
    with tenant_context(tenant.id):
        assert load_key(tenant.id, customer.id)
        assert not AdministrationEntry.objects.filter(action="erase_customer").exists()


def test_another_tenants_customer_cannot_be_erased(customer: Customer, other_tenant: TenantRef) -> None:
    with tenant_context(other_tenant.id), pytest.raises(ErasureRefused, match="has no customer “canary-1”"):
        erase_customer("canary-1", tenant=other_tenant, actor=ACTOR, reason="Curiosity", now=utc_now())


def test_an_erasure_rolled_back_erases_nothing(customer: Customer, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        erase_customer("canary-1", tenant=tenant, actor=ACTOR, reason="Request 17", now=utc_now())
        transaction.set_rollback(True)
    with tenant_context(tenant.id):
        assert Contact.objects.get(customer_id=customer.id).name == CANARIES["name"]


def export(tenant: TenantRef) -> Any:
    """What ``manage.py export_customer`` writes."""
    out = io.StringIO()
    call_command("export_customer", "canary-1", "--tenant", tenant.slug, stdout=out)
    return json.loads(out.getvalue())


def test_an_export_says_all_that_is_kept_and_is_recorded(customer: Customer, tenant: TenantRef) -> None:
    exported = export(tenant)
    assert exported["company"]["name"] == "Quetzal Ltd"
    (contact,) = exported["contacts"]
    assert (contact["name"], contact["email"], contact["phone"], contact["role"]) == (
        CANARIES["name"],
        CANARIES["email"],
        CANARIES["phone"],
        "CTO",
    )
    assert [(row["from_stage"], row["to_stage"], row["note"]) for row in exported["history"]] == [
        (None, "Prospect", None),
        ("Prospect", "Active", CANARIES["note"]),
    ]
    with tenant_context(tenant.id):
        assert AdministrationEntry.objects.get(action="export_customer").subject == str(customer.id)


def test_an_export_of_an_erased_customer_names_no_one(customer: Customer, tenant: TenantRef) -> None:
    erase("canary-1", "--tenant", tenant.slug, "--reason", "Request 17")
    exported = export(tenant)
    assert exported["contacts"] == []
    assert [row["note"] for row in exported["history"]] == [None, None]
    assert not any(canary in json.dumps(exported) for canary in CANARIES.values())


def test_rotation_touches_no_other_tenant(tenant: TenantRef) -> None:
    other = TenantFactory()
    make_keys(tenant, 2)
    make_keys(other, 2)
    with override_settings(MASTER_KEYS=NEW), tenant_context(tenant.id):
        assert keys.rewrap_keys(tenant.id, limit=100) == 2
        assert keys.rewrap_keys(other.id, limit=100) == 0
    assert (read_master_keys(tenant), read_master_keys(other)) == ([2, 2], [1, 1])
