"""Many at once on the same customers: real threads, real transactions, real locks."""

import itertools
import random
import threading
from collections import Counter
from functools import partial

from audit.models import LifecycleHistory
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change, Unchanged
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.transitions.apply import Outcome
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import policy_of_version
from tests.factories import SAAS, CustomerFactory, TenantFactory, utc_now
from tests.services.moving_at_once import move, version_of
from tests.services.threads import run_together

WRITERS = 50
FREE = ("Prospect", "Onboarded", "Active")


def history_of(tenant: TenantRef, *customers: Customer) -> list[LifecycleHistory]:
    """The rows of customers, oldest first."""
    with tenant_context(tenant.id):
        rows = LifecycleHistory.objects.filter(customer_id__in=[customer.id for customer in customers])
        return list(rows.order_by("customer_id", "sequence"))


def assert_unbroken(tenant: TenantRef) -> None:
    """Sequences without gaps, each row leaving the stage the one before entered, hashes and heads as they must be."""
    assert [one.broken for one in verify_tenant(tenant) if one.broken] == []


# --- one customer ---------------------------------------------------------------------------------------------------


def test_of_fifty_writers_who_expect_the_same_version_exactly_one_wins(tenant: TenantRef, customer: Customer) -> None:
    outcomes = run_together(
        [
            partial(move, tenant, Change(customer_id=customer.id, stage=FREE[1 + number % 2], expected_version=1))
            for number in range(WRITERS)
        ]
    )
    decisions = Counter(outcome.refused.code if outcome.refused else "moved" for (outcome,) in outcomes)
    assert decisions == {"moved": 1, "version_conflict": WRITERS - 1}
    (winner,) = [outcome for (outcome,) in outcomes if outcome.moved]
    for (outcome,) in outcomes:
        assert outcome.record is not None
        if outcome.refused:
            assert (outcome.record.version, outcome.record.stage) == (2, winner.change.stage)
    assert version_of(tenant, customer) == (2, winner.change.stage)
    assert len(history_of(tenant, customer)) == 2
    assert_unbroken(tenant)


def test_fifty_writers_who_try_again_each_win_one_version(tenant: TenantRef, customer: Customer) -> None:
    conflicts = itertools.count()

    def insist(number: int) -> int:
        actor = system_actor(f"writer-{number}")
        while True:
            version, stage = version_of(tenant, customer)
            wanted = FREE[(FREE.index(stage) + 1) % 3]
            change = Change(customer_id=customer.id, stage=wanted, expected_version=version)
            (outcome,) = move(tenant, change, actor=actor)
            if outcome.moved:
                assert outcome.record is not None
                return outcome.record.version
            assert outcome.refused is not None
            assert outcome.refused.code == "version_conflict"
            next(conflicts)

    versions = run_together([partial(insist, number) for number in range(WRITERS)])
    assert sorted(versions) == list(range(2, WRITERS + 2))
    rows = history_of(tenant, customer)
    assert [row.sequence for row in rows] == list(range(1, WRITERS + 2))
    assert [row.changed_by for row in rows[1:]] == [
        f"system:writer-{versions.index(version)}" for version in range(2, WRITERS + 2)
    ]
    assert version_of(tenant, customer)[0] == WRITERS + 1
    assert next(conflicts) > 0
    assert_unbroken(tenant)


def test_writers_who_expect_nothing_are_judged_on_the_row_as_locked(db: None) -> None:
    tenant = TenantFactory(configuration=SAAS)
    customer = CustomerFactory(tenant=tenant, stage="Trial")
    outcomes = run_together(
        [
            partial(move, tenant, Change(customer_id=customer.id, stage=("Rollout", "Live")[number % 2]))
            for number in range(WRITERS)
        ]
    )
    path = [row.to_stage for row in history_of(tenant, customer)]
    # From Trial one may go to Rollout, from Rollout to Live, and from Live to neither.
    assert path in (["Trial", "Rollout"], ["Trial", "Rollout", "Live"])
    moved = [outcome.change.stage for (outcome,) in outcomes if outcome.moved]
    assert sorted(moved) == sorted(path[1:])
    for (outcome,) in outcomes:
        assert outcome.record is not None
        if outcome.refused:
            assert outcome.refused.code == "transition_not_allowed"
            assert (outcome.record.stage, outcome.change.stage) in {("Trial", "Live"), ("Live", "Rollout")}
        elif isinstance(outcome.decision, Unchanged):
            assert outcome.record.stage == outcome.change.stage
    assert_unbroken(tenant)


def test_no_update_is_lost(tenant: TenantRef, customer: Customer) -> None:
    def work(number: int) -> list[Outcome]:
        dice = random.Random(number)
        actor = system_actor(f"writer-{number}")
        return [
            move(tenant, Change(customer_id=customer.id, stage=dice.choice(FREE)), actor=actor)[0] for _ in range(10)
        ]

    outcomes = list(itertools.chain(*run_together([partial(work, number) for number in range(16)])))
    moved = [outcome for outcome in outcomes if outcome.moved]
    rows = history_of(tenant, customer)
    assert len(rows) == len(moved) + 1
    assert {row.id for row in rows[1:]} == {outcome.history_id for outcome in moved}
    assert version_of(tenant, customer) == (len(rows), rows[-1].to_stage)
    assert all(before.to_stage == after.from_stage for before, after in itertools.pairwise(rows))
    assert_unbroken(tenant)


# --- batches --------------------------------------------------------------------------------------------------------


def test_batches_that_overlap_in_opposite_order_do_not_deadlock(tenant: TenantRef) -> None:
    customers = CustomerFactory.create_batch(60, tenant=tenant)

    def work(number: int) -> int:
        dice = random.Random(number)
        moved = 0
        for turn in range(15):
            chosen = dice.sample(customers, 40)
            chosen.sort(key=lambda customer: customer.id, reverse=(number + turn) % 2 == 0)
            changes = [Change(customer_id=customer.id, stage=dice.choice(FREE)) for customer in chosen]
            moved += sum(outcome.moved for outcome in move(tenant, *changes))
        return moved

    moved = sum(run_together([partial(work, number) for number in range(8)]))
    assert len(history_of(tenant, *customers)) == 60 + moved
    assert_unbroken(tenant)


def test_a_batch_that_names_a_customer_twice_while_others_write(tenant: TenantRef, customer: Customer) -> None:
    def there_and_back(number: int) -> int:
        changes = [Change(customer_id=customer.id, stage=stage) for stage in ("Active", "Onboarded", "Active")]
        return sum(outcome.moved for outcome in move(tenant, *changes))

    moved = sum(run_together([partial(there_and_back, number) for number in range(20)]))
    assert version_of(tenant, customer)[0] == moved + 1
    assert_unbroken(tenant)


# --- a configuration published in the middle ------------------------------------------------------------------------


FORWARDS = {
    "stages": ["Prospect", "Onboarded", "Active"],
    "required_reason_codes": [],
    "transitions": {"Prospect": ["Onboarded"], "Onboarded": ["Active"], "Active": ["Prospect"]},
}
BACKWARDS = {
    "stages": ["Prospect", "Onboarded", "Active"],
    "required_reason_codes": ["Active"],
    "reason_codes": {"Active": ["Signed"]},
    "transitions": {"Prospect": ["Active"], "Active": ["Onboarded"], "Onboarded": ["Prospect"]},
}


def test_every_row_names_a_version_that_allowed_it_though_configurations_change_in_the_middle(db: None) -> None:
    tenant = TenantFactory(configuration=FORWARDS)
    customers = CustomerFactory.create_batch(20, tenant=tenant)
    done = threading.Event()

    def work(number: int) -> Counter[str]:
        dice = random.Random(number)
        answers: Counter[str] = Counter()
        for _ in range(125):
            reason = dice.choice(["Signed", None])
            change = Change(customer_id=dice.choice(customers).id, stage=dice.choice(FREE), reason_code=reason)
            (outcome,) = move(tenant, change)
            answers[outcome.refused.code if outcome.refused else type(outcome.decision).__name__] += 1
        return answers

    def publish() -> Counter[str]:
        for number in itertools.count():
            if done.wait(0.02):
                return Counter()
            document = (BACKWARDS, FORWARDS)[number % 2]
            with tenant_context(tenant.id):
                publish_configuration(document, tenant=tenant, actor=system_actor("tests"), now=utc_now())
        raise AssertionError

    def work_all() -> Counter[str]:
        try:
            return sum(run_together([partial(work, number) for number in range(8)]), Counter())
        finally:
            done.set()

    answers, _ = run_together([work_all, publish])
    assert answers.total() == 1000
    assert answers["Allowed"] > 100
    assert answers["transition_not_allowed"] > 100
    assert answers["reason_required"] > 0
    rows = history_of(tenant, *customers)
    assert len(rows) == 20 + answers["Allowed"]
    with tenant_context(tenant.id):
        for row in rows:
            if row.from_stage is not None:
                policy = policy_of_version(tenant.id, row.configuration_version)
                assert policy.allows(row.from_stage, row.to_stage)
                assert row.reason_code or row.to_stage not in policy.required
    assert len({row.configuration_version for row in rows}) > 5
    assert_unbroken(tenant)


OLD_NAMES = {"stages": ["Prospect", "Onboarded", "Active"], "required_reason_codes": []}
NEW_NAMES = {"stages": ["Prospect", "Welcomed", "Live"], "required_reason_codes": []}
RENAMED = {"Onboarded": "Welcomed", "Active": "Live"}


def test_stages_are_renamed_under_the_hands_of_those_who_move_customers(db: None) -> None:
    tenant = TenantFactory(configuration=OLD_NAMES)
    customers = CustomerFactory.create_batch(20, tenant=tenant)
    names = [*OLD_NAMES["stages"], *RENAMED.values()]
    done = threading.Event()

    def work(number: int) -> Counter[str]:
        dice = random.Random(number)
        answers: Counter[str] = Counter()
        for _ in range(50):
            chosen = dice.sample(customers, 3)
            for outcome in move(tenant, *[Change(customer_id=one.id, stage=dice.choice(names)) for one in chosen]):
                answers[outcome.refused.code if outcome.refused else type(outcome.decision).__name__] += 1
        return answers

    def publish() -> Counter[str]:
        publications: Counter[str] = Counter()
        back = {new: old for old, new in RENAMED.items()}
        for document, renamed in itertools.cycle([(NEW_NAMES, RENAMED), (OLD_NAMES, back)]):
            if done.wait(0.02):
                break
            with tenant_context(tenant.id):
                publish_configuration(
                    document, renamed=renamed, tenant=tenant, actor=system_actor("tests"), now=utc_now()
                )
            publications["published"] += 1
        return publications

    def work_all() -> Counter[str]:
        try:
            return sum(run_together([partial(work, number) for number in range(8)]), Counter())
        finally:
            done.set()

    answers, publications = run_together([work_all, publish])
    assert set(answers) == {"Allowed", "Unchanged", "invalid_stage"}
    assert answers.total() == 1200
    assert publications["published"] > 5
    assert_unbroken(tenant)
