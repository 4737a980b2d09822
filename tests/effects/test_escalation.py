"""Alerts that no one acknowledges reach the next people, and what they say."""

import datetime as dt
from typing import Any

import pytest

from lifecycle.models import Customer, Notification
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.effects.forgetting import erase_effects
from lifecycle.services.effects.notifications import mark_read
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import Role
from tests.conftest import People, make_people
from tests.effects.alerts import ALERT, STAGES, make_due, move, own, run_all, runs, states, unread
from tests.factories import ADMIN_ACTOR, CustomerFactory, TenantFactory, utc_now

STEPS = [{"to": ["managers"], "after_minutes": 60}, {"to": ["admins"], "after_minutes": 240}]


# --- escalation ---------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(db: None) -> tuple[TenantRef, People, Customer]:
    """An alert to the owner, then to the managers, then to the admins; and a customer that was moved."""
    tenant = TenantFactory(configuration={**STAGES, "effects": [{**ALERT, "escalate": STEPS}]})
    people = make_people(tenant)
    (customer,) = own(tenant, people, "Vale")
    move(tenant, customer)
    return tenant, people, customer


def escalation(tenant: TenantRef) -> dict[str, tuple[str, str]]:
    return {run.recipient: (run.state, run.reason) for run in runs(tenant, kind="escalation")}


def test_each_step_waits_its_time_and_reaches_people_if_no_one_acknowledged(
    chain: tuple[TenantRef, People, Customer],
) -> None:
    tenant, people, _ = chain
    waits = {run.recipient: run.due_at - run.created_at for run in runs(tenant)}
    assert waits == {
        f"user:{people.viewer.id}": dt.timedelta(),
        f"user:{people.account_manager.id}": dt.timedelta(minutes=60),
        f"user:{people.tenant_admin.id}": dt.timedelta(minutes=240),
    }
    run_all()
    assert [unread(tenant, person) for person in (people.viewer, people.account_manager)] == [1, 0]
    make_due(tenant, recipient=f"user:{people.account_manager.id}")
    run_all()
    assert [unread(tenant, person) for person in (people.account_manager, people.tenant_admin)] == [1, 0]
    with tenant_context(tenant.id):
        assert [note.is_escalated for note in Notification.objects.order_by("id")] == [False, True]


def test_an_alert_that_was_acknowledged_or_settled_goes_no_further(chain: tuple[TenantRef, People, Customer]) -> None:
    tenant, people, customer = chain
    run_all()
    with tenant_context(tenant.id):
        note = Notification.objects.get(user_id=people.viewer.id)
        mark_read(note.id, people.viewer.id, tenant=tenant, now=utc_now(), acknowledge=True)
    make_due(tenant, recipient=f"user:{people.account_manager.id}")
    run_all()
    assert escalation(tenant)[f"user:{people.account_manager.id}"] == ("suppressed", "acknowledged")
    move(tenant, customer, stage="Churned")
    make_due(tenant, recipient=f"user:{people.tenant_admin.id}")
    run_all()
    assert escalation(tenant)[f"user:{people.tenant_admin.id}"] == ("suppressed", "left_stage")
    with tenant_context(tenant.id):
        assert Notification.objects.filter(tenant_id=tenant.id).count() == 1


def test_a_customer_that_left_and_came_back_starts_its_chain_again(chain: tuple[TenantRef, People, Customer]) -> None:
    tenant, people, customer = chain
    move(tenant, customer, stage="Prospect")
    move(tenant, customer)
    make_due(tenant, recipient=f"user:{people.account_manager.id}")
    run_all()
    assert states(tenant, recipient=f"user:{people.account_manager.id}") == [("suppressed", "left_stage"), ("done", "")]


def test_rights_are_looked_at_again_on_delivery(chain: tuple[TenantRef, People, Customer]) -> None:
    tenant, people, _ = chain
    with tenant_context(tenant.id):
        User.objects.filter(id=people.account_manager.id).update(role=Role.VIEWER)
        User.objects.filter(id=people.tenant_admin.id).update(is_active=False)
    make_due(tenant)
    run_all()
    assert escalation(tenant) == {
        f"user:{people.account_manager.id}": ("suppressed", "other_role"),
        f"user:{people.tenant_admin.id}": ("suppressed", "inactive_user"),
    }


def test_an_owner_in_a_later_step_too_hears_once_and_at_once(db: None) -> None:
    steps = [{"to": ["owner", "managers"], "after_minutes": 60}]
    tenant = TenantFactory(configuration={**STAGES, "effects": [{**ALERT, "escalate": steps}]})
    people = make_people(tenant)
    move(tenant, CustomerFactory(tenant=tenant, owner=people.account_manager.username))
    (run,) = runs(tenant)
    assert (run.kind, run.recipient, run.due_at) == ("alert", f"user:{people.account_manager.id}", run.created_at)


# --- texts --------------------------------------------------------------------------------------------------------


def test_an_alert_says_its_own_text_until_the_customer_is_erased(db: None, client: Any) -> None:
    own = {"subject": "Call {{ customer.name }}", "body": "{{ recipient.name }}, it is in {{ stage }}."}
    tenant = TenantFactory(configuration={"stages": ["Prospect", "At-Risk"], "effects": [{**ALERT, **own}]})
    people = make_people(tenant)
    customer = CustomerFactory(tenant=tenant, name="Hooli", owner=people.viewer.username)
    move(tenant, customer)
    run_all()
    with tenant_context(tenant.id):
        note = Notification.objects.get(tenant_id=tenant.id, user_id=people.viewer.id)
    assert (note.subject, note.body) == ("Call Hooli", f"{people.viewer.full_name}, it is in At-Risk.")
    client.force_login(people.viewer)
    page = client.get("/notifications").content.decode()
    assert "<strong>Call Hooli</strong>" in page
    assert "it is in At-Risk." in page
    with tenant_context(tenant.id):
        erase_effects(tenant.id, customer.id, now=utc_now())
        note.refresh_from_db()
    assert (note.subject, note.body) == ("", "")


def test_what_people_were_alerted_of_is_in_the_export_until_the_customer_is_erased(
    db: None,
) -> None:
    own = {"subject": "Call {{ customer.name }}", "body": "{{ recipient.name }}, it is in {{ stage }}."}
    tenant = TenantFactory(configuration={"stages": ["Prospect", "At-Risk"], "effects": [{**ALERT, **own}]})
    people = make_people(tenant)
    hooli, other = (
        CustomerFactory(tenant=tenant, name=name, owner=people.viewer.username) for name in ("Hooli", "Acme")
    )
    move(tenant, hooli, other)
    run_all()

    def exported() -> list[tuple[Any, ...]]:
        with tenant_context(tenant.id):
            found = export_customer(hooli.external_id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        return [(one["user_id"], one["to_stage"], one["subject"], one["body"]) for one in found["notifications"]]

    body = f"{people.viewer.full_name}, it is in At-Risk."
    assert exported() == [(people.viewer.id, "At-Risk", "Call Hooli", body)]
    with tenant_context(tenant.id):
        erase_customer(hooli.external_id, tenant=tenant, actor=ADMIN_ACTOR, reason="Request 17", now=utc_now())
    assert exported() == [(people.viewer.id, "At-Risk", "", "")]
