"""Whatever the Customer360 pages say goes through gettext, so that a catalog is all that another language needs."""

import datetime as dt
import re

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from uuid_utils.compat import uuid7

from config.errors import server_error, unavailable
from config.outages import AWAY
from lifecycle.models import Notification
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.web.views import password_reset
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.admin.test_translations import pseudo_locale, untranslated
from tests.factories import MINIMAL, utc_now

__all__ = ["pseudo_locale"]

# What no one translates: names, and what people wrote.
DATA = (
    "Customer 360",
    "Acme",
    "acme-1",
    "acme-2",
    "Late",
    "Call them",
    "Be kind",
    "Mid-Market",
    "Tools",
    "Escalate",
    "acme@acme.example",
    "a•••@acme.example",
)
STAGES = {
    **MINIMAL,
    "transitions": {"Prospect": ["Active"], "Active": ["At-Risk", "Churned"], "At-Risk": ["Active"]},
    "max_days": {"Prospect": 30, "At-Risk": 10},
    "guidance": {"At-Risk": "Be kind"},
    "effects": [{"name": "Escalate", "on": "enter", "categories": ["risk"], "kind": "alert", "to": ["owner"]}],
}
NO_ONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def customers(tenant, users):
    """A customer stuck in the first stage, one at risk, and an alert: every figure is known, and none is good."""
    now, actor = utc_now(), system_actor("tests")
    before = now - dt.timedelta(days=100)

    def describe(number, stage, reason):
        return CustomerFacts(
            external_id=f"acme-{number}",
            source="/crm",
            occurred_at=before,
            company={"name": "Acme", "industry": "Tools", "segment": "Mid-Market", "owner": users.viewer.username},
            contacts=[ContactFacts(name="Acme", email="acme@acme.example")],
            billing={"currency": "EUR", "arr": "120000", "mrr": "10000", "balance_overdue": "6000"}
            | {"renewal_on": (now.date() + dt.timedelta(days=20)).isoformat()},
            support={"open_issues": 3, "csat": "2.5"},
            stage=stage,
            reason_code=reason,
            stage_entered_at=before,
        )

    with tenant_context(tenant.id):
        publish_configuration(STAGES, tenant=tenant, actor=actor, now=now)
        facts = [describe(1, "Prospect", None), describe(2, "At-Risk", "Late")]
        recorded = record_customers(facts, tenant=tenant, actor=actor, source="Import", now=now, create=True)
        stuck, at_risk = (one.customer_id for one in recorded)
        alert = {"effect_id": uuid7(), "customer_id": at_risk, "effect": "Escalate", "to_stage": "At-Risk"}
        for person in (users.viewer, users.account_manager):
            Notification.objects.create(tenant_id=tenant.id, user_id=person.id, created_at=now, **alert)
            alert["effect_id"] = uuid7()
    return stuck, at_risk


def names_of(tenant, users):
    people = (users.viewer, users.account_manager, users.tenant_admin)
    with tenant_context(tenant.id):
        company = Tenant.objects.get(id=tenant.id).name
    return company, *(name for one in people for name in (one.full_name, one.username) if name)


def test_every_sentence_of_the_pages_can_be_translated(tenant, users, customers, page_client, request, monkeypatch):
    stuck, at_risk = customers
    request.getfixturevalue("pseudo_locale")
    monkeypatch.setattr(password_reset, "is_mail_configured", lambda: True)
    names = (*DATA, *names_of(tenant, users))
    stale = {"stage": "Active", "version": "0", "configuration_version": "1"}
    found, expected = {}, {}
    for role, method, address, data, status in (
        ("account_manager", "get", "/", {}, 200),
        ("account_manager", "get", "/customers", {}, 200),
        ("account_manager", "get", "/customers?stage=At-Risk&owner=Acme&ordering=-arr", {}, 200),
        ("account_manager", "get", "/customers?stage=Acme", {}, 400),
        ("account_manager", "get", "/customers?category=Acme", {}, 400),
        ("account_manager", "get", "/customers?cursor=Acme", {}, 400),
        ("account_manager", "get", f"/customers/{at_risk}", {}, 200),
        ("viewer", "get", f"/customers/{stuck}", {}, 200),
        ("account_manager", "get", f"/customers/{at_risk}/history", {}, 200),
        ("account_manager", "get", f"/customers/{at_risk}/move", {}, 200),
        ("account_manager", "get", f"/customers/{stuck}/move", {}, 200),
        ("account_manager", "post", f"/customers/{at_risk}/move", {}, 400),
        ("account_manager", "post", f"/customers/{at_risk}/move", stale, 412),
        ("viewer", "get", f"/customers/{stuck}/move", {}, 403),
        ("viewer", "get", f"/customers/{NO_ONE}", {}, 404),
        ("viewer", "get", "/nowhere", {}, 404),
        ("account_manager", "get", "/notifications", {}, 200),
        ("viewer", "get", "/notifications/bell", {}, 200),
        ("tenant_admin", "get", "/notifications", {}, 200),
        ("viewer", "get", "/account", {}, 200),
        ("viewer", "post", "/account/password", {"present": "x", "password": "y", "again": "z"}, 400),
        ("viewer", "get", "/tenants", {}, 200),
        (None, "get", "/login", {}, 200),
        (None, "post", "/login", {"username": "x@acme.example", "password": "x"}, 200),
        (None, "get", "/password-reset", {}, 200),
        (None, "post", "/password-reset", {"username": ""}, 400),
        (None, "get", "/password-reset/x/y", {}, 404),
        (None, "get", "/invitation/x/y", {}, 404),
    ):
        answer = getattr(page_client(role), method)(address, data)
        within = "html" if b"<html" in answer.content else "span"
        found[method, address] = (answer.status_code, untranslated(answer, *names, within=within))
        expected[method, address] = (status, [])
    left = {key: value for key, value in found.items() if value != expected[key]}
    assert left == {}, "\n".join(map(str, left.items()))


@pytest.mark.parametrize("template", ["400.html", "403.html", "403_csrf.html", "404.html", "unconfigured.html"])
def test_every_error_page_can_be_translated(pseudo_locale, template):
    request = RequestFactory().get("/")
    request.resolver_match = None
    page = HttpResponse(render_to_string(template, request=request))
    assert untranslated(page, *DATA, within="html") == []


def test_the_pages_of_an_outage_can_be_translated(pseudo_locale):
    request = RequestFactory().get("/")
    for page in (server_error(request), unavailable(request, AWAY)):
        assert untranslated(page, *DATA, within="html") == []


def test_a_sentence_that_is_not_translated_is_found(pseudo_locale, db):
    answer = Client().get("/login")
    answer.content = answer.content.replace("⟦Forgot your password?⟧".encode(), b"Lost your key?")
    assert untranslated(answer, *DATA, within="html") == ["Lost your key?"]


def test_what_a_sentence_leaves_open_is_named_by_one_word():
    """What is in ``{{ }}`` of a blocktranslate is looked up by its whole name: ``{{ one.two }}`` says nothing."""
    catalog = (settings.BASE_DIR / "locale/de/LC_MESSAGES/django.po").read_text()
    assert [name for name in re.findall(r"%\(([^)]*)\)s", catalog) if not name.isidentifier()] == []
