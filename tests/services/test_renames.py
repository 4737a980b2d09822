"""Renaming stages that hold customers, there and back again: whatever the permutation, no one changes their place."""

import datetime as dt
import threading
import time
from typing import Any

import pytest
from django.db import close_old_connections, connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit.models import LifecycleHistory
from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.rules.transitions import Change, Status
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration import publication, stage_migrations
from lifecycle.services.configuration.plans import MappingNeeded
from lifecycle.services.configuration.publication import publish_configuration, revert_publication
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, Choice, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import Stage
from tenants.rules.configuration.document import InvalidConfiguration
from tenants.rules.configuration.policy import Policy
from tenants.sentences import describe_finding
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.services.threads import Meeting, run_together

ADMIN = system_actor("tests")
STAGES = ["A", "B", "C", "D", "E"]
# What is renamed, what goes away and where its customers go, and the stages afterwards.
Plan = tuple[dict[str, str], dict[str, str], list[str]]


def publish(tenant: TenantRef, stages: list[str], **options: Any) -> None:
    with tenant_context(tenant.id):
        publish_configuration({"stages": stages}, tenant=tenant, actor=ADMIN, now=utc_now(), **options)
    move_all(tenant)


def undo(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="That was a mistake")
    move_all(tenant)


def move_all(tenant: TenantRef) -> None:
    for _ in move_customers(tenant, now=utc_now()):
        pass


def where(tenant: TenantRef) -> dict[Any, str]:
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.values_list("customer_id", "stage"))


def entered(tenant: TenantRef) -> dict[Any, dt.datetime]:
    with tenant_context(tenant.id):
        return dict(CustomerLifecycleStatus.objects.values_list("customer_id", "stage_entered_at"))


def stages_now(tenant: TenantRef) -> set[str]:
    with tenant_context(tenant.id):
        return set(Stage.objects.values_list("name", flat=True))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Some stages go away, the others get any names, those of stages that go away as well; some are new."""
    removed = draw(st.sets(st.sampled_from(STAGES), max_size=2))
    stay = [stage for stage in STAGES if stage not in removed]
    pool = draw(st.permutations([*STAGES, "F", "G"]))
    loud = draw(st.lists(st.booleans(), min_size=len(stay), max_size=len(stay)))
    wanted = [name.lower() if small else name for name, small in zip(pool, loud, strict=False)]
    renamed = {old: new for old, new in zip(stay, wanted, strict=True) if old != new}
    # A stage of today under its own name would be that stage, and not a new one.
    free = [name for name in pool[len(stay) :] if name not in removed]
    fresh = draw(st.sets(st.sampled_from(free))) if free else set()
    stages = draw(st.permutations([*wanted, *sorted(fresh)]))
    mapping = {stage: draw(st.sampled_from(stages)) for stage in sorted(removed)}
    return renamed, mapping, list(stages)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(plan=plans())
@example(plan=({"A": "B", "B": "C", "C": "F"}, {}, ["B", "C", "F", "D", "E"]))
@example(plan=({"C": "F", "B": "A", "A": "G"}, {}, ["G", "A", "F", "D", "E"]))
@example(plan=({"A": "B", "B": "C", "C": "A", "D": "d"}, {"E": "d"}, ["B", "C", "A", "d"]))
@example(plan=({"A": "F"}, {}, ["A", "F", "B", "C", "D", "E"]))
@example(plan=({"A": "B", "C": "a"}, {"B": "B", "D": "a"}, ["B", "a", "E"]))
@example(plan=({"A": "B", "C": "D"}, {"B": "A", "D": "A"}, ["A", "B", "D", "E"]))
def test_any_renames_are_made_and_taken_back(db: None, plan: Plan) -> None:
    renamed, mapping, stages = plan
    tenant = TenantFactory(configuration={"stages": STAGES})
    for stage in STAGES:
        CustomerFactory(tenant=tenant, stage=stage)
    before, since = where(tenant), entered(tenant)

    publish(tenant, stages, renamed=renamed, mapping=mapping)
    assert where(tenant) == {
        customer: mapping.get(stage) or renamed.get(stage, stage) for customer, stage in before.items()
    }
    assert stages_now(tenant) == set(stages)

    undo(tenant)
    assert where(tenant) == before
    assert entered(tenant) == since
    assert stages_now(tenant) == set(STAGES)
    assert [verified.broken for verified in verify_tenant(tenant)] == [None] * len(STAGES)


def test_a_stage_takes_the_name_of_one_that_goes_away_while_that_is_still_being_emptied(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    tenant = TenantFactory(configuration={"stages": ["A", "B", "C"]})
    old, new = CustomerFactory(tenant=tenant, stage="B"), CustomerFactory(tenant=tenant, stage="A")
    with tenant_context(tenant.id):
        publish_configuration(
            {"stages": ["B", "C"]}, tenant=tenant, actor=ADMIN, now=utc_now(), renamed={"A": "B"}, mapping={"B": "C"}
        )
    assert where(tenant) == {old.id: "B (former)", new.id: "B"}
    assert stages_now(tenant) == {"B", "B (former)", "C"}

    undo(tenant)
    assert where(tenant) == {old.id: "B", new.id: "A"}
    assert stages_now(tenant) == {"A", "B", "C"}
    with tenant_context(tenant.id):
        assert not LifecycleHistory.objects.filter(sequence__gt=1).exists(), "no one had been moved yet"


def test_a_name_is_taken_over_only_when_it_is_said_where_its_customers_go(db: None) -> None:
    tenant = TenantFactory(configuration={"stages": ["A", "B", "C"]})
    customer = CustomerFactory(tenant=tenant, stage="A")
    with pytest.raises(InvalidConfiguration) as refusal:
        publish(tenant, ["B", "C"], renamed={"A": "B"})
    (error,) = refusal.value.findings
    assert (error.path, error.code) == ("/renamed/A", "name_taken")
    assert describe_finding(error).endswith("and “A” takes its name, say in the mapping where its customers go.")
    assert (where(tenant), stages_now(tenant)) == ({customer.id: "A"}, {"A", "B", "C"})


def test_what_came_into_the_new_stage_is_asked_about_when_its_name_goes_back(db: None) -> None:
    """A is called B now, and there is a new A with a customer of its own: only people know where that one belongs."""
    tenant = TenantFactory(configuration={"stages": ["A", "C"]})
    first = CustomerFactory(tenant=tenant, stage="A")
    publish(tenant, ["A", "B", "C"], renamed={"A": "B"})
    own = CustomerFactory(tenant=tenant, stage="A")
    with pytest.raises(MappingNeeded) as refusal:
        undo(tenant)
    assert refusal.value.stages == {"A": 1}
    assert where(tenant) == {first.id: "B", own.id: "A"}

    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back", mapping={"A": "C"})
    move_all(tenant)
    assert where(tenant) == {first.id: "A", own.id: "C"}
    assert stages_now(tenant) == {"A", "C"}
    assert [verified.broken for verified in verify_tenant(tenant)] == [None, None]


def test_a_leaving_stage_that_was_renamed_goes_away_again_when_that_is_taken_back(db: None) -> None:
    """C was still being emptied when the next version gave it a name; the version before has no place for it."""
    tenant = TenantFactory(configuration={"stages": ["A", "B", "C"]})
    customer = CustomerFactory(tenant=tenant, stage="C")
    with tenant_context(tenant.id):
        publish_configuration({"stages": ["A", "B"]}, tenant=tenant, actor=ADMIN, now=utc_now(), mapping={"C": "B"})
        publish_configuration(
            {"stages": ["A", "B", "F"]}, tenant=tenant, actor=ADMIN, now=utc_now(), renamed={"C": "F"}
        )
    assert where(tenant) == {customer.id: "F"}
    undo(tenant)
    assert where(tenant) == {customer.id: "B"}
    assert stages_now(tenant) == {"A", "B"}


def test_a_mapping_of_a_stage_that_there_is_not_is_named(db: None) -> None:
    tenant = TenantFactory(configuration={"stages": ["A", "B", "C"]})
    customer = CustomerFactory(tenant=tenant, stage="C")
    with pytest.raises(InvalidConfiguration) as refusal:
        publish(tenant, ["A", "B"], mapping={"C": "B", "c": "B", "Gho/st": {"to": "A"}})
    assert [(error.path, error.code) for error in refusal.value.findings] == [
        ("/mapping/c", "unknown_stage"),
        ("/mapping/Gho~1st", "unknown_stage"),
    ]
    assert where(tenant) == {customer.id: "C"}
    assert stages_now(tenant) == {"A", "B", "C"}


def wait_until_somebody_waits() -> None:
    """Until another session of this database waits for a lock."""
    for _ in range(1200):
        with connection.cursor() as cursor:
            # The view shows the locks of every database of the cluster: those of other workers, too. Sessions are shown
            # as they were at the first look of a transaction, and who is to wait may not have been one then.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.05)
    raise AssertionError("no one waits")


def test_a_publisher_lets_the_consumer_finish_instead_of_deadlocking(db: None) -> None:
    tenant = TenantFactory(configuration={"stages": ["A", "B"]})
    customer: Customer = CustomerFactory(tenant=tenant, stage="A")
    errors: list[BaseException] = []

    def rename() -> None:
        try:
            publish(tenant, ["F", "B"], renamed={"A": "F"})
        except BaseException as error:
            errors.append(error)
        finally:
            close_old_connections()

    publisher = threading.Thread(target=rename)

    def choose(policy: Policy, status: Status) -> Change:
        """As the consumer does, under the lock."""
        assert (policy.version, status.stage) == (1, "A")
        publisher.start()
        wait_until_somebody_waits()
        return Change(customer_id=customer.id, stage="B")

    with tenant_context(tenant.id):
        (outcome,) = apply(Call(tenant, ADMIN, "Kafka", utc_now()), [Choice(customer.id, choose)])
    publisher.join(120)

    assert errors == []
    assert outcome.moved
    assert where(tenant) == {customer.id: "B"}
    assert stages_now(tenant) == {"F", "B"}


@pytest.mark.parametrize(("stages", "renamed"), [(["F", "B"], {"A": "F"}), (["B"], {})], ids=["renamed", "taken away"])
def test_who_is_made_while_the_first_stage_changes_is_in_the_new_one(
    db: None, monkeypatch: pytest.MonkeyPatch, stages: list[str], renamed: dict[str, str]
) -> None:
    tenant = TenantFactory(configuration={"stages": ["A", "B"]})
    meeting = Meeting()
    monkeypatch.setattr(publication, "supersede_moves", meeting.hold(publication.supersede_moves))
    facts = CustomerFacts("C-1", "/crm", utc_now(), company={"name": "New"})

    def record() -> None:
        with tenant_context(tenant.id):
            record_customers([facts], tenant=tenant, actor=ADMIN, source="EventListener", now=utc_now(), create=True)

    run_together([lambda: publish(tenant, stages, renamed=renamed), meeting.second(record)])
    assert list(where(tenant).values()) == [stages[0]]
