"""An export of a customer has a part for every table that keeps something about one, for anyone who may ask for it."""

import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from lifecycle.api.personal_data_responses import ExportResponse
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance import exports
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.customers.profiles import open_contacts
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.home.snoozing import snooze_customers
from lifecycle.services.insight.keeping import renew_stays
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.work.notes import By, edit_note, write_note
from lifecycle.services.work.tasks import create_task
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS
from tests.factories import CustomerFactory, utc_now
from tests.messaging.searching import Search

# Where the rows of each table are in an export.
PARTS = {
    "audit_refused_attempt": "refused_attempts",
    "customer_lifecycle_history": "history",
    "customer_lifecycle_status": "lifecycle",
    "lifecycle_billingfigures": "billing",
    "lifecycle_bulkchangeitem": "bulk_changes",
    "lifecycle_contact": "contacts",
    "lifecycle_effect": "effects",
    "lifecycle_figurechange": "figures_past",
    "lifecycle_forecast": "forecast",
    "lifecycle_insight_state": "insight_state",
    "lifecycle_note": "notes",
    "lifecycle_notification": "notifications",
    "lifecycle_risk_episode": "risk_episodes",
    "lifecycle_risk_firing": "rule_firings",
    "lifecycle_risk_state": "risk_state",
    "lifecycle_snooze": "snoozes",
    "lifecycle_stay": "stays",
    "lifecycle_supportfigures": "support",
    "lifecycle_task": "tasks",
}
# Of a customer, by another column than its id, or by none.
OTHERS = {
    *("company", "former_names", "administration", "stored_answers", "dead_letters", "parked_events", "uploads"),
    *("exported_at", "tenant", "withheld_messages"),
}
VALUES = {
    models.UUIDField: uuid4,
    models.JSONField: dict,
    models.DateTimeField: utc_now,
    models.DateField: lambda: utc_now().date(),
    models.DecimalField: lambda: Decimal(1),
    models.BooleanField: bool,
    ArrayField: list,
    models.FloatField: lambda: 0.5,
    models.PositiveIntegerField: lambda: 1,
    models.PositiveSmallIntegerField: lambda: 1,
    models.CharField: lambda: "words",
    models.TextField: lambda: "words",
}


def plant(model, **known):
    """A row of any table whose columns need nothing but a value of their kind."""
    needed = [one for one in model._meta.concrete_fields if not (one.null or one.has_default() or one.attname in known)]
    model.objects.create(**known, **{one.attname: VALUES[type(one)]() for one in needed})


@pytest.fixture
def customer(tenant, users):
    """A customer of whom there is a row in every table."""
    now, admin = utc_now(), Actor(USER, str(users.tenant_admin.id), frozenset(PERMISSIONS))
    customer = CustomerFactory(tenant=tenant, external_id="c1", stage="Active")
    figures = {"arr": "100.00", "currency": "USD"}
    contact = ContactFacts("Zoë Beispiel", "zoe@acme.example", "+49 30 123456")
    facts = [
        CustomerFacts("c1", "/crm", now, company={"owner": "ann"}, contacts=[contact]),
        CustomerFacts("c1", "/billing", now, billing=figures),
        CustomerFacts("c1", "/support", now, support={"open_issues": 2}),
    ]
    by = By(tenant, admin, now)
    with tenant_context(tenant.id):
        for fact in facts:
            record_customers([fact], tenant=tenant, actor=admin, source="Import", now=now, create=False)
        call = Call(tenant, admin, "UI", now + dt.timedelta(seconds=1), uuid4())
        (outcome,) = apply(call, [Change(customer_id=customer.id, stage="At-Risk", reason_code="Low Engagement")])
        assert outcome.moved, outcome
        note = write_note(customer.id, "Spoke with Zoë.", by=by)
        edit_note(note.note["id"], "Spoke with Zoë again.", customer_id=customer.id, by=by)
        create_task(customer.id, "Call", by=by, assignee=str(users.account_manager.id))
        arguments = {"user_id": users.tenant_admin.id, "until": None, "tenant": tenant, "actor": admin, "now": now}
        snooze_customers([customer.id], reason="On holiday", **arguments)
        renew_stays([customer.id], tenant=tenant)
        for model in apps.get_models():
            if model._meta.db_table in PARTS:
                rows = model.objects.filter(tenant_id=tenant.id, customer_id=customer.id)
                if not rows.exists():
                    plant(model, tenant_id=tenant.id, customer_id=customer.id)
    return customer


def test_every_table_of_customers_is_a_part_of_the_export(db, tenant):
    search = Search(tenant)
    assert {f"table {name}" for name in PARTS} == search.list_tables_of_customers()
    search.admin.close()


def test_the_response_describes_every_part_and_no_other(tenant, customer, users):
    with tenant_context(tenant.id):
        actor = Actor(USER, str(users.tenant_admin.id))
        exported = export_customer("c1", tenant=tenant, actor=actor, now=utc_now())
    assert exported.keys() == ExportResponse._declared_fields.keys() == {*PARTS.values(), *OTHERS}


def test_an_admin_gets_a_row_of_every_table(tenant, customer, api_client):
    answer = api_client("tenant_admin").post(f"/api/v1/customers/{customer.id}/export", {})
    assert answer.status_code == 200, answer.content
    exported = answer.json()
    assert [part for part in PARTS.values() if not exported[part]] == []
    assert exported["notes"][0]["versions"][0]["text"] == "Spoke with Zoë."
    assert exported["snoozes"][0]["reason"] == "On holiday"
    assert exported["stays"][0]["stage"] and exported["risk_episodes"][0]["stage"] == "words"


def test_people_whom_the_crm_reports_during_an_export_are_in_it_or_not(tenant, customer, users, monkeypatch):
    """Read in two looks, they were another number in the second."""
    admin = Actor(USER, str(users.tenant_admin.id), frozenset(PERMISSIONS))

    def open_and_report(*args):
        opened = open_contacts(*args)
        later = utc_now() + dt.timedelta(seconds=1)
        reported = [ContactFacts("Ann Beispiel", "ann@acme.example"), ContactFacts("Ben Beispiel", "ben@acme.example")]
        fact = CustomerFacts("c1", "/crm", later, contacts=reported)
        record_customers([fact], tenant=tenant, actor=admin, source="Import", now=later, create=False)
        return opened

    monkeypatch.setattr(exports, "open_contacts", open_and_report)
    with tenant_context(tenant.id):
        exported = export_customer("c1", tenant=tenant, actor=admin, now=utc_now())
        assert [contact["name"] for contact in open_contacts(tenant, customer.id)] == ["Ann Beispiel", "Ben Beispiel"]
    assert [contact["name"] for contact in exported["contacts"]] == ["Zoë Beispiel"]


def test_an_export_in_the_administration_and_by_the_command_is_the_same(tenant, customer, page_client, users):
    form = {"external_id": "c1", "reason": "Asked", "export": "1"}
    answer = page_client(users.tenant_admin).post("/admin/lifecycle/customer/personal-data", form)
    assert answer.headers["Content-Type"] == "application/json"
    exported = answer.json()
    assert exported.keys() == {*PARTS.values(), *OTHERS}
    assert [part for part in PARTS.values() if not exported[part]] == []
