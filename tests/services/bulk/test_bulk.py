"""Many customers are chosen, shown and moved as they were shown; what is interrupted goes on, and is undone whole."""

import pytest

from audit.models import AdministrationEntry, LifecycleHistory, OutboxMessage
from lifecycle.models import BulkChange, BulkChangeItem, Customer, EffectRun
from lifecycle.queries.listing import ListQuery
from lifecycle.services.bulk import previews, selecting, working
from lifecycle.services.bulk.selecting import BulkRefused
from lifecycle.services.bulk.working import find_tenants_with_changes, work_off_changes
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.transitions.undo import begin_undo, work_off_undos
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant, User
from tenants.services.configuration.policies import live_policy
from tests.conftest import People
from tests.factories import ADMIN_ACTOR, utc_now
from tests.services.bulk.changing import DOCUMENT, actor_of, begin, make, move, read, run, select, stages


def preview(tenant: TenantRef, change: BulkChange, stage: str, reason: str | None = None) -> previews.MovePreview:
    with tenant_context(tenant.id):
        policy = live_policy(tenant.id)
        return previews.preview_move(
            change, stage=stage, reason_code=reason, tenant=tenant, policy=policy, now=utc_now()
        )


def test_a_preview_says_of_each_whether_it_moves_and_why_not_and_what_is_started(
    tenant: TenantRef, people: People
) -> None:
    active, (risky,), prospects = make(tenant, 3), make(tenant, 1, "At-Risk"), make(tenant, 2, "Prospect")
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, ListQuery())
    assert change.total == 6
    move(tenant, active[0], "At-Risk", "Usage")
    shown = preview(tenant, change, "At-Risk", "Usage")
    assert (shown.moving, shown.staying, shown.refused, shown.effects_total) == (2, 1, 3, 2)
    assert [(refused.code, count) for refused, count in shown.reasons] == [
        ("transition_not_allowed", 2),
        ("version_conflict", 1),
    ]
    # The only manager there is makes the change: they are not alerted of their own.
    assert shown.effects == [{"name": "Escalate", "kind": "alert", "count": 2, "recipients": 0, "suppressed": 2}]
    with tenant_context(tenant.id):
        rows, following = previews.list_rows(change, preview=shown, tenant=tenant)
        assert following is None
        said = {row.customer_id: (row.moves, row.refused.code if row.refused else "", len(row.effects)) for row in rows}
        assert said == {
            active[0].id: (False, "version_conflict", 0),
            active[1].id: (True, "", 1),
            active[2].id: (True, "", 1),
            risky.id: (False, "", 0),
            **{one.id: (False, "transition_not_allowed", 0) for one in prospects},
        }
        for part, expected in (
            ("moves", {active[1].id, active[2].id}),
            ("stays", {risky.id}),
            ("refused", {active[0].id, *(one.id for one in prospects)}),
        ):
            found, _ = previews.list_rows(change, preview=shown, tenant=tenant, show=part)
            assert {row.customer_id for row in found} == expected, part


def test_what_was_shown_is_what_is_moved_and_no_one_by_surprise(
    tenant: TenantRef, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCH", 2)
    chosen = make(tenant, 5)
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, ListQuery({"stage": ("Active",)}))
    (late,) = make(tenant, 1)
    begin(tenant, actor, change, "At-Risk", "Usage", effects=5)
    # Between the confirmation and its turn: moved on, and back again. It is not what was shown any more.
    move(tenant, chosen[3], "At-Risk", "Usage")
    move(tenant, chosen[3], "Active")
    run(tenant)
    done = read(change)
    assert (done.moved, done.unchanged, done.refused, done.finished_at is not None) == (4, 0, 1, True)
    assert stages(tenant) == {one.id: "At-Risk" for one in chosen} | {chosen[3].id: "Active", late.id: "Active"}
    with tenant_context(tenant.id):
        history = LifecycleHistory.objects.filter(tenant_id=tenant.id, request_id=change.id)
        assert {(row.changed_by, row.source, row.reason_code) for row in history} == {(actor.name, "UI", "Usage")}
        assert history.count() == 4
        assert OutboxMessage.objects.filter(history_id__in=history.values("id")).count() == 4
        assert (
            EffectRun.objects.filter(tenant_id=tenant.id, request_id=change.id).values("history_id").distinct().count()
            == 4
        )
        rows, _ = previews.list_refused(change, tenant=tenant, policy=live_policy(tenant.id))
        assert [(row.customer_id, row.refused.code if row.refused else "") for row in rows] == [
            (chosen[3].id, "version_conflict")
        ]
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="move_customers")
    assert (entry.actor, entry.request_id, entry.detail["customers"], entry.detail["stage"]) == (
        actor.name,
        change.id,
        5,
        "At-Risk",
    )


def test_a_bulk_move_is_undone_as_a_whole_and_one_that_runs_is_ended_by_its_undo(
    tenant: TenantRef, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCH", 2)
    chosen = make(tenant, 5)
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, [one.id for one in chosen])
    begin(tenant, actor, change, "At-Risk", "Usage", effects=5)
    next(work_off_changes(tenant, now=utc_now()))
    assert sorted(stages(tenant).values()) == ["Active"] * 3 + ["At-Risk"] * 2
    with tenant_context(tenant.id):
        begin_undo(change.id, tenant=tenant, actor=actor, now=utc_now())
    run(tenant)
    for _ in work_off_undos(tenant, now=utc_now()):
        pass
    assert set(stages(tenant).values()) == {"Active"}
    ended = read(change)
    assert (ended.moved, ended.is_stopped, ended.finished_at is not None) == (2, True, True)


def test_above_the_tenants_budget_the_number_of_automations_is_typed(tenant: TenantRef, people: People) -> None:
    chosen = make(tenant, 3)
    actor = actor_of(people.account_manager)
    with tenant_context(tenant.id):
        Tenant.objects.filter(id=tenant.id).update(effects_budget=2)
    change = select(tenant, actor, [one.id for one in chosen])
    for typed in (None, 2):
        with pytest.raises(BulkRefused) as refused:
            begin(tenant, actor, change, "At-Risk", "Usage", effects=3, typed=typed)
        assert refused.value.code == "effects_unconfirmed"
    with pytest.raises(BulkRefused):
        begin(tenant, actor, change, "At-Risk", "Usage", effects=2, typed=2)
    with pytest.raises(BulkRefused) as refused:
        begin(tenant, actor, change, "At-Risk", None, effects=3, typed=3)
    assert refused.value.code == "reason_required"
    run(tenant)
    assert set(stages(tenant).values()) == {"Active"}
    assert read(change).started_at is None
    begin(tenant, actor, change, "At-Risk", "Usage", effects=3, typed=3)
    run(tenant)
    assert set(stages(tenant).values()) == {"At-Risk"}


def test_a_configuration_published_in_between_moves_no_one(tenant: TenantRef, people: People) -> None:
    chosen = make(tenant, 2)
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, [one.id for one in chosen])
    other = select(tenant, actor, [one.id for one in chosen])
    begin(tenant, actor, change, "At-Risk", "Usage", effects=2)
    with tenant_context(tenant.id):
        publish_configuration(DOCUMENT | {"effects": []}, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    run(tenant)
    assert (read(change).moved, read(change).refused) == (0, 2)
    with pytest.raises(BulkRefused) as refused:
        begin(tenant, actor, other, "At-Risk", "Usage", effects=2)
    assert refused.value.code == "effects_unconfirmed"
    assert set(stages(tenant).values()) == {"Active"}


def test_the_budget_of_changes_is_kept_and_the_rest_waits(
    tenant: TenantRef, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCH", 4)
    chosen = make(tenant, 7)
    actor = actor_of(people.account_manager, updates_per_hour=6)
    change = select(tenant, actor, [one.id for one in chosen])
    begin(tenant, actor, change, "At-Risk", "Usage", effects=7)
    run(tenant)
    waiting = read(change)
    assert (waiting.moved, waiting.refused, waiting.finished_at) == (6, 0, None)
    assert waiting.waits_until is not None
    assert tenant not in find_tenants_with_changes(now=utc_now())
    assert tenant in find_tenants_with_changes(now=waiting.waits_until)
    with tenant_context(tenant.id):
        BulkChange.objects.filter(tenant_id=tenant.id).update(updates_per_hour=7, waits_until=None)
    run(tenant)
    assert (read(change).moved, read(change).finished_at is not None) == (7, True)


def test_someone_who_has_lost_the_right_moves_no_one_any_more(
    tenant: TenantRef, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BATCH", 1)
    chosen = make(tenant, 3)
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, [one.id for one in chosen])
    begin(tenant, actor, change, "At-Risk", "Usage", effects=3)
    next(work_off_changes(tenant, now=utc_now()))
    with tenant_context(tenant.id):
        User.objects.filter(id=people.account_manager.id).update(is_active=False)
    run(tenant)
    assert (read(change).moved, read(change).is_stopped) == (1, True)
    assert sorted(stages(tenant).values()) == ["Active", "Active", "At-Risk"]


def test_selections_are_of_the_tenant_and_of_the_person(
    tenant: TenantRef, people: People, other_customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own,) = make(tenant, 1)
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, [own.id, other_customer.id])
    assert change.total == 1
    with pytest.raises(BulkRefused) as refused:
        select(tenant, actor, [other_customer.id])
    assert refused.value.message.name == "selection_empty"  # type: ignore[union-attr]
    with pytest.raises(BulkRefused) as refused:
        begin(tenant, actor_of(people.tenant_admin), change, "At-Risk", "Usage", effects=1)
    assert refused.value.code == "not_found"
    monkeypatch.setattr(selecting, "MOST", 2)
    make(tenant, 2)
    with pytest.raises(BulkRefused) as refused:
        select(tenant, actor, ListQuery())
    assert refused.value.message.name == "selection_too_large"  # type: ignore[union-attr]
    with tenant_context(tenant.id):
        assert BulkChangeItem.objects.filter(tenant_id=tenant.id).count() == 1, "what was refused left nothing"
