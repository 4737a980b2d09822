"""API keys managed over the API, by tenant admins alone."""

import datetime as dt
from uuid import uuid4

import pytest

from audit.models import AdministrationEntry
from tenants.context import tenant_context
from tenants.models import ApiKey
from tests.api.test_credentials import client_with
from tests.factories import UserFactory

KEYS = "/api/v1/keys"
READ, WRITE, CONFIGURE = "view_lifecycle", "update_lifecycle", "configure_stages"


@pytest.fixture
def admin(api_client):
    return api_client("tenant_admin")


def make(client, owner, scopes=(READ,), **more):
    return client.post(KEYS, {"account": owner.username, "name": "Sync", "scopes": list(scopes), **more})


def actions(tenant):
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, action__endswith="api_key").order_by("id")
        return [(entry.action, entry.actor) for entry in entries]


def test_a_key_is_made_shown_once_used_rotated_and_revoked(admin, tenant, users):
    made = make(admin, users.service, valid_days=10)
    assert made.status_code == 201, made.content
    secret, key = made.json()["secret"], made.json()
    assert (key["account"], key["scopes"], key["state"]) == (users.service.username, [READ], "live")
    ends = dt.datetime.fromisoformat(key["expires_at"]) - dt.datetime.fromisoformat(key["created_at"])
    assert ends == dt.timedelta(days=10)
    assert client_with(secret).get("/api/v1/customers").status_code == 200
    (listed,) = admin.get(KEYS).json()["results"]
    assert listed["id"] == key["id"] and listed["last_used_at"] and "secret" not in listed
    rotated = admin.post(f"{KEYS}/{key['id']}/rotate")
    assert (rotated.status_code, rotated.json()["name"]) == (200, "Sync")
    assert client_with(secret).get("/api/v1/customers").status_code == 401
    again = admin.post(f"{KEYS}/{key['id']}/rotate")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    address = f"{KEYS}/{rotated.json()['id']}"
    assert admin.delete(address).json()["state"] == "revoked"
    assert admin.delete(address).status_code == 200
    assert client_with(rotated.json()["secret"]).get("/api/v1/customers").status_code == 401
    by = str(users.tenant_admin.id)
    assert actions(tenant) == [
        ("create_api_key", by),
        ("revoke_api_key", by),
        ("create_api_key", by),
        ("revoke_api_key", by),
    ]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"account": "someone@x.example"}, "#/account"),
        ({"name": "  "}, "#/name"),
        ({"scopes": []}, "#/scopes"),
        ({"scopes": ["everything"]}, "#/scopes"),
        ({"valid_days": 366}, "#/valid_days"),
        ({"valid_days": "9"}, "#/valid_days"),
        ({"colour": 1}, "#/colour"),
    ],
)
def test_what_is_no_key_is_refused_and_none_is_made(admin, tenant, users, wrong, pointer):
    answer = make(admin, users.service, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.content
    assert {one["pointer"].rpartition("/0")[0] or one["pointer"] for one in answer.json()["errors"]} == {pointer}
    with tenant_context(tenant.id):
        assert not ApiKey.objects.filter(tenant_id=tenant.id).exists()


def test_people_have_no_keys_and_others_accounts_do_not_exist(admin, tenant, users, other_users, api_client):
    for account in (users.account_manager, other_users.service):
        assert make(admin, account).json()["errors"][0]["pointer"] == "#/account"
    other = make(api_client(other_users.tenant_admin, tenant=None), other_users.service).json()
    for address in (f"{KEYS}/{other['id']}", f"{KEYS}/{uuid4()}"):
        assert admin.delete(address).status_code == 404
        assert admin.post(f"{address}/rotate").status_code == 404
    assert admin.get(KEYS).json()["results"] == []


def test_a_key_makes_no_key_that_may_more_than_itself(admin, tenant, users):
    program = UserFactory(tenant=tenant, is_service_account=True, role="tenant_admin")
    strong = make(admin, program, [READ, WRITE, CONFIGURE]).json()
    weak = client_with(make(admin, program, [CONFIGURE]).json()["secret"])
    refused = weak.post(KEYS, {"account": program.username, "name": "x", "scopes": [READ]}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert weak.post(f"{KEYS}/{strong['id']}/rotate").status_code == 403
    assert client_with(strong["secret"]).get("/api/v1/customers").status_code == 200
