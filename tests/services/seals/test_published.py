"""Seals are compared with what was published of them: tenants and rows that were taken away are missed."""

import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from audit.models import AuditSeal
from audit.services import seals
from audit.services.seals import describe_seal, facts_of
from lifecycle.messaging.clients import ensure_topics, make_producer
from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.models import Tenant
from tests.factories import CustomerFactory, TenantFactory
from tests.services.audit_chain import tampering as attacks
from tests.services.seals.sealing import (
    KEY,
    OTHER_KEY,
    carry_out,
    delete_the_tenant,
    drop_the_seals,
    errors_of,
    seal,
    seals_of,
    write_published,
)


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
        chosen = lambda *_: [tenant] if existing.exists() else []  # noqa: E731
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
