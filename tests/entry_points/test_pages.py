"""Every page x every role x own and other tenant. A page without a row here fails the build."""

from uuid import uuid4

import pytest
from django.test import Client

from audit.models import LifecycleHistory
from lifecycle.models import CustomerForecast, CustomerLifecycleStatus, ForecastFit
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.pins import pin_field
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.risk.watching import watch_rules
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.work.notes import By, write_note
from lifecycle.services.work.tasks import create_task
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.roles import PERMISSIONS, UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tests.entry_points.routes import list_routes
from tests.entry_points.test_api import MAY, traces
from tests.factories import MINIMAL, CustomerFactory, look_at, utc_now
from tests.services import acts
from tests.statements import statements_of
from tests.web.test_forecast import FOUND, PROOF

# Pages of a tenant's data, with the permission each needs.
PAGES = {
    "/": VIEW_LIFECYCLE,
    "/snooze": VIEW_LIFECYCLE,
    "/palette": VIEW_LIFECYCLE,
    "/help": VIEW_LIFECYCLE,
    "/customers": VIEW_LIFECYCLE,
    "/customers/{customer_id}": VIEW_LIFECYCLE,
    "/customers/{customer_id}/live": VIEW_LIFECYCLE,
    "/customers/{customer_id}/health": VIEW_LIFECYCLE,
    "/customers/{customer_id}/history": VIEW_HISTORY,
    "/customers/as-of": VIEW_HISTORY,
    "/customers/{customer_id}/as-of": VIEW_HISTORY,
    "/customers/{customer_id}/move": UPDATE_LIFECYCLE,
    "/customers/{customer_id}/timeline": VIEW_HISTORY,
    "/customers/{customer_id}/notes": VIEW_HISTORY,
    "/customers/{customer_id}/tasks": VIEW_HISTORY,
    "/tasks": VIEW_HISTORY,
    "/customers/{customer_id}/handover": VIEW_HISTORY,
    "/renewals": VIEW_LIFECYCLE,
    "/renewals/kept": VIEW_HISTORY,
    "/insight": VIEW_LIFECYCLE,
    "/insight/forecast": VIEW_LIFECYCLE,
    "/board": VIEW_LIFECYCLE,
    "/board/cards": VIEW_LIFECYCLE,
    "/board/as-of": VIEW_HISTORY,
    "/notifications": VIEW_LIFECYCLE,
    "/notifications/bell": VIEW_LIFECYCLE,
    "/notifications/preferences": VIEW_LIFECYCLE,
}
# With ids of their own: see tests/effects/test_pages.py.
# And tests/web/test_work.py, tests/web/test_bulk.py.
POSTED = {
    # tests/web/test_record.py.
    "/customers/{customer_id}/fields/{path}",
    # tests/web/test_contacts.py.
    "/customers/{customer_id}/contacts/{contact_id}",
    # With a figure: tests/web/test_insight.py.
    "/insight/customers",
    # tests/web/test_proposals.py.
    "/customers/{customer_id}/proposals/{proposal_id}/dismiss",
    "/renewals/calendar",
    "/customers/{customer_id}/timeline/{kind}/{entry_id}",
    "/customers/{customer_id}/notes/{note_id}",
    "/customers/{customer_id}/notes/{note_id}/delete",
    "/customers/{customer_id}/tasks/{task_id}",
    "/customers/{customer_id}/tasks/{task_id}/state",
    "/bulk",
    "/bulk/{change_id}",
    "/bulk/{change_id}/stop",
    # Files: tests/web/test_exports.py.
    "/customers/export.csv",
    "/customers/export.xlsx",
    # tests/web/test_saved_views.py.
    "/views",
    "/views/{view_id}",
    "/views/{view_id}/edit",
    "/undo/{request_id}",
    "/undos/{undo_id}",
    "/snooze/wake",
    "/notifications/read",
    "/notifications/{notification_id}/read",
    "/notifications/{notification_id}/acknowledge",
}
# What anybody may open: there is nothing of a tenant on it. The administration has tests of its own.
OPEN = {
    # Whom its secret names: see tests/web/test_renewals.py.
    "/calendar/{secret}.ics",
    "/login",
    "/login/company",
    "/login/return",
    "/logout",
    "/invitation/{uid}/{token}",
    "/password-reset",
    "/password-reset/{uid}/{token}",
    "/tenants",
    "/demo/mail",
    "/healthz",
    "/healthz/live",
    "/metrics",
}
# One's own account: for everybody who is logged in.
OWN = {
    "/account",
    "/account/password",
    "/account/settings",
    "/account/log-out-everywhere",
    # tests/web/test_own_sessions.py.
    "/account/sessions/others/end",
    "/account/sessions/{session_id}/end",
}
ROLES = [role for role in MAY if role != "service"]

every_page = pytest.mark.parametrize(("route", "permission"), PAGES.items(), ids=PAGES)
every_role = pytest.mark.parametrize("role", ROLES)


@pytest.fixture
def browse(page_client, tenant):
    """``browse(role, route, customer_id)``: the answer to a person; a super admin has chosen ``tenant``."""

    def get(role, route, customer_id, method="get"):
        client = page_client(role)
        if role == "super_admin":
            session = client.session
            session["tenant"] = look_at(tenant.slug)
            session.save()
        return getattr(client, method)(route.replace("{customer_id}", str(customer_id)))

    return get


def test_every_page_has_a_row():
    pages = {route for _, route in list_routes("/") if not route.startswith(("/api/", "/scim/", "/admin/"))}
    assert pages == PAGES.keys() | OPEN | OWN | POSTED


@every_page
@every_role
def test_a_role_sees_exactly_what_the_matrix_says(route, permission, role, tenant, customer, browse):
    before = traces(tenant, customer)
    answer = browse(role, route, customer.id)
    assert answer.status_code == (200 if permission in MAY[role] else 403)
    assert traces(tenant, customer) == before


@every_page
def test_no_one_sees_anything_without_logging_in(route, permission, customer, browse):
    for method in ("get", "post"):
        answer = browse(None, route, customer.id, method)
        assert answer.status_code in ((302, 405) if method == "post" else (302,))
        assert answer.status_code == 405 or answer.headers["Location"].startswith("/login?next=")
        assert customer.name.encode() not in answer.content


@pytest.mark.parametrize(("route", "permission"), [row for row in PAGES.items() if "{" in row[0]])
@every_role
def test_another_tenant_s_customer_has_no_page(route, permission, role, other_tenant, other_customer, browse):
    before = traces(other_tenant, other_customer)
    expected = 404 if permission in MAY[role] else 403
    foreign, nowhere = browse(role, route, other_customer.id), browse(role, route, uuid4())
    assert foreign.status_code == nowhere.status_code == expected
    assert other_customer.name.encode() not in foreign.content
    browse(role, route, other_customer.id, "post")
    assert traces(other_tenant, other_customer) == before


@every_role
def test_no_list_shows_another_tenant_s_customers(role, customer, other_customer, browse):
    for route in ("/", "/customers", f"/customers?search={other_customer.external_id}"):
        content = browse(role, route, customer.id).content
        assert str(other_customer.id).encode() not in content
        assert other_customer.name.encode() not in content


@pytest.mark.parametrize("names", [["c360.example.com"], [".example.com"]])
@pytest.mark.parametrize("path", ["/healthz/live", "/healthz", "/metrics"])
def test_a_probe_asks_by_address_whatever_the_names_of_the_site(db, settings, names, path):
    settings.ALLOWED_HOSTS = names
    client = Client(headers={"host": "10.0.0.7:8000"})
    assert client.get(path).status_code == 200
    assert client.get("/login").status_code == 400, "pages are shown under the site's names only"


RULE = {
    "name": "Deep in debt",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "action": "propose",
    "to": "At-Risk",
    "reason_code": "Money",
}
ENTERED = {"on": "enter", "stages": ["Onboarded", "Active"]}
EFFECTS = [
    {"name": "Write", "kind": "email", "to": ["owner", "contacts", "boss@acme.example"], **ENTERED},
    {"name": "Tell", "kind": "alert", "to": ["admins"], **ENTERED},
]
EVERYTHING = {**MINIMAL, "risk_rules": [RULE], "effects": EFFECTS, "max_days": {"Active": 1}}


def forecast(tenant, customer):
    """A chance that is shown on the customer's page."""
    ForecastFit.objects.create(
        tenant_id=tenant.id,
        made_at=utc_now(),
        state=ForecastFit.SHOWN,
        found=FOUND,
        proof=PROOF.to_document(),
        finished_at=utc_now(),
    )
    CustomerForecast.objects.create(
        tenant_id=tenant.id,
        customer_id=customer.id,
        made_at=utc_now(),
        sequence=1,
        chance=0.23,
        low=0.15,
        high=0.33,
        typical=0.08,
        points={"stage": 0.15},
    )


@pytest.mark.parametrize("has_moved", [True, False])
def test_no_page_takes_15_statements_of_a_customer_of_whom_everything_is_known(
    page_client, users, tenant, customer, has_moved
):
    """Several people, none of them the one who looks, have moved, pinned, written and asked for something; a rule
    proposes a move, a forecast is shown, and effects have been started. Or all of that of one whose history is empty.
    """
    now, admin = utc_now(), Actor(USER, str(users.tenant_admin.id), frozenset(PERMISSIONS))
    if not has_moved:
        customer = CustomerFactory(tenant=tenant, stage=None)
        with tenant_context(tenant.id):
            CustomerLifecycleStatus.objects.create(
                tenant_id=tenant.id, customer_id=customer.id, stage="Active", stage_entered_at=now, updated_at=now,
                updated_by="system:bench", actor_kind="system", source="Import", version=1, head_hash=b"",
            )  # fmt: skip
    person = ContactFacts("Zoë Beispiel", "zoe@acme.example", "+49 30 123456")
    figures = {"arr": "100.00", "balance_overdue": "50", "currency": "USD"}
    facts = CustomerFacts(
        customer.external_id, "/crm", now, company={"owner": "ann"}, contacts=[person], billing=figures
    )
    with tenant_context(tenant.id):
        acts.publish(tenant, EVERYTHING)
        record_customers([facts], tenant=tenant, actor=admin, source="Import", now=now, create=False)
        for stage in ("Onboarded", "Active") if has_moved else ():
            change = Change(customer_id=customer.id, stage=stage, note="Agreed.")
            (outcome,) = apply(Call(tenant, admin, "UI", now, uuid4(), starts_effects=True), [change])
            assert outcome.moved, outcome
        pin_field(customer.id, "owner", tenant=tenant, actor=admin, now=now, reason="The CRM is wrong.")
        for someone in (users.tenant_admin, users.service):
            who = By(tenant, Actor(USER, str(someone.id)), now)
            write_note(customer.id, "Spoke with Zoë.", by=who)
            create_task(customer.id, "Call", by=who, assignee=str(users.account_manager.id))
        forecast(tenant, customer)
    watch_rules(tenant)
    client = page_client("account_manager")
    page = client.get(f"/customers/{customer.id}").content.decode()
    for part in ("The chance of churn", "Pinned", "Spoke with Zoë.", *(("Deep in debt", "Write") if has_moved else ())):
        assert part in page, part
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.filter(customer_id=customer.id).exists() is has_moved
    # The part that stays up to date answers 204 as long as nothing is new.
    routes = [route for route in PAGES if not route.endswith("/live")]
    taken = {route: len(statements_of(client, route.format(customer_id=customer.id))) for route in routes}
    assert {route: count for route, count in taken.items() if count >= 15} == {}
    assert taken["/customers/{customer_id}/handover"] <= 12, "who moved, wrote and has tasks is named at once"
