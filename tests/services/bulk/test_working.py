"""Bulk changes as workers work them off: in as many statements, killed, forgotten."""

import os
import signal
import subprocess
import sys
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.messaging.process import HealthFile
from lifecycle.models import BulkChange, BulkChangeItem, Customer, CustomerLifecycleStatus, EffectRun, FigureChange
from lifecycle.queries.listing import ListQuery
from lifecycle.services.bulk import working
from lifecycle.services.bulk.working import begin_owner, work_off_changes
from lifecycle.services.compliance.retention import forget_bulk_changes
from lifecycle.services.customers.owners import UnknownOwner, assign_owner
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.conftest import People
from tests.factories import ADMIN_ACTOR, utc_now
from tests.services.bulk.changing import actor_of, begin, make, move, read, run, select


def test_many_take_as_many_statements_as_few(tenant: TenantRef, people: People) -> None:
    actor = actor_of(people.account_manager)
    counts = []
    # The first move of a tenant makes its lanes.
    for number in (1, 2, 40):
        make(tenant, number, name=f"Batch {number}")
        with CaptureQueriesContext(connections["default"]) as captured:
            change = select(tenant, actor, ListQuery(search=f"Batch {number}"))
            begin(tenant, actor, change, "At-Risk", "Usage", effects=number)
            run(tenant)
        counts.append(len(captured))
        assert read(change).moved == number
    assert counts[1] == counts[2], counts


KILLED = """
import os, signal, sys
from uuid import UUID
import django
django.setup()
from django.utils import timezone
from lifecycle.models import BulkChange
from lifecycle.services.bulk import working
from tenants.actors import TenantRef

working.BATCH = 4
batches = working.work_off_changes(TenantRef(UUID(sys.argv[1]), "x"), now=timezone.now())
next(batches)
BulkChange.save = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
next(batches)
"""


def test_a_worker_that_is_killed_loses_nothing_and_moves_no_one_twice(
    tenant: TenantRef, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed for good, by the system, in the middle of its second batch: the next one goes on."""
    monkeypatch.setattr(working, "BATCH", 4)
    chosen = make(tenant, 10)
    actor = actor_of(people.account_manager)
    change = select(tenant, actor, [one.id for one in chosen])
    begin(tenant, actor, change, "At-Risk", "Usage", effects=10)
    database = connections["default"].settings_dict["NAME"]
    address = urlsplit(settings.DATABASE_URL)._replace(path=f"/{database}").geturl()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tenant.id)],
        cwd=settings.BASE_DIR,
        check=False,
        env={**os.environ, "DATABASE_URL": address},
    )
    assert killed.returncode == -signal.SIGKILL
    assert read(change).moved == 4
    assert [one.moved for one in work_off_changes(tenant, now=utc_now())] == [8, 10]
    with tenant_context(tenant.id):
        assert {row.version for row in CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)} == {2}
        assert (
            EffectRun.objects.filter(tenant_id=tenant.id, request_id=change.id).values("history_id").distinct().count()
            == 10
        )


def test_who_came_to_a_stage_while_a_former_change_goes_on_does_not_leave_it_before(
    tenant: TenantRef, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker goes on for as long as the tenant has anything to change: each batch has its own time."""
    monkeypatch.setattr(working, "BATCH", 2)
    chosen, (late,) = make(tenant, 3), make(tenant, 1, stage="Prospect")
    actor = actor_of(people.account_manager)
    former = select(tenant, actor, [one.id for one in chosen])
    begin(tenant, actor, former, "At-Risk", "Usage", effects=3)
    touch = HealthFile.touch
    begun: list[BulkChange] = []

    def begin_another(health: HealthFile) -> None:
        if not begun and read(former).moved == 2:
            move(tenant, late, "Active")
            begun.append(select(tenant, actor, [late.id]))
            begin(tenant, actor, begun[0], "At-Risk", "Usage", effects=1)
        touch(health)

    monkeypatch.setattr(HealthFile, "touch", begin_another)
    call_command("move_customers", "--once", stdout=StringIO())
    done = read(begun[0])
    assert done.moved == 1
    assert done.started_at is not None
    assert done.finished_at is not None
    assert done.finished_at > done.started_at
    with tenant_context(tenant.id):
        active, at_risk = LifecycleHistory.objects.filter(customer_id=late.id, sequence__gt=1).order_by("sequence")
    assert (active.to_stage, at_risk.to_stage) == ("Active", "At-Risk")
    assert at_risk.effective_at > active.effective_at


def test_many_get_another_owner_and_events_do_not_take_them_back(tenant: TenantRef, people: People) -> None:
    chosen = make(tenant, 3, owner="someone.else")
    actor = actor_of(people.account_manager)
    owner = people.viewer.username
    change = select(tenant, actor, [one.id for one in chosen], kind="owner")
    with tenant_context(tenant.id), pytest.raises(UnknownOwner):
        begin_owner(change.id, owner="no.such.person", tenant=tenant, actor=actor, now=utc_now())
    facts = CustomerFacts(chosen[2].external_id, "/crm", utc_now(), company={"segment": "Enterprise"})
    with tenant_context(tenant.id):
        record_customers([facts], tenant=tenant, actor=ADMIN_ACTOR, source="EventListener", now=utc_now(), create=False)
        begin_owner(change.id, owner=owner, tenant=tenant, actor=actor, now=utc_now())
    run(tenant)
    done = read(change)
    assert (done.moved, done.refused, done.finished_at is not None) == (2, 1, True)
    later = CustomerFacts(chosen[0].external_id, "/crm", utc_now(), company={"owner": "crm.person"})
    with tenant_context(tenant.id):
        record_customers([later], tenant=tenant, actor=ADMIN_ACTOR, source="EventListener", now=utc_now(), create=False)
        owners = dict(Customer.objects.filter(tenant_id=tenant.id).values_list("id", "owner"))
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="assign_owner")
        pin = Customer.objects.get(id=chosen[0].id).pins["owner"]
        assert Customer.objects.filter(tenant_id=tenant.id, owner_key=owner).count() == 2
    assert owners == {chosen[0].id: owner, chosen[1].id: owner, chosen[2].id: "someone.else"}
    assert (pin["by"], pin["reason"], pin["until"]) == (actor.name, "Chosen by hand", None)
    assert entry.detail == {"owner": owner, "before": {str(one.id): "someone.else" for one in chosen[:2]}}
    with tenant_context(tenant.id):
        codes = assign_owner(
            [(chosen[0].id, 1), (chosen[1].id, None), (people.viewer.id, None)],
            "",
            tenant=tenant,
            actor=actor,
            now=utc_now(),
        )
    assert codes == ["version_conflict", "moved", "not_found"]


def test_the_owner_that_many_get_is_the_one_that_their_past_ends_with(tenant: TenantRef, people: People) -> None:
    """As of one that a source reports: by it go the timeline, past days, at-risk rules and the sums of owners."""
    (one,) = make(tenant, 1)
    reported = CustomerFacts(one.external_id, "/crm", utc_now(), company={"owner": "crm.person"})
    actor, owner = actor_of(people.account_manager), people.viewer.username
    with tenant_context(tenant.id):
        record_customers(
            [reported], tenant=tenant, actor=ADMIN_ACTOR, source="EventListener", now=utc_now(), create=False
        )
    change = select(tenant, actor, [one.id], kind="owner")
    with tenant_context(tenant.id):
        begin_owner(change.id, owner=owner, tenant=tenant, actor=actor, now=utc_now())
    run(tenant)
    with tenant_context(tenant.id):
        assign_owner([(one.id, None)], "", tenant=tenant, actor=actor, now=utc_now())
        past = FigureChange.objects.filter(tenant_id=tenant.id, customer_id=one.id, figures__has_key="owner")
        kept = list(past.order_by("effective_at", "id").values_list("source", "figures"))
    assert kept == [
        ("/crm", {"owner": "crm.person"}),
        ("/people", {"owner": owner}),
        ("/people", {"owner": None}),
    ]


def test_what_is_over_is_forgotten(tenant: TenantRef, people: People) -> None:
    chosen = make(tenant, 1)
    actor = actor_of(people.account_manager)
    unconfirmed, done = (select(tenant, actor, [chosen[0].id]) for _ in range(2))
    begin(tenant, actor, done, "At-Risk", "Usage", effects=1)
    run(tenant)
    forget_bulk_changes(now=utc_now() + working.UNCONFIRMED_KEPT)
    with tenant_context(tenant.id):
        kept = BulkChange.objects.filter(tenant_id=tenant.id).values_list("id", flat=True)
        assert list(kept) == [done.id]
        assert set(BulkChangeItem.objects.filter(tenant_id=tenant.id).values_list("change_id", flat=True)) == {done.id}
    forget_bulk_changes(now=utc_now() + working.DONE_KEPT)
    with tenant_context(tenant.id):
        assert not BulkChangeItem.objects.filter(tenant_id=tenant.id).exists()
    assert unconfirmed.id != done.id
