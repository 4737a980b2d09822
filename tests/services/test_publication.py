"""Changing a live lifecycle: published, mapped, raced, killed half-way and taken back, with customers in it."""

import threading
from typing import Any

import pytest
from django.db import DatabaseError, close_old_connections, transaction

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import publication, stage_migrations
from lifecycle.services.configuration.plans import MappingNeeded
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, Stage
from tenants.rules.configuration.document import InvalidConfiguration
from tenants.sentences import describe_refusal
from tenants.services.configuration.versions import (
    ConfigurationConflict,
    NoSuchVersion,
    discard_draft,
    open_draft,
    present_name,
    present_names,
    save_draft,
)
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now
from tests.services.publishing import ADMIN, SHORTER, move_all, publish, stages_of, written


def test_customers_of_a_removed_stage_go_where_the_mapping_says(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    risky = [CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late") for _ in range(3)]
    CustomerFactory(tenant=tenant)

    published = publish(
        tenant,
        SHORTER,
        renamed={"Prospect": "Lead"},
        mapping={"At-Risk": {"to": "Churned", "reason_code": "Stage removed"}},
    )
    assert stages_of(tenant) == {"At-Risk": 3, "Lead": 1}, "the rename is immediate, the moves follow"
    move_all(tenant)

    assert stages_of(tenant) == {"Churned": 3, "Lead": 1}
    with tenant_context(tenant.id):
        assert sorted(Stage.objects.values_list("name", flat=True)) == ["Active", "Churned", "Lead", "Onboarded"]
        last = LifecycleHistory.objects.get(customer_id=risky[0].id, sequence=2)
        assert (last.from_stage, last.to_stage, last.source) == ("At-Risk", "Churned", "Configuration")
        assert (last.reason_code, last.configuration_version) == ("Stage removed", 2)
        requests = set(LifecycleHistory.objects.filter(sequence=2).values_list("request_id", flat=True))
        assert requests == {published.version.request_id}
        (move,) = StageMigration.objects.all()
        assert (move.total, move.moved) == (3, 3)
        assert move.finished_at is not None


def test_publishing_is_refused_while_customers_would_have_no_stage(tenant: TenantRef) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    before = written(tenant)
    with pytest.raises(MappingNeeded) as refusal:
        publish(tenant, SHORTER, renamed={"Prospect": "Lead"})
    assert refusal.value.stages == {"At-Risk": 1}
    assert describe_refusal(refusal.value) == (
        "Customers are still in stages that would be removed: At-Risk (1). Map each to a target stage. Nothing was"
        " published."
    )
    assert written(tenant) == before


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"At-Risk": "Nowhere"}, "invalid_stage"),
        ({"At-Risk": "Churned"}, "reason_required"),
        ({"At-Risk": 7}, "invalid_mapping"),
        ({"At-Risk": {"to": "Churned", "reason_code": 7}}, "invalid_mapping"),
        ({"At-Risk": {"to": "Churned", "because": "x"}}, "invalid_mapping"),
    ],
)
def test_a_mapping_is_judged_by_the_new_rules(tenant: TenantRef, mapping: Any, code: str) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    before = written(tenant)
    with pytest.raises(InvalidConfiguration) as refusal:
        publish(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping=mapping)
    assert [(error.path, error.code) for error in refusal.value.findings] == [("/mapping/At-Risk", code)]
    assert written(tenant) == before


@pytest.mark.parametrize(
    ("document", "renamed", "path", "code"),
    [
        (MINIMAL, {"Ghost": "Active"}, "/renamed/Ghost", "unknown_stage"),
        (MINIMAL, {"Prospect": "Nowhere"}, "/renamed/Prospect", "unknown_stage"),
        (MINIMAL, {"Prospect": 7}, "/renamed/Prospect", "unknown_stage"),
        (SHORTER, {"Prospect": "Lead", "At-Risk": "Lead"}, "/renamed/At-Risk", "name_taken"),
        (MINIMAL, {"Prospect": "Active"}, "/renamed/Prospect", "name_taken"),
        ({"stages": ["Lead", "onboarded"]}, {"Prospect": "Lead"}, "/stages/1", "rename_needed"),
    ],
)
def test_a_rename_that_cannot_be_made_is_named_at_its_place(
    tenant: TenantRef, document: Any, renamed: Any, path: str, code: str
) -> None:
    before = written(tenant)
    with pytest.raises(InvalidConfiguration) as refusal:
        publish(tenant, document, renamed=renamed)
    assert [(error.path, error.code) for error in refusal.value.findings] == [(path, code)]
    assert written(tenant) == before


def test_a_small_change_is_complete_when_its_transaction_is_committed(tenant: TenantRef) -> None:
    for _ in range(3):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    with tenant_context(tenant.id):
        publish_configuration(
            SHORTER,
            renamed={"Prospect": "Lead"},
            mapping={"At-Risk": "Active"},
            tenant=tenant,
            actor=ADMIN,
            now=utc_now(),
        )
    assert stages_of(tenant) == {"Active": 3}
    with tenant_context(tenant.id):
        assert stage_migrations.unfinished_moves(tenant) == []


def test_no_one_can_enter_a_stage_that_is_being_emptied(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    bystander = CustomerFactory(tenant=tenant)
    publish(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": {"to": "Churned", "reason_code": "x"}})
    with tenant_context(tenant.id):
        assert Stage.objects.get(name="At-Risk").is_leaving
        (outcome,) = apply(
            Call(tenant, ADMIN, "API", utc_now()),
            [Change(customer_id=bystander.id, stage="At-Risk", reason_code="Late")],
        )
    assert outcome.refused is not None
    assert outcome.refused.code == "invalid_stage"


def test_a_killed_move_goes_on_where_it_was(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    monkeypatch.setattr(stage_migrations, "BATCH", 2)
    publish(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": {"to": "Churned", "reason_code": "x"}})
    worker = move_customers(tenant, now=utc_now())
    next(worker)
    worker.close()  # killed after the first committed batch
    assert stages_of(tenant) == {"At-Risk": 3, "Churned": 2}
    with tenant_context(tenant.id):
        assert StageMigration.objects.get().moved == 2

    move_all(tenant)
    assert stages_of(tenant) == {"Churned": 5}
    with tenant_context(tenant.id):
        assert StageMigration.objects.get().moved == 5
        assert LifecycleHistory.objects.filter(source="Configuration").count() == 5


def test_a_worker_that_is_killed_when_all_have_moved_leaves_no_stage_to_hold_its_name(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    publish(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": "Active"})
    worker = move_customers(tenant, now=utc_now())
    while next(worker).finished_at is None:
        pass
    worker.close()
    assert tenant not in stage_migrations.find_tenants_with_moves()
    # The name is free for another stage, of which the removed one knows nothing.
    publish(
        tenant,
        {**SHORTER, "stages": ["Lead", "Onboarded", "At-Risk", "Churned"], "transitions": {}},
        renamed={"Active": "At-Risk"},
    )
    assert stages_of(tenant) == {"At-Risk": 1}


def test_who_was_put_off_is_moved_later_also_where_the_others_have_gone_by_themselves(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_off, leaving = (CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late") for _ in range(2))
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    publish(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": {"to": "Churned", "reason_code": "x"}})

    def apply_late(call: Call, changes: Any) -> Any:
        (by_hand,) = apply(Call(tenant, ADMIN, "API", utc_now()), [Change(customer_id=leaving.id, stage="Active")])
        assert by_hand.moved, by_hand
        return apply(call, changes)

    with monkeypatch.context() as late:
        late.setattr(stage_migrations, "apply", apply_late)
        assert list(move_customers(tenant, now=utc_now(), skip={put_off.id})) == []
    assert stages_of(tenant) == {"At-Risk": 1, "Active": 1}
    move_all(tenant)
    assert stages_of(tenant) == {"Churned": 1, "Active": 1}
    with tenant_context(tenant.id):
        assert stage_migrations.unfinished_moves(tenant) == []


def test_a_rename_keeps_the_name_of_its_day_in_the_history(tenant: TenantRef) -> None:
    customer = CustomerFactory(tenant=tenant)
    publish(tenant, {**MINIMAL, "stages": ["Lead", *MINIMAL["stages"][1:]]}, renamed={"Prospect": "Lead"})
    assert stages_of(tenant) == {"Lead": 1}
    with tenant_context(tenant.id):
        row = LifecycleHistory.objects.get(customer_id=customer.id)
        assert row.to_stage == "Prospect"
        assert present_name("Prospect", row.configuration_version, present_names(tenant)) == "Lead"
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).version == 1


def test_two_stages_can_swap_their_names(tenant: TenantRef) -> None:
    CustomerFactory(tenant=tenant, stage="Active")
    for _ in range(2):
        CustomerFactory(tenant=tenant, stage="Onboarded")
    publish(tenant, MINIMAL, renamed={"Active": "Onboarded", "Onboarded": "Active"})
    assert stages_of(tenant) == {"Onboarded": 1, "Active": 2}


def test_a_stale_publisher_learns_which_version_is_live(tenant: TenantRef) -> None:
    publish(tenant, MINIMAL, expected_version=1)
    before = written(tenant)
    with pytest.raises(ConfigurationConflict) as conflict:
        publish(tenant, MINIMAL, expected_version=1)
    assert conflict.value.current == 2
    assert written(tenant) == before


def test_a_published_version_cannot_be_changed_even_through_sql(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        for attempt in (
            lambda: ConfigurationVersion.objects.filter(number=1).update(document={}),
            lambda: ConfigurationVersion.objects.filter(number=1).delete(),
        ):
            with pytest.raises(DatabaseError, match="immutable"), transaction.atomic():
                attempt()


def test_two_admins_cannot_overwrite_one_another_in_a_draft(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        draft = open_draft(tenant=tenant, actor=ADMIN, now=utc_now())
        common = {"renamed": {}, "mapping": {}, "tenant": tenant, "actor": ADMIN, "now": utc_now()}
        saved = save_draft(draft.id, document={"stages": ["A"]}, expected_revision=1, **common)
        assert saved.revision == 2
        with pytest.raises(ConfigurationConflict) as conflict:
            save_draft(draft.id, document={"stages": ["B"]}, expected_revision=1, **common)
        assert conflict.value.current == 2
        assert ConfigurationVersion.objects.get(id=draft.id).document == {"stages": ["A"]}
        discard_draft(draft.id, expected_revision=2, tenant=tenant, actor=ADMIN, now=utc_now(), reason="enough")
        actions = list(AdministrationEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["create_tenant", "publish_configuration", "open_draft", "save_draft", "discard_draft"]


def test_a_draft_that_is_published_becomes_the_version(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        draft = open_draft(tenant=tenant, actor=ADMIN, now=utc_now())
        published = publication.publish_draft(
            draft.id, expected_revision=1, expected_version=1, tenant=tenant, actor=ADMIN, now=utc_now(), comment="go"
        )
        assert (published.version.id, published.version.number) == (draft.id, 2)
        with pytest.raises(NoSuchVersion):
            discard_draft(draft.id, expected_revision=1, tenant=tenant, actor=ADMIN, now=utc_now())


def test_changes_in_flight_are_judged_by_the_version_that_is_live_when_they_are_made(db: None) -> None:
    """A thousand moves race against publications that open and close the very transition they make [AC-8]."""
    closed = {**MINIMAL, "transitions": {stage: ["Churned"] for stage in MINIMAL["stages"][:-1]}}
    tenant = TenantFactory()
    customers = [CustomerFactory(tenant=tenant) for _ in range(20)]
    stop = threading.Event()
    errors: list[BaseException] = []

    def mover(mine: list[Any]) -> None:
        try:
            for turn in range(50):
                for customer in mine:
                    with tenant_context(tenant.id):
                        apply(
                            Call(tenant, ADMIN, "API", utc_now()),
                            [Change(customer_id=customer.id, stage=("Active", "Onboarded")[turn % 2])],
                        )
        except BaseException as error:
            errors.append(error)
        finally:
            close_old_connections()

    threads = [threading.Thread(target=mover, args=(customers[half::2],)) for half in (0, 1)]

    def publisher() -> None:
        try:
            while not stop.wait(0.05):
                publish(tenant, closed)
                publish(tenant, MINIMAL)
        except BaseException as error:
            errors.append(error)
        finally:
            close_old_connections()

    other = threading.Thread(target=publisher)
    other.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    other.join()

    assert errors == []
    with tenant_context(tenant.id):
        documents = dict(ConfigurationVersion.objects.values_list("number", "document"))
        moves = list(
            LifecycleHistory.objects.exclude(from_stage=None).values_list(
                "configuration_version", "from_stage", "to_stage"
            )
        )
    assert len(documents) > 3
    assert len(moves) > 20
    # An open version lists no transitions; a closed one allows none of those that the threads make.
    assert [move for move in moves if "transitions" in documents[move[0]]] == []
