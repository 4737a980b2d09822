"""A change of one customer or of thousands is undone as a whole, and only where no one has moved on since."""

import datetime as dt
import os
import signal
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from audit.models import LifecycleHistory
from lifecycle.messaging.process import HealthFile
from lifecycle.models import Customer, CustomerLifecycleStatus, EffectRun, Undo
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.configuration import publication
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.effects import queue
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.queue import Result
from lifecycle.services.transitions import undo as undoing
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.undo import UndoRefused, begin_undo, find_tenants_with_undos, work_off_undos
from lifecycle.services.transitions.update_budget import RateLimited, UpdateBudget
from tenants.actors import Actor, TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import make_people
from tests.factories import ADMIN_ACTOR, CustomerFactory, TenantFactory, utc_now
from tests.messaging.speaking import RULES, Speaker
from tests.services.threads import Meeting, run_together

DOCUMENT = {
    "stages": ["Prospect", "Active", "At-Risk", "Churned"],
    "transitions": {"Prospect": ["Active"], "Active": ["At-Risk"], "At-Risk": ["Churned"]},
    "required_reason_codes": ["At-Risk"],
    "effects": [
        {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["managers"]},
        {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]},
    ],
}
ACTOR = system_actor("test")


def move(tenant: TenantRef, customers: list[Customer], stage: str, reason: str | None = None) -> UUID:
    request_id = uuid4()
    call = Call(tenant, ACTOR, "API", utc_now(), request_id, starts_effects=True)
    with tenant_context(tenant.id):
        outcomes = apply(call, [Change(customer.id, stage, reason) for customer in customers])
    assert all(outcome.moved for outcome in outcomes)
    return request_id


def undo(tenant: TenantRef, request_id: UUID, **options: Any) -> Undo:
    with tenant_context(tenant.id):
        job = begin_undo(request_id, tenant=tenant, actor=ACTOR, now=utc_now(), **options)
    for _ in work_off_undos(tenant, now=utc_now()):
        pass
    with tenant_context(tenant.id):
        return Undo.objects.get(tenant_id=tenant.id, id=job.id)


def stages(tenant: TenantRef) -> dict[UUID, tuple[str, Any]]:
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)
        return {row.customer_id: (row.stage, row.stage_entered_at) for row in rows}


def make(count: int) -> tuple[TenantRef, list[Customer]]:
    tenant = TenantFactory(configuration=DOCUMENT)
    make_people(tenant)
    customers = [CustomerFactory(tenant=tenant) for _ in range(count)]
    move(tenant, customers, "Active")
    return tenant, customers


def test_everyone_goes_back_with_the_time_they_had(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "BATCH", 3)
    tenant, customers = make(7)
    before = stages(tenant)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    job = undo(tenant, request_id, reason="Wrong list")
    assert stages(tenant) == before
    assert (job.to_move, job.moved, job.refused, job.moved_since, job.finished_at is not None) == (7, 7, 0, 0, True)
    with tenant_context(tenant.id):
        newest = LifecycleHistory.objects.filter(tenant_id=tenant.id, request_id=job.id)
        assert {(row.from_stage, row.to_stage, row.source) for row in newest} == {("At-Risk", "Active", "Undo")}
        assert EffectRun.objects.filter(tenant_id=tenant.id, request_id=job.id).count() == 0, "an undo starts nothing"


def test_who_was_moved_on_stays(db: None) -> None:
    tenant, (first, second, third) = make(3)
    request_id = move(tenant, [first, second, third], "At-Risk", "Usage")
    move(tenant, [second], "Churned")
    job = undo(tenant, request_id)
    assert (job.to_move, job.moved, job.moved_since) == (2, 2, 1)
    now = {key: stage for key, (stage, _) in stages(tenant).items()}
    assert now == {first.id: "Active", second.id: "Churned", third.id: "Active"}


def test_who_is_moved_on_in_the_meantime_stays(db: None) -> None:
    tenant, (first, second) = make(2)
    request_id = move(tenant, [first, second], "At-Risk", "Usage")
    with tenant_context(tenant.id):
        begin_undo(request_id, tenant=tenant, actor=ACTOR, now=utc_now())
    move(tenant, [second], "Churned")
    job = undo(tenant, request_id)
    assert (job.to_move, job.moved, job.refused) == (2, 1, 0)
    assert stages(tenant)[second.id][0] == "Churned"


def test_what_waits_is_cancelled_and_what_was_sent_is_named(db: None) -> None:
    tenant, customers = make(2)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    with tenant_context(tenant.id):
        sent = EffectRun.objects.filter(tenant_id=tenant.id, kind="alert", customer_id=customers[0].id)
        sent.update(state="done")
    job = undo(tenant, request_id)
    assert (job.effects_cancelled, job.effects_already_done) == (3, 1)
    with tenant_context(tenant.id):
        states = EffectRun.objects.filter(tenant_id=tenant.id).values_list("kind", "state", "reason")
        assert sorted(states) == [
            ("alert", "cancelled", "undone"),
            ("alert", "done", ""),
            ("email", "cancelled", "undone"),
            ("email", "cancelled", "undone"),
        ]


def test_what_is_on_its_way_and_does_not_arrive_is_not_tried_again(db: None) -> None:
    """The endpoint fails, or the worker dies, after the undo: what comes back then is cancelled, and not sent later."""
    tenant, customers = make(3)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    (lane,) = (lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id)
    failed, arrived, lost = claim(tenant, {lane.id: 8}, now=utc_now())
    job = undo(tenant, request_id)
    assert (job.effects_cancelled, job.effects_already_done) == (3, 3)
    ended = [(failed, Result("due", "retry", utc_now())), (arrived, Result("done"))]
    assert len(queue.finish(ended)) == 2
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id, id=lost.id).update(lease_until=utc_now() - dt.timedelta(1))
    queue.recover_lapsed()
    with tenant_context(tenant.id):
        found = EffectRun.objects.filter(tenant_id=tenant.id, kind="alert").values_list("id", "state", "reason")
        assert {id_: how for id_, *how in found} == {
            failed.id: ["cancelled", "undone"],
            arrived.id: ["done", ""],
            lost.id: ["cancelled", "undone"],
        }
        assert not EffectRun.objects.filter(tenant_id=tenant.id, finished_at=None).exists()


def test_a_second_undo_is_the_first(db: None) -> None:
    tenant, customers = make(1)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    assert undo(tenant, request_id).id == undo(tenant, request_id).id
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(tenant_id=tenant.id).version == 4


def test_a_stage_that_was_renamed_since_and_one_with_a_reason(db: None) -> None:
    tenant, customers = make(2)
    move(tenant, customers, "At-Risk", "Usage")
    request_id = move(tenant, customers, "Churned")
    with tenant_context(tenant.id):
        publish_configuration(
            {**DOCUMENT, **_rename(DOCUMENT, "At-Risk", "Wobbly")},
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=utc_now(),
            renamed={"At-Risk": "Wobbly"},
        )
    undo(tenant, request_id)
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)
        assert {(row.stage, row.reason_code) for row in rows} == {("Wobbly", "Usage")}


@pytest.mark.parametrize("reason", ["Wrong list", "Onboarding done", "pasted\u200b"])
def test_a_stage_that_lists_its_reasons_takes_back_who_came_without_one(db: None, reason: str) -> None:
    """Why it is undone is none of the list: everyone was refused, and the undo could not be asked for again."""
    tenant = TenantFactory(configuration={**DOCUMENT, "reason_codes": {"Active": ["Onboarding done"]}})
    make_people(tenant)
    customers = [CustomerFactory(tenant=tenant) for _ in range(2)]
    move(tenant, customers[:1], "Active")
    move(tenant, customers[1:], "Active", "Onboarding done")
    before = stages(tenant)
    job = undo(tenant, move(tenant, customers, "At-Risk", "Usage"), reason=reason)
    assert (job.moved, job.refused) == (2, 0)
    assert stages(tenant) == before
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)
        reasons = {row.customer_id: row.reason_code for row in rows}
    listed = reason if reason == "Onboarding done" else ""
    assert reasons == {customers[0].id: listed, customers[1].id: "Onboarding done"}


def test_a_stage_that_is_renamed_while_its_customers_are_moved_back(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The publisher holds the configuration when the worker comes: who waits for it moves them to the new name."""
    tenant, customers = make(2)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    with tenant_context(tenant.id):
        job = begin_undo(request_id, tenant=tenant, actor=ACTOR, now=utc_now())
    meeting = Meeting()
    monkeypatch.setattr(publication, "supersede_moves", meeting.hold(publication.supersede_moves))

    def publish() -> None:
        document = _rename(DOCUMENT, "Active", "Live")
        document["transitions"] = {"Prospect": ["Live"], "Live": ["At-Risk"], "At-Risk": ["Churned"]}
        with tenant_context(tenant.id):
            publish_configuration(document, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now(), renamed={"Active": "Live"})

    run_together([publish, meeting.second(lambda: list(work_off_undos(tenant, now=utc_now())))])
    with tenant_context(tenant.id):
        job.refresh_from_db()
    assert (job.moved, job.refused) == (2, 0)
    assert {stage for stage, _ in stages(tenant).values()} == {"Live"}


def _rename(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {_rename(key, old, new): _rename(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename(item, old, new) for item in value]
    return new if value == old else value


def test_another_person_s_change_and_an_unknown_one(db: None, other_tenant: TenantRef) -> None:
    tenant, customers = make(1)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    outsider = system_actor("outsider")
    object.__setattr__(outsider, "permissions", frozenset({"update_lifecycle"}))
    with tenant_context(tenant.id):
        with pytest.raises(UndoRefused) as refused:
            begin_undo(request_id, tenant=tenant, actor=outsider, now=utc_now())
        assert refused.value.code == "permission_denied"
        with pytest.raises(UndoRefused) as refused:
            begin_undo(uuid4(), tenant=tenant, actor=ACTOR, now=utc_now())
        assert refused.value.code == "not_found"
        assert Undo.objects.count() == 0
    with tenant_context(other_tenant.id), pytest.raises(UndoRefused):
        begin_undo(request_id, tenant=other_tenant, actor=ACTOR, now=utc_now())


def test_who_asked_for_a_part_of_a_request_does_not_undo_what_others_asked_for(db: None) -> None:
    tenant, customers = make(3)
    ann, bob = (Actor("user", str(uuid4()), frozenset({"update_lifecycle"})) for _ in range(2))

    def move_for(*people: Actor) -> UUID:
        """As a service account does, which names in each item on whose behalf it acts."""
        request_id, now = uuid4(), utc_now()
        asked = [Change(customers.pop().id, "At-Risk", "Usage", on_behalf_of=person.name) for person in people]
        with tenant_context(tenant.id):
            assert all(outcome.moved for outcome in apply(Call(tenant, ACTOR, "API", now, request_id), asked))
        return request_id

    both, own = move_for(ann, bob), move_for(bob)
    with tenant_context(tenant.id):
        for person in (ann, bob):
            with pytest.raises(UndoRefused) as refused:
                begin_undo(both, tenant=tenant, actor=person, now=utc_now())
            assert refused.value.code == "permission_denied"
        assert Undo.objects.count() == 0
        assert begin_undo(own, tenant=tenant, actor=bob, now=utc_now()).to_move == 1
    # Whose request it was may take all of it back.
    assert undo(tenant, both).moved == 2


def test_two_workers_share_an_undo(db: None, monkeypatch: pytest.MonkeyPatch, in_threads: Any) -> None:
    monkeypatch.setattr(undoing, "BATCH", 2)
    tenant, customers = make(10)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    with tenant_context(tenant.id):
        begin_undo(request_id, tenant=tenant, actor=ACTOR, now=utc_now())
    assert tenant.id in {found.id for found in find_tenants_with_undos()}
    in_threads(3, lambda _: sum(1 for _ in work_off_undos(tenant, now=utc_now())))
    with tenant_context(tenant.id):
        (job,) = Undo.objects.filter(tenant_id=tenant.id)
        assert (job.moved, job.refused) == (10, 0)
        assert {row.version for row in CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)} == {4}
    assert tenant.id not in {found.id for found in find_tenants_with_undos()}


def errors(tenant: TenantRef) -> list[Any]:
    """What ``verify_audit`` would find in the chains of the tenant."""
    return [one for one in verify_tenant(tenant) if one.broken]


def test_stages_are_as_before_and_every_chain_verifies(db: None) -> None:
    tenant, customers = make(3)
    before = stages(tenant)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    job = undo(tenant, request_id)
    assert stages(tenant) == before
    again = undo(tenant, job.id)
    assert {stage for stage, _ in stages(tenant).values()} == {"At-Risk"}, "the undo of an undo makes the change again"
    undo(tenant, again.id)
    assert stages(tenant) == before
    assert [one.rows for one in verify_tenant(tenant)] == [6, 6, 6]
    assert errors(tenant) == []


def test_an_undo_costs_nothing_and_making_the_change_again_costs_what_it_moves(db: None) -> None:
    tenant, customers = make(3)
    person = replace(ACTOR, name=str(uuid4()), updates_per_hour=4)
    call = Call(tenant, person, "API", utc_now(), uuid4())
    with tenant_context(tenant.id):
        changes = [Change(customer.id, "At-Risk", "Usage") for customer in customers]
        assert all(outcome.moved for outcome in apply(call, changes, budget=UpdateBudget(person)))

    def again(request_id: UUID | None) -> Undo:
        assert request_id is not None
        with tenant_context(tenant.id):
            job = begin_undo(request_id, tenant=tenant, actor=person, now=utc_now(), budget=UpdateBudget(person))
        for _ in work_off_undos(tenant, now=utc_now()):
            pass
        return job

    job = again(call.request_id)
    assert {stage for stage, _ in stages(tenant).values()} == {"Active"}, "the fourth to sixth of four, but free"
    with pytest.raises(RateLimited):
        again(job.id)
    assert {stage for stage, _ in stages(tenant).values()} == {"Active"}
    with tenant_context(tenant.id):
        assert Undo.objects.filter(tenant_id=tenant.id).count() == 1


def test_making_the_change_again_costs_once_though_it_is_asked_for_twice_at_once(
    db: None, monkeypatch: pytest.MonkeyPatch, in_threads: Any
) -> None:
    tenant, customers = make(3)
    job = undo(tenant, move(tenant, customers, "At-Risk", "Usage"))
    person = replace(ACTOR, name=str(uuid4()), updates_per_hour=5)

    def again(_: int = 0) -> Undo:
        with tenant_context(tenant.id):
            return begin_undo(job.id, tenant=tenant, actor=person, now=utc_now(), budget=UpdateBudget(person))

    count = undoing._count
    others: list[Any] = []

    def count_while_another_asks(*arguments: Any) -> Any:
        """The second press comes through while the first has not yet begun."""
        if not others:
            others.append(None)
            others[0] = in_threads(1, again)[0]
        return count(*arguments)

    monkeypatch.setattr(undoing, "_count", count_while_another_asks)
    assert again() == others[0], "five are allowed, and twice three would be more"


def test_what_is_undone_while_a_former_undo_goes_on_is_dated_after_what_it_takes_back(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker goes on for as long as the tenant has anything to undo."""
    monkeypatch.setattr(undoing, "BATCH", 2)
    tenant, customers = make(4)
    former = move(tenant, customers[:3], "At-Risk", "Usage")
    with tenant_context(tenant.id):
        first = begin_undo(former, tenant=tenant, actor=ACTOR, now=utc_now())
    touch = HealthFile.touch
    later: list[UUID] = []

    def begin_another(health: HealthFile) -> None:
        with tenant_context(tenant.id):
            is_on_its_way = Undo.objects.filter(id=first.id, moved=2, finished_at=None).exists()
        if is_on_its_way and not later:
            later.append(move(tenant, customers[3:], "At-Risk", "Usage"))
            with tenant_context(tenant.id):
                begin_undo(later[0], tenant=tenant, actor=ACTOR, now=utc_now())
        touch(health)

    monkeypatch.setattr(HealthFile, "touch", begin_another)
    call_command("move_customers", "--once", stdout=StringIO())
    assert later
    with tenant_context(tenant.id):
        rows = LifecycleHistory.objects.filter(customer_id=customers[3].id).order_by("sequence")
        times = [(row.to_stage, row.changed_at) for row in rows]
        job = Undo.objects.get(tenant_id=tenant.id, request_id=later[0])
        assert job.finished_at is not None
        assert job.finished_at > job.created_at
    assert [stage for stage, _ in times] == ["Prospect", "Active", "At-Risk", "Active"]
    assert [at for _, at in times] == sorted(at for _, at in times)


def test_an_undo_has_as_many_statements_for_many_as_for_few(db: None) -> None:
    counts = []
    for size in (3, 60):
        tenant, customers = make(size)
        request_id = move(tenant, customers, "At-Risk", "Usage")
        with tenant_context(tenant.id):
            begin_undo(request_id, tenant=tenant, actor=ACTOR, now=utc_now())
        with CaptureQueriesContext(connections["default"]) as captured:
            for _ in work_off_undos(tenant, now=utc_now()):
                pass
        counts.append(len(captured))
    assert counts[0] == counts[1], counts


KILLED = """
import os, signal, sys
from uuid import UUID
import django
django.setup()
from django.utils import timezone
from lifecycle.models import Undo
from lifecycle.services.transitions import undo as undoing
from tenants.actors import TenantRef

undoing.BATCH = 4
batches = undoing.work_off_undos(TenantRef(UUID(sys.argv[1]), "x"), now=timezone.now())
next(batches)
Undo.save = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
next(batches)
"""


def test_a_worker_that_is_killed_while_it_undoes_loses_nothing_and_does_nothing_twice(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed for good, by the system, in the middle of its second batch: the next one goes on."""
    monkeypatch.setattr(undoing, "BATCH", 4)
    tenant, customers = make(10)
    before = stages(tenant)
    request_id = move(tenant, customers, "At-Risk", "Usage")
    with tenant_context(tenant.id):
        begin_undo(request_id, tenant=tenant, actor=ACTOR, now=utc_now())
    database = connections["default"].settings_dict["NAME"]
    address = urlsplit(settings.DATABASE_URL)._replace(path=f"/{database}").geturl()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tenant.id)],
        cwd=settings.BASE_DIR,
        check=False,
        env={**os.environ, "DATABASE_URL": address},
    )
    assert killed.returncode == -signal.SIGKILL
    with tenant_context(tenant.id):
        assert Undo.objects.get(tenant_id=tenant.id).moved == 4
    moved = [job.moved for job in work_off_undos(tenant, now=utc_now())]
    assert moved == [8, 10]
    assert stages(tenant) == before
    assert errors(tenant) == []
    with tenant_context(tenant.id):
        assert {row.version for row in CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)} == {4}


def test_undoing_what_one_event_did_leaves_alone_what_others_of_its_batch_did(db: None) -> None:
    speaker = Speaker(TenantFactory(configuration=RULES))
    tenant = speaker.tenant
    speaker.hear(speaker.created("c1"), speaker.created("c2"))
    speaker.hear(speaker.renewed("c1", minutes=1), speaker.renewed("c2", minutes=1))
    assert (speaker.stage("c1"), speaker.stage("c2")) == ("Active", "Active")
    with tenant_context(tenant.id):
        request_id = LifecycleHistory.objects.filter(customer_id=speaker.customer("c1").id).latest("id").request_id
    job = undo(tenant, request_id)
    assert (job.to_move, job.moved) == (1, 1)
    assert (speaker.stage("c1"), speaker.stage("c2")) == ("Prospect", "Active")
