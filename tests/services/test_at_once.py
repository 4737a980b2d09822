"""A single change takes the short way, and what becomes of it is what would have become of it on the long one."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DataError, connection, connections
from django.test.utils import CaptureQueriesContext

from audit.models import LifecycleHistory
from audit.prepared import Prepared
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change, Unchanged
from lifecycle.services import transitions
from lifecycle.services.at_once import move_at_once
from lifecycle.services.outcomes import BudgetExceeded, Outcome
from lifecycle.services.publication import publish_configuration
from lifecycle.services.transitions import apply
from lifecycle.services.verification import verify_tenant
from tenants.actors import Actor, TenantRef, system_actor
from tenants.context import current_tenant_id, tenant_context
from tests.factories import SAAS, CustomerFactory, TenantFactory, utc_now

ACTOR = system_actor("tests")
REASONS = (None, "", "  Usage Dropped ", "Usage Dropped", "No such reason", "x" * 300)


@pytest.fixture
def saas(db: None) -> TenantRef:
    """A tenant where not every way is open, with its policy known to this process."""
    tenant = TenantFactory(configuration=SAAS)
    move(tenant, CustomerFactory(tenant=tenant, stage="Trial"), "Rollout")
    return tenant


def move(tenant: TenantRef, customer: Customer, stage: str, *, actor: Actor = ACTOR, **options: Any) -> Outcome:
    budget = options.pop("budget", None)
    with tenant_context(tenant.id):
        (outcome,) = apply(
            [Change(customer_id=customer.id, stage=stage, **options)],
            tenant=tenant,
            actor=actor,
            source="API",
            now=utc_now(),
            budget=budget,
        )
    return outcome


@contextmanager
def long_way() -> Iterator[None]:
    """Nothing is tried at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transitions, "move_at_once", lambda *_, **__: None)
        yield


def seen(outcome: Outcome) -> tuple[Any, ...]:
    """All of an outcome but ids and times."""
    record = outcome.record
    return (
        outcome.decision,
        outcome.from_stage,
        outcome.moved,
        record and (record.stage, record.reason_code, record.version, record.updated_by, record.actor_kind),
    )


def written(tenant: TenantRef, customer: Customer) -> list[tuple[Any, ...]]:
    """The customer's history, but for ids, times and hashes."""
    with tenant_context(tenant.id):
        return list(
            LifecycleHistory.objects.filter(customer_id=customer.id)
            .order_by("sequence")
            .values_list(
                "sequence", "from_stage", "to_stage", "reason_code", "changed_by", "source", "configuration_version"
            )
        )


def test_both_ways_make_the_same_of_every_change(saas: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []

    def spy(*args: Any, **options: Any) -> Outcome | None:
        outcome = move_at_once(*args, **options)
        taken.append(outcome is not None)
        return outcome

    monkeypatch.setattr(transitions, "move_at_once", spy)
    for from_stage, to_stage in itertools.product(SAAS["stages"], [*SAAS["stages"], "ROLLOUT", "Nowhere"]):
        for reason, expected in zip(REASONS, itertools.cycle((None, 1))):
            one, other = (CustomerFactory(tenant=saas, stage=from_stage, reason_code="Usage Dropped") for _ in "12")
            short = move(saas, one, to_stage, reason_code=reason, expected_version=expected)
            with long_way():
                long = move(saas, other, to_stage, reason_code=reason, expected_version=expected)
            assert seen(short) == seen(long)
            assert written(saas, one) == written(saas, other)
            assert taken.pop() is short.moved
    assert [one.broken for one in verify_tenant(saas) if one.broken] == []


def test_a_plain_change_is_one_statement_and_a_refused_one_goes_the_long_way(saas: TenantRef) -> None:
    customer = CustomerFactory(tenant=saas, stage="Trial")

    def count(stage: str, **options: Any) -> tuple[int, Outcome]:
        with tenant_context(saas.id), CaptureQueriesContext(connection) as statements:
            (outcome,) = apply(
                [Change(customer_id=customer.id, stage=stage, **options)],
                tenant=saas,
                actor=ACTOR,
                source="API",
                now=utc_now(),
            )
        return len(statements), outcome

    statements, outcome = count("Rollout", expected_version=1)
    assert (statements, outcome.moved) == (1, True)
    statements, outcome = count("Live", expected_version=1)
    assert outcome.refused is not None
    assert (statements, outcome.refused.code, outcome.refused.current_version) == (2, "version_conflict", 2)
    statements, outcome = count("Rollout")
    assert (statements, type(outcome.decision)) == (2, Unchanged)


def test_a_configuration_published_since_the_last_look_judges(saas: TenantRef) -> None:
    customer = CustomerFactory(tenant=saas, stage="Trial")
    closed = {**SAAS, "transitions": {**SAAS["transitions"], "Trial": []}}
    with tenant_context(saas.id):
        publish_configuration(closed, tenant=saas, actor=ACTOR, now=utc_now())
    outcome = move(saas, customer, "Rollout")
    assert outcome.refused is not None
    assert outcome.refused.code == "transition_not_allowed"
    with tenant_context(saas.id):
        publish_configuration(SAAS, tenant=saas, actor=ACTOR, now=utc_now())
    assert move(saas, customer, "Rollout").moved
    assert [row[-1] for row in written(saas, customer)] == [1, 3]


class Purse:
    """A budget that counts."""

    def __init__(self, room: int) -> None:
        self.room = room

    def take(self, count: int) -> None:
        """Take, or raise."""
        if count > self.room:
            raise BudgetExceeded("no room")
        self.room -= count

    def give_back(self, count: int) -> None:
        """Return."""
        self.room += count


def test_only_what_is_moved_costs_budget(saas: TenantRef) -> None:
    customer = CustomerFactory(tenant=saas, stage="Trial")
    purse = Purse(1)
    assert isinstance(move(saas, customer, "Trial", budget=purse).decision, Unchanged)
    assert move(saas, customer, "Live", budget=purse).refused is not None
    assert move(saas, customer, "Rollout", expected_version=9, budget=purse).refused is not None
    assert purse.room == 1
    assert move(saas, customer, "Rollout", budget=purse).moved
    assert purse.room == 0
    # What would cost nothing needs no room; what would, is not written without it.
    assert isinstance(move(saas, customer, "Rollout", budget=purse).decision, Unchanged)
    with pytest.raises(BudgetExceeded):
        move(saas, customer, "Live", budget=purse)
    assert [row[0] for row in written(saas, customer)] == [1, 2]


def test_another_tenants_customer_is_not_found(saas: TenantRef, customer: Customer) -> None:
    outcome = move(saas, customer, "Rollout")
    assert outcome.refused is not None
    assert outcome.refused.code == "not_found"


def test_a_note_is_encrypted_on_the_short_way_too(saas: TenantRef) -> None:
    customer = CustomerFactory(tenant=saas, stage="Trial")
    outcome = move(saas, customer, "Rollout", note="Ann is leaving")
    with tenant_context(saas.id):
        row = LifecycleHistory.objects.get(id=outcome.history_id)
        assert b"Ann" not in bytes(row.note)
    assert [one.broken for one in verify_tenant(saas) if one.broken] == []


@pytest.mark.parametrize("pooler", [False, True])
def test_through_a_pooler_nothing_is_prepared(saas: TenantRef, settings: Any, pooler: bool) -> None:
    settings.DATABASE_POOLER = pooler
    connections["default"].close()
    customer = CustomerFactory(tenant=saas, stage="Trial")
    assert move(saas, customer, "Rollout").moved
    with tenant_context(saas.id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE %s", ["c360_%"])
        assert (cursor.fetchone()[0] > 0) is not pooler
    connections["default"].close()


# --- the prepared statement by itself ---------------------------------------------------------------------------------

DIVIDE = Prepared("SELECT 10 / %(by)s::int, current_setting('app.tenant_id', true)")


def test_a_statement_that_fails_leaves_the_connection_as_it_was(tenant: TenantRef) -> None:
    for _ in range(3):
        with pytest.raises(DataError), tenant_context(tenant.id):
            DIVIDE.run({"by": "0"})
        assert current_tenant_id() is None
        with tenant_context(tenant.id):
            assert DIVIDE.run({"by": "5"}) == [("2", str(tenant.id))]
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(current_setting('app.tenant_id', true), '')")
            assert cursor.fetchone() == ("",)


def test_it_begins_the_transaction_of_the_context_and_no_other(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        DIVIDE.run({"by": "2"})
    with tenant_context(tenant.id), CaptureQueriesContext(connection) as statements:
        assert DIVIDE.run({"by": "2"}) == [("5", str(tenant.id))]
        assert DIVIDE.run({"by": "1"}) == [("10", str(tenant.id))]
        assert Customer.objects.count() == 0
    assert len(statements) == 3
    # Without a context there is no transaction, and no tenant.
    assert DIVIDE.run({"by": "10"})[0] in {("1", ""), ("1", None)}


def test_a_context_without_statements_is_none_for_the_server(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        pass
    assert connection.connection.info.transaction_status.name == "IDLE"
    with tenant_context(tenant.id):
        assert list(Customer.objects.all()) == []
