"""Every route of the API x every role x own and other tenant. A route without a row here fails the build."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from audit.models import LifecycleHistory, OutboxMessage
from lifecycle.models import CustomerLifecycleStatus
from tenants.context import tenant_context
from tenants.roles import (
    CONFIGURE_STAGES,
    MANAGE_PEOPLE,
    MUTE_EFFECTS,
    REVEAL_CONTACTS,
    UPDATE_LIFECYCLE,
    VIEW_HISTORY,
    VIEW_LIFECYCLE,
)
from tests.conftest import make_people
from tests.entry_points.routes import list_routes
from tests.factories import MINIMAL, SAAS, CustomerFactory, TenantFactory

# The role matrix [SEC-1] once more, written out by hand: the table of the requirements, not that of the code.
MAY: dict[str, set[str]] = {
    "viewer": {VIEW_LIFECYCLE},
    "account_manager": {VIEW_LIFECYCLE, UPDATE_LIFECYCLE, VIEW_HISTORY, REVEAL_CONTACTS},
    "service": {VIEW_LIFECYCLE, UPDATE_LIFECYCLE, VIEW_HISTORY, REVEAL_CONTACTS},
    "tenant_admin": {
        VIEW_LIFECYCLE,
        UPDATE_LIFECYCLE,
        VIEW_HISTORY,
        REVEAL_CONTACTS,
        CONFIGURE_STAGES,
        MUTE_EFFECTS,
        MANAGE_PEOPLE,
    },
    "super_admin": {
        VIEW_LIFECYCLE,
        UPDATE_LIFECYCLE,
        VIEW_HISTORY,
        REVEAL_CONTACTS,
        CONFIGURE_STAGES,
        MUTE_EFFECTS,
        MANAGE_PEOPLE,
    },
}
ANYONE = ""


@dataclass(frozen=True)
class EntryPoint:
    """One route: who may, what is sent, and what a good answer is. ``body`` gets the id of the customer it is about."""

    permission: str
    body: Callable[[Any], Any] | None = None
    answers: tuple[int, ...] = (200,)
    query: str = ""
    # Whether the address names a customer, so that another tenant's must be a 404.
    names_customer: bool = field(default=False)


ENTRY_POINTS: dict[tuple[str, str], EntryPoint] = {
    ("POST", "/api/v1/auth/token"): EntryPoint(
        ANYONE, lambda _: {"username": "x", "password": "y"}, answers=(401, 429)
    ),
    ("POST", "/api/v1/auth/token/refresh"): EntryPoint(ANYONE, lambda _: {"refresh": "x"}, answers=(401,)),
    # It reads a form: see tests/api/test_oauth.py.
    ("POST", "/api/v1/auth/oauth/token"): EntryPoint(ANYONE, answers=(400,)),
    ("POST", "/api/v1/auth/password-reset"): EntryPoint(ANYONE, lambda _: {"username": "x"}, answers=(202, 429)),
    ("GET", "/api/v1/customers"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/customers/export"): EntryPoint(VIEW_LIFECYCLE, query="?format=csv"),
    # An id that is none of the tenant's is a 404: see tests/api/test_customers.py.
    ("GET", "/api/v1/customers/by-external-id/{external_id}"): EntryPoint(VIEW_LIFECYCLE, answers=(404,)),
    ("PUT", "/api/v1/customers/by-external-id/{external_id}"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"source": "/crm", "time": "2026-01-01T00:00:00Z", "name": "X"}, answers=(201,)
    ),
    ("PUT", "/api/v1/customers"): EntryPoint(UPDATE_LIFECYCLE, lambda _: {"items": [{"external_id": "x"}]}),
    ("GET", "/api/v1/customers/{customer_id}"): EntryPoint(VIEW_LIFECYCLE, names_customer=True),
    ("GET", "/api/v1/customers/{customer_id}/lifecycle"): EntryPoint(VIEW_LIFECYCLE, names_customer=True),
    ("PATCH", "/api/v1/customers/{customer_id}/lifecycle"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"stage": "Active"}, names_customer=True
    ),
    ("GET", "/api/v1/customers/{customer_id}/lifecycle/summary"): EntryPoint(VIEW_LIFECYCLE, names_customer=True),
    ("GET", "/api/v1/customers/{customer_id}/lifecycle/history"): EntryPoint(VIEW_HISTORY, names_customer=True),
    ("GET", "/api/v1/customers/{customer_id}/timeline"): EntryPoint(VIEW_HISTORY, names_customer=True),
    ("POST", "/api/v1/customers/{customer_id}/contacts/reveal"): EntryPoint(REVEAL_CONTACTS, names_customer=True),
    ("POST", "/api/v1/customers/{customer_id}/export"): EntryPoint(CONFIGURE_STAGES, names_customer=True),
    ("POST", "/api/v1/customers/{customer_id}/erase"): EntryPoint(
        CONFIGURE_STAGES, lambda _: {"reason": "Request 17"}, names_customer=True
    ),
    ("GET", "/api/v1/customers/{customer_id}/notes"): EntryPoint(VIEW_LIFECYCLE, names_customer=True),
    ("POST", "/api/v1/customers/{customer_id}/notes"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"text": "They called."}, answers=(201,), names_customer=True
    ),
    # Notes and tasks that are none of the customer's are a 404: see tests/api/test_work.py.
    ("GET", "/api/v1/customers/{customer_id}/notes/{note_id}"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    ("PATCH", "/api/v1/customers/{customer_id}/notes/{note_id}"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"text": "x"}, answers=(400, 404)
    ),
    ("DELETE", "/api/v1/customers/{customer_id}/notes/{note_id}"): EntryPoint(UPDATE_LIFECYCLE, answers=(400, 404)),
    ("GET", "/api/v1/customers/{customer_id}/tasks"): EntryPoint(VIEW_LIFECYCLE, names_customer=True),
    ("POST", "/api/v1/customers/{customer_id}/tasks"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"title": "Call them"}, answers=(201,), names_customer=True
    ),
    ("GET", "/api/v1/customers/{customer_id}/tasks/{task_id}"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    ("PATCH", "/api/v1/customers/{customer_id}/tasks/{task_id}"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"done": True}, answers=(400, 404)
    ),
    ("GET", "/api/v1/customers/{customer_id}/forecast"): EntryPoint(VIEW_LIFECYCLE, names_customer=True),
    ("GET", "/api/v1/insight/forecast"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/forecast/calibration"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/forecast/customers"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/stages"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/flow"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/conversion"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/durations"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/cohorts"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/risk"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/save-rate"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/renewals"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/renewals/customers"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/insight/renewals/kept"): EntryPoint(VIEW_HISTORY),
    ("GET", "/api/v1/insight/customers"): EntryPoint(VIEW_HISTORY, query="?figure=came&cohort=2026-01-01"),
    ("GET", "/api/v1/tasks"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/views"): EntryPoint(VIEW_LIFECYCLE),
    ("POST", "/api/v1/views"): EntryPoint(VIEW_LIFECYCLE, lambda _: {"name": "Mine"}, answers=(201,)),
    # Views that are none of the caller's are a 404: see tests/api/test_views.py.
    ("GET", "/api/v1/views/{view_id}"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    ("PATCH", "/api/v1/views/{view_id}"): EntryPoint(VIEW_LIFECYCLE, lambda _: {"name": "x"}, answers=(400, 404)),
    ("DELETE", "/api/v1/views/{view_id}"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    # A task that is none of the tenant's is a 404: see tests/api/test_work.py.
    ("GET", "/api/v1/tasks/{task_id}"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    ("PATCH", "/api/v1/tasks/{task_id}"): EntryPoint(UPDATE_LIFECYCLE, lambda _: {"done": True}, answers=(400, 404)),
    # No field is called "{field}", and no customer of another tenant is found: see tests/api/test_pins.py.
    ("PUT", "/api/v1/customers/{customer_id}/pins/{field}"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"reason": "x"}, answers=(400,)
    ),
    ("DELETE", "/api/v1/customers/{customer_id}/pins/{field}"): EntryPoint(UPDATE_LIFECYCLE, answers=(400,)),
    ("GET", "/api/v1/lifecycle/summary"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/lifecycle/history"): EntryPoint(VIEW_HISTORY),
    ("POST", "/api/v1/lifecycle/transitions"): EntryPoint(
        UPDATE_LIFECYCLE, lambda customer_id: {"items": [{"customer_id": str(customer_id), "stage": "Active"}]}
    ),
    # Ids that are none of the tenant's are a 404: see tests/effects/test_api.py.
    ("POST", "/api/v1/lifecycle/transitions/{request_id}/undo"): EntryPoint(UPDATE_LIFECYCLE, answers=(400, 404)),
    ("GET", "/api/v1/lifecycle/undos/{undo_id}"): EntryPoint(UPDATE_LIFECYCLE, answers=(400, 404)),
    ("GET", "/api/v1/effects"): EntryPoint(UPDATE_LIFECYCLE),
    ("GET", "/api/v1/effects/{effect_id}"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("POST", "/api/v1/effects/{effect_id}/replay"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("POST", "/api/v1/effects/{effect_id}/cancel"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("POST", "/api/v1/effects/replay"): EntryPoint(
        CONFIGURE_STAGES, lambda _: {"since": "2026-01-01T00:00:00Z"}, answers=(202,)
    ),
    ("PUT", "/api/v1/effects/pause"): EntryPoint(CONFIGURE_STAGES, lambda _: {"paused": False, "reason": "x"}),
    ("GET", "/api/v1/webhooks/endpoints"): EntryPoint(CONFIGURE_STAGES),
    ("POST", "/api/v1/webhooks/endpoints"): EntryPoint(
        CONFIGURE_STAGES, lambda _: {"name": "crm", "url": "https://crm.example/hook"}, answers=(201,)
    ),
    ("DELETE", "/api/v1/webhooks/endpoints/{endpoint_id}"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("POST", "/api/v1/webhooks/endpoints/{endpoint_id}/rotate"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("POST", "/api/v1/webhooks/endpoints/{endpoint_id}/test"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("GET", "/api/v1/keys"): EntryPoint(CONFIGURE_STAGES),
    # A person has no key: see tests/api/test_keys.py.
    ("POST", "/api/v1/keys"): EntryPoint(
        CONFIGURE_STAGES, lambda _: {"account": "x", "name": "x", "scopes": [VIEW_LIFECYCLE]}, answers=(400,)
    ),
    ("DELETE", "/api/v1/keys/{key_id}"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("POST", "/api/v1/keys/{key_id}/rotate"): EntryPoint(CONFIGURE_STAGES, answers=(400, 404)),
    ("GET", "/api/v1/notifications"): EntryPoint(VIEW_LIFECYCLE),
    ("POST", "/api/v1/notifications/read"): EntryPoint(VIEW_LIFECYCLE, answers=(200,)),
    ("GET", "/api/v1/notifications/preferences"): EntryPoint(VIEW_LIFECYCLE),
    ("PATCH", "/api/v1/notifications/preferences"): EntryPoint(VIEW_LIFECYCLE, answers=(200,)),
    ("POST", "/api/v1/notifications/{notification_id}/read"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    ("POST", "/api/v1/notifications/{notification_id}/acknowledge"): EntryPoint(VIEW_LIFECYCLE, answers=(400, 404)),
    ("GET", "/api/v1/configuration"): EntryPoint(VIEW_LIFECYCLE),
    ("PUT", "/api/v1/configuration"): EntryPoint(CONFIGURE_STAGES, lambda _: MINIMAL),
    ("POST", "/api/v1/configuration/preview"): EntryPoint(CONFIGURE_STAGES, lambda _: MINIMAL),
    # A tenant without a draft has nothing to play: see tests/api/test_proposals.py.
    ("GET", "/api/v1/configuration/backtest"): EntryPoint(CONFIGURE_STAGES, answers=(404,)),
    ("POST", "/api/v1/configuration/backtest"): EntryPoint(CONFIGURE_STAGES, lambda _: {}, answers=(404,)),
    ("GET", "/api/v1/configuration/health-backtest"): EntryPoint(CONFIGURE_STAGES, answers=(404,)),
    ("POST", "/api/v1/configuration/health-backtest"): EntryPoint(CONFIGURE_STAGES, lambda _: {}, answers=(404,)),
    # Ids that are none of the tenant's are a 404: see there.
    ("GET", "/api/v1/proposals"): EntryPoint(VIEW_LIFECYCLE),
    ("GET", "/api/v1/proposals/{proposal_id}"): EntryPoint(VIEW_HISTORY, answers=(400, 404)),
    ("POST", "/api/v1/proposals/{proposal_id}/accept"): EntryPoint(UPDATE_LIFECYCLE, lambda _: {}, answers=(400, 404)),
    ("POST", "/api/v1/proposals/{proposal_id}/dismiss"): EntryPoint(
        UPDATE_LIFECYCLE, lambda _: {"reason": "x"}, answers=(400, 404)
    ),
    ("GET", "/api/v1/schema"): EntryPoint(ANYONE),
    ("GET", "/api/docs"): EntryPoint(ANYONE),
}
CLOSED = {key: entry_point for key, entry_point in ENTRY_POINTS.items() if entry_point.permission is not ANYONE}
NAMED = {key: entry_point for key, entry_point in ENTRY_POINTS.items() if entry_point.names_customer}

every_entry_point = pytest.mark.parametrize(
    ("key", "entry_point"), ENTRY_POINTS.items(), ids=lambda value: _label(value)
)
every_closed_entry_point = pytest.mark.parametrize(
    ("key", "entry_point"), CLOSED.items(), ids=lambda value: _label(value)
)
every_customer_entry_point = pytest.mark.parametrize(
    ("key", "entry_point"), NAMED.items(), ids=lambda value: _label(value)
)
every_role = pytest.mark.parametrize("role", MAY)


def _label(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else ""


def changes_nothing(test):
    """A test that neither changes its tenant nor counts what is in it: one tenant serves all of them."""
    test.changes_nothing = True
    return test


@pytest.fixture
def is_shared(request):
    """Whether nothing that this test asks for may change the tenant: it is refused, or only reads."""
    if request.function is test_a_role_may_exactly_what_the_matrix_says:
        (method, _), entry_point, role = (request.node.callspec.params[name] for name in ("key", "entry_point", "role"))
        return method == "GET" or entry_point.permission not in {ANYONE, *MAY[role]}
    return getattr(request.function, "changes_nothing", False)


@pytest.fixture
def tenant(db, shared_tenant, is_shared):
    return shared_tenant if is_shared else TenantFactory()


@pytest.fixture
def users(tenant, shared_users, is_shared):
    return shared_users if is_shared else make_people(tenant)


@pytest.fixture(scope="module")
def shared_customer(shared_tenant, django_db_blocker):
    with django_db_blocker.unblock():
        return CustomerFactory(tenant=shared_tenant)


@pytest.fixture
def customer(tenant, shared_customer, is_shared):
    return shared_customer if is_shared else CustomerFactory(tenant=tenant)


@pytest.fixture(scope="module")
def other_tenant(django_db_setup, django_db_blocker):
    """No one here changes what is another tenant's: one of them serves all."""
    with django_db_blocker.unblock():
        return TenantFactory(configuration=SAAS)


@pytest.fixture(scope="module")
def other_customer(other_tenant, django_db_blocker):
    with django_db_blocker.unblock():
        return CustomerFactory(tenant=other_tenant, stage="Trial")


def knock(client, key, entry_point, customer_id, **headers):
    """Call the route about a customer; the answer."""
    method, route = key
    address = route.replace("{customer_id}", str(customer_id)) + entry_point.query
    body = entry_point.body(customer_id) if entry_point.body else None
    return client.generic(method, address, _encode(body), content_type="application/json", **headers)


def _encode(body: Any) -> bytes:
    import json

    return b"" if body is None else json.dumps(body).encode()


def traces(tenant, customer):
    """Everything a change would leave: status, history and outbox of the customer."""
    with tenant_context(tenant.id):
        status = CustomerLifecycleStatus.objects.filter(customer_id=customer.id).values().get()
        history = LifecycleHistory.objects.filter(customer_id=customer.id).values_list("id", flat=True)
        outbox = OutboxMessage.objects.filter(tenant_id=tenant.id).count() if status else 0
        return status, sorted(history), outbox


def test_every_route_has_a_row():
    assert list_routes("/api/") - ENTRY_POINTS.keys() == set(), (
        "routes without a row in ENTRY_POINTS: say who may use them"
    )


def test_every_row_has_a_route():
    assert ENTRY_POINTS.keys() - list_routes("/api/") == set(), "rows of ENTRY_POINTS without a route"


@every_entry_point
@every_role
def test_a_role_may_exactly_what_the_matrix_says(key, entry_point, role, customer, tenant, api_client):
    before = traces(tenant, customer)
    answer = knock(api_client(role), key, entry_point, customer.id)
    if entry_point.permission is ANYONE or entry_point.permission in MAY[role]:
        assert answer.status_code in entry_point.answers, answer.content
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert traces(tenant, customer) == before


@changes_nothing
@every_closed_entry_point
def test_no_one_gets_in_without_a_token(key, entry_point, customer, tenant, api_client):
    before = traces(tenant, customer)
    answer = knock(api_client(None), key, entry_point, customer.id)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert traces(tenant, customer) == before


@changes_nothing
@every_customer_entry_point
@every_role
def test_another_tenant_s_customer_does_not_exist(
    key, entry_point, role, tenant, other_tenant, other_customer, customer, api_client
):
    """Neither its id nor one that no one has tells anything: the answers are the same, word for word."""
    before = traces(other_tenant, other_customer)
    foreign = knock(api_client(role), key, entry_point, other_customer.id)
    nowhere = knock(api_client(role), key, entry_point, uuid4())
    allowed = entry_point.permission in MAY[role]
    assert foreign.status_code == nowhere.status_code == (404 if allowed else 403)
    assert foreign.json() == nowhere.json()
    assert traces(other_tenant, other_customer) == before


@changes_nothing
@every_closed_entry_point
@pytest.mark.parametrize("role", [role for role in MAY if role != "super_admin"])
def test_naming_another_tenant_is_naming_none(
    key, entry_point, role, other_tenant, other_customer, customer, api_client
):
    before = traces(other_tenant, other_customer)
    answer = knock(api_client(role), key, entry_point, other_customer.id, HTTP_X_TENANT=other_tenant.slug)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert traces(other_tenant, other_customer) == before


@changes_nothing
@every_closed_entry_point
def test_a_super_admin_says_for_which_tenant(key, entry_point, other_tenant, other_customer, tenant, api_client):
    client = api_client("super_admin", tenant=None)
    assert knock(client, key, entry_point, other_customer.id).status_code == 400
    if not entry_point.body:
        answer = knock(
            client, key, entry_point, other_customer.id, HTTP_X_TENANT=other_tenant.slug, HTTP_X_REASON="Ticket 7"
        )
        assert answer.status_code in entry_point.answers
    answer = knock(client, key, entry_point, other_customer.id, HTTP_X_TENANT="no-such-tenant")
    assert answer.status_code == 404


@changes_nothing
@every_role
def test_lists_and_figures_never_hold_another_tenant_s_customers(role, customer, other_customer, api_client):
    for key, entry_point in CLOSED.items():
        if key[0] != "GET" or entry_point.names_customer or entry_point.permission not in MAY[role]:
            continue
        for query in ("", f"?search={other_customer.name}", f"?search={other_customer.external_id}"):
            answer = knock(api_client(role), key, EntryPoint(entry_point.permission, query=query), customer.id)
            text = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()
            assert str(other_customer.id) not in text
            assert f'"{other_customer.name}"' not in text or other_customer.name in query
            assert '"Trial"' not in text and ",Trial," not in text


@pytest.mark.parametrize("role", [role for role in MAY if UPDATE_LIFECYCLE in MAY[role]])
def test_a_bulk_change_of_another_tenant_s_customer_is_refused_item_by_item(
    role, tenant, other_tenant, customer, other_customer, api_client
):
    before = traces(other_tenant, other_customer)
    items = [{"customer_id": str(row.id), "stage": "Active"} for row in (customer, other_customer)]
    items.append({"customer_id": str(uuid4()), "stage": "Active"})
    answer = api_client(role).post("/api/v1/lifecycle/transitions", {"items": items})
    assert answer.status_code == 207
    results = answer.json()["results"]
    codes = [result.get("code") for result in results]
    assert codes == [None, "not_found", "not_found"]
    assert traces(other_tenant, other_customer) == before


@changes_nothing
def test_a_method_that_a_route_does_not_have_opens_nothing(customer, tenant, api_client):
    before = traces(tenant, customer)
    client = api_client("tenant_admin")
    routes = {route for _, route in ENTRY_POINTS if route.startswith("/api/v1/")}
    for route in routes:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            if (method, route) in ENTRY_POINTS:
                continue
            address = route.replace("{customer_id}", str(customer.id))
            answer = client.generic(method, address, b"{}", content_type="application/json")
            assert answer.status_code == 405, (method, route, answer.status_code)
    assert traces(tenant, customer) == before
