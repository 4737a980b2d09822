"""Personal data in the tables: unreadable bytes, bound to their place, gone with one small row."""

import base64
import io
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import FieldError, ValidationError
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.models import LifecycleHistory
from audit.services.keys import ensure_keys, load_key
from lifecycle.models import Contact, Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from storage import cipher
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import utc_now

ACTOR = system_actor("tests")
# A person of this file alone: a test that commits may leave a dead letter about its own, whose headers lie open.
CANARIES = {
    "name": "Wanda Canary-Brambling",
    "email": "wanda.canary@brambling.example",
    "phone": "+49 170 5550188",
    "note": "canary: she said on the phone that she is leaving",
}


def make_customer_with_canaries(tenant: TenantRef) -> Customer:
    """A customer with one contact and one note, all of it recognisable."""
    now = utc_now()
    facts = CustomerFacts(
        external_id="canary-1",
        source="/crm",
        occurred_at=now,
        company={"name": "Quetzal Ltd"},
        contacts=[ContactFacts(CANARIES["name"], CANARIES["email"], CANARIES["phone"], "CTO")],
    )
    with tenant_context(tenant.id):
        record_customers([facts], tenant=tenant, actor=ACTOR, source="Import", now=now, create=True)
        customer = Customer.objects.get(external_id="canary-1")
        change = Change(customer_id=customer.id, stage="Active", note=CANARIES["note"])
        (outcome,) = apply(Call(tenant, ACTOR, "API", now), [change])
        assert outcome.moved
    return customer


def dump_everything() -> bytes:
    """Every row of every table as a superuser copies it out, with its binary values decoded beside them."""
    dump = io.BytesIO()
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name) as connection:
        tables = connection.execute("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid > 16384")
        for (table,) in tables.fetchall():
            with connection.cursor().copy(f"COPY {table} TO STDOUT") as rows:
                for row in rows:
                    dump.write(bytes(row))
                    for field in bytes(row).rstrip(b"\n").split(b"\t"):
                        if field.startswith(b"\\\\x"):
                            dump.write(bytes.fromhex(field[3:].decode()))
    return dump.getvalue()


@pytest.fixture
def customer(tenant: TenantRef) -> Customer:
    """A customer with recognisable personal data."""
    return make_customer_with_canaries(tenant)


@pytest.fixture
def contact(customer: Customer, tenant: TenantRef) -> Contact:
    """Its contact, with nothing read yet."""
    with tenant_context(tenant.id):
        return Contact.objects.get(customer_id=customer.id)


def test_who_may_read_reads_the_values(contact: Contact, customer: Customer, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        assert (contact.name, contact.email, contact.phone) == (
            CANARIES["name"],
            CANARIES["email"],
            CANARIES["phone"],
        )
        row = LifecycleHistory.objects.get(customer_id=customer.id, sequence=2)
        bound_to = cipher.binding("customer_lifecycle_history", "note", row.id, tenant.id)
        assert (
            cipher.decrypt(load_key(tenant.id, customer.id), bytes(row.note or b""), bound_to=bound_to)
            == (CANARIES["note"])
        )


def test_no_table_holds_a_personal_value_in_clear(customer: Customer) -> None:
    dump = dump_everything()
    assert b"Quetzal Ltd" in dump
    for canary in CANARIES.values():
        plain = canary.encode()
        for form in (plain, plain.hex().encode(), base64.b64encode(plain)[:-4], canary.encode("utf-16-le")):
            assert form not in dump


def test_values_stay_closed_in_lists_and_representations(contact: Contact, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        (name,) = Contact.objects.filter(id=contact.id).values_list("name", flat=True)
    assert (repr(name), str(name)) == ("<Encrypted>", "<Encrypted>")
    assert CANARIES["name"] not in f"{contact} {contact!r}"


def test_an_address_is_found_by_its_keyed_hash_in_its_own_tenant_only(
    contact: Contact, tenant: TenantRef, other_tenant: TenantRef
) -> None:
    spelled_otherwise = "  WANDA.Canary@brambling.example "
    with tenant_context(tenant.id):
        index = cipher.email_index(tenant.id, spelled_otherwise)
        assert Contact.objects.get(email_index=index).id == contact.id
    assert cipher.email_index(other_tenant.id, CANARIES["email"]) != index
    assert CANARIES["email"].encode() not in index


@pytest.mark.parametrize("place", ["row", "column", "tenant", "table"])
def test_a_value_moved_elsewhere_does_not_open(place: str, tenant: TenantRef, other_tenant: TenantRef) -> None:
    key, row_id = cipher.new_data_key(), uuid4()
    value = cipher.encrypt(key, "Ann", bound_to=cipher.binding("lifecycle_contact", "name", row_id, tenant.id))
    elsewhere = {
        "row": cipher.binding("lifecycle_contact", "name", uuid4(), tenant.id),
        "column": cipher.binding("lifecycle_contact", "phone", row_id, tenant.id),
        "tenant": cipher.binding("lifecycle_contact", "name", row_id, other_tenant.id),
        "table": cipher.binding("customer_lifecycle_history", "name", row_id, tenant.id),
    }
    with pytest.raises(cipher.Undecryptable, match="altered, moved from another row, or written under another key"):
        cipher.decrypt(key, value, bound_to=elsewhere[place])


def test_a_value_moved_within_the_table_does_not_open(contact: Contact, customer: Customer, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        second = Contact(tenant_id=tenant.id, customer=customer, name="Ben", phone="1")
        second.save(force_insert=True)
        move = "UPDATE lifecycle_contact SET {} WHERE id = %s"
        with connections["default"].cursor() as cursor:
            cursor.execute(
                move.format("name = (SELECT name FROM lifecycle_contact WHERE id = %s)"), [contact.id, second.id]
            )
            cursor.execute(move.format("phone = name"), [second.id])
        for column in ("name", "phone"):
            with pytest.raises(cipher.Undecryptable, match="moved from another row"):
                getattr(Contact.objects.get(id=second.id), column)


def test_plain_text_put_into_the_column_is_not_taken_for_a_value(contact: Contact, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        with connections["default"].cursor() as cursor:
            cursor.execute("UPDATE lifecycle_contact SET name = %s WHERE id = %s", [b"Mallory", contact.id])
        with pytest.raises(cipher.Undecryptable, match="not in the encrypted format"):
            str(Contact.objects.get(id=contact.id).name)


def test_every_altered_byte_is_noticed(tenant: TenantRef) -> None:
    key = cipher.new_data_key()
    value = cipher.encrypt(key, "Ann", bound_to=b"here")
    for position in range(len(value)):
        altered = bytearray(value)
        altered[position] ^= 1
        with pytest.raises(cipher.Undecryptable):
            cipher.decrypt(key, bytes(altered), bound_to=b"here")
    for length in range(len(value)):
        with pytest.raises(cipher.Undecryptable):
            cipher.decrypt(key, value[:length], bound_to=b"here")


def test_a_failed_validation_does_not_hand_out_ciphertext(contact: Contact, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        contact.email = "not an address"
        with pytest.raises(ValidationError):
            contact.full_clean(exclude=["customer"])
        again = Contact.objects.get(id=contact.id)
        assert again.email == CANARIES["email"]
        again.save()
        assert Contact.objects.get(id=contact.id).email == CANARIES["email"]


def test_saving_twice_does_not_encrypt_twice(contact: Contact, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        for _ in range(3):
            again = Contact.objects.get(id=contact.id)
            assert again.phone == CANARIES["phone"]
            again.save()
        untouched = Contact.objects.get(id=contact.id)
        untouched.save()
        assert Contact.objects.get(id=contact.id).name == CANARIES["name"]


@hypothesis_settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"])) for _ in range(2)]))
def test_every_text_comes_back_as_it_was(
    texts: tuple[str, str], contact: Contact, customer: Customer, tenant: TenantRef
) -> None:
    name, phone = texts
    with tenant_context(tenant.id):
        row = Contact(tenant_id=tenant.id, customer=customer, name=name, phone=phone, email=None)
        row.save(force_insert=True)
        loaded = Contact.objects.get(id=row.id)
        assert (loaded.name, loaded.phone, loaded.email) == (name, phone, None)


def test_an_empty_text_is_not_nothing(contact: Contact, customer: Customer, tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        Contact.objects.create(id=(row_id := uuid4()), tenant_id=tenant.id, customer=customer, name="", phone="")
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT phone IS NULL, octet_length(phone) FROM lifecycle_contact WHERE id = %s", [row_id])
            assert cursor.fetchone() == (False, 29)


@pytest.mark.parametrize(
    "query",
    [
        lambda: Contact.objects.filter(name="Zora").count(),
        lambda: Contact.objects.filter(email__icontains="quetzal").count(),
        lambda: Contact.objects.filter(phone__in=["1"]).count(),
        lambda: Contact.objects.exclude(email="a@b.example").count(),
        lambda: Contact.objects.update(name="Mallory"),
        lambda: Contact.objects.bulk_update([Contact.objects.all()[0]], ["name"]),
    ],
)
def test_a_query_over_an_encrypted_column_is_an_error(query: Any, contact: Contact, tenant: TenantRef) -> None:
    with tenant_context(tenant.id), pytest.raises(FieldError, match="is encrypted"):
        query()


def test_dumpdata_is_refused_in_one_line() -> None:
    for arguments in ([], ["lifecycle.contact"], ["audit"]):
        with pytest.raises(CommandError) as refusal:
            call_command("dumpdata", *arguments)
        assert str(refusal.value).startswith("dumpdata is refused: row-level security would leave out")


def test_a_serializer_refuses_as_well(contact: Contact, tenant: TenantRef) -> None:
    from django.core.serializers import serialize

    with tenant_context(tenant.id), pytest.raises(FieldError, match="is never serialised"):
        serialize("json", [contact])


def test_no_key_no_value(tenant: TenantRef) -> None:
    subject = uuid4()
    with tenant_context(tenant.id):
        ensure_keys(tenant.id, [subject])
    other = {2: bytes(range(32, 64))}
    with (
        override_settings(MASTER_KEYS=other),
        tenant_context(tenant.id),
        pytest.raises(cipher.Undecryptable, match="not in MASTER_KEYS"),
    ):
        load_key(tenant.id, subject)


def test_a_data_key_opens_for_its_own_customer_and_tenant_only(tenant: TenantRef, other_tenant: TenantRef) -> None:
    subject = uuid4()
    _, wrapped = cipher.wrap(cipher.new_data_key(), tenant_id=tenant.id, subject_id=subject)
    for tenant_id, subject_id in ((tenant.id, uuid4()), (other_tenant.id, subject)):
        with pytest.raises(cipher.Undecryptable, match="altered or belongs to another customer"):
            cipher.unwrap(wrapped, tenant_id=tenant_id, subject_id=subject_id)


def test_values_of_this_format_open_for_ever() -> None:
    """A known answer: written by the first version, with a fixed key."""
    key = bytes(range(32))
    place = cipher.binding(
        "lifecycle_contact",
        "name",
        UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
    )
    assert cipher.decrypt(key, KNOWN_VALUE, bound_to=place) == "Žofie Nováková"


KNOWN_VALUE = bytes.fromhex(
    "027d0e50e1660996baa85ae65202a6b82065590e70da3b28ccaf64d9fb9761d2a7fd9fa25da53624f82296285249"
)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("MASTER_KEYS", "1:c2hvcnQ=", "configuration error: MASTER_KEYS key 1 holds 5 bytes; 32 are needed"),
        ("MASTER_KEYS", "1:***", "configuration error: MASTER_KEYS key 1 is not valid base64"),
        ("MASTER_KEYS", "x:c2hvcnQ=", "configuration error: MASTER_KEYS wants kid:base64 with a kid from 1 to 65535"),
        ("MASTER_KEYS", ",", "configuration error: MASTER_KEYS holds no key"),
        ("INDEX_KEY", "c2hvcnQ=", "configuration error: INDEX_KEY holds 5 bytes; 32 are needed"),
    ],
)
def test_a_key_of_the_wrong_length_stops_the_start_with_one_line(
    variable: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    run = subprocess.run(
        [sys.executable, "-c", "import config.settings"], capture_output=True, text=True, cwd=settings.BASE_DIR
    )
    assert (run.returncode, run.stderr.strip(), run.stdout) == (78, line, "")
