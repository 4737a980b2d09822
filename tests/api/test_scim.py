"""SCIM 2.0: a company's directory keeps the people of its tenant. The client and the checks are python-scim's."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.wsgi import get_wsgi_application

from audit.models import AdministrationEntry
from tenants.api.scim import views
from tenants.context import tenant_context
from tenants.models import QueuedMail, RefreshToken, User
from tenants.roles import CONFIGURE_STAGES, MANAGE_PEOPLE, Role
from tenants.services.accounts.api_keys import create_key
from tenants.services.accounts.people import deactivate_user
from tenants.services.accounts.provisioning import delete_person
from tenants.services.accounts.tokens import issue_access, issue_pair
from tests.api.test_credentials import client_with
from tests.factories import ADMIN_ACTOR, UserFactory, utc_now
from tests.late import Late

scim2_client = Late("scim2_client.engines.wsgi")
scim2_tester = Late("scim2_tester")

USERS = "/scim/v2/Users"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def key_for(tenant: Any, *scopes: str) -> str:
    account = UserFactory(tenant=tenant, role=Role.TENANT_ADMIN, is_service_account=True)
    now = utc_now()
    with tenant_context(tenant.id):
        return create_key(
            account=account,
            name="Directory",
            scopes=list(scopes),
            expires_at=now + dt.timedelta(days=1),
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=now,
        ).secret


@pytest.fixture
def key(tenant: Any) -> str:
    return key_for(tenant, MANAGE_PEOPLE)


@pytest.fixture
def directory(key: str) -> Any:
    return client_with(key)


def actions_about(tenant: Any, user_id: str) -> list[str]:
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, subject=user_id).order_by("id")
        return [entry.action for entry in entries]


def make(directory: Any, /, **more: Any) -> dict[str, Any]:
    answer = directory.post(USERS, {"schemas": [CORE], "userName": f"Ann-{uuid4().hex[:12]}@acme.example", **more})
    assert answer.status_code == 201, answer.content
    assert answer.headers["Location"] == answer.json()["meta"]["location"]
    return dict(answer.json())


def patch(directory: Any, user_id: str, *operations: dict[str, Any]) -> Any:
    return directory.patch(f"{USERS}/{user_id}", {"schemas": [PATCH], "Operations": list(operations)})


def test_a_compliance_checker_that_others_wrote_finds_nothing_wrong(users: Any, key: str) -> None:
    client = scim2_client.WSGISCIMClient(
        get_wsgi_application(),
        base_url="https://testserver/scim/v2",
        headers={"Authorization": f"Bearer {key}"},
    )
    results = scim2_tester.check_server(client)
    status = scim2_tester.Status
    assert [f"{one.title}: {one.reason}" for one in results if one.status not in (status.SUCCESS, status.SKIPPED)] == []
    checked = {one.title for one in results if one.status == status.SUCCESS}
    assert {
        "object_creation",
        "object_query",
        "object_replacement",
        "object_deletion",
        "check_add_attribute",
        "check_remove_attribute",
        "check_replace_attribute",
        "search_with_attributes",
    } <= checked
    assert len(results) > 40


def test_a_person_is_made_found_and_changed_as_the_directory_has_them(directory: Any, tenant: Any) -> None:
    made = make(directory, externalId="00u1", name={"givenName": "Ann", "familyName": "Lee"}, title="VP")
    name = made["userName"]
    assert name == name.lower() and name.startswith("ann-")
    assert {key: made[key] for key in ("userName", "externalId", "displayName", "active", "roles", "emails")} == {
        "userName": name,
        "externalId": "00u1",
        "displayName": "Ann Lee",
        "active": True,
        "roles": [{"value": "viewer"}],
        "emails": [{"value": name, "primary": True}],
    }
    for text in (f'userName eq "{name.upper()}"', 'externalId eq "00u1"', f'id eq "{made["id"]}"'):
        found = directory.get(USERS, {"filter": text}).json()
        assert [(found["totalResults"], one["id"]) for one in found["Resources"]] == [(1, made["id"])], text
    assert directory.get(USERS, {"filter": 'userName eq "no@acme.example"'}).json()["totalResults"] == 0
    whole = {**made, "displayName": "Ann Li", "roles": [{"value": "account_manager"}]}
    assert directory.put(f"{USERS}/{made['id']}", whole).json()["displayName"] == "Ann Li"
    directory.put(f"{USERS}/{made['id']}", whole)
    assert actions_about(tenant, made["id"]) == ["invite_user", "rename_user", "set_role"]
    with tenant_context(tenant.id):
        user = User.objects.get(id=made["id"])
        assert (user.role, user.full_name, user.groups.get().name.rpartition(":")[2]) == (
            "account_manager",
            "Ann Li",
            "account_manager",
        )
        # They sign in by the company's provider, and get no link.
        assert not QueuedMail.objects.filter(user_id=user.id).exists()


def test_who_is_let_go_is_out_with_the_next_request(directory: Any, tenant: Any, users: Any) -> None:
    person = users.account_manager
    token, pair = issue_access(person).token, issue_pair(person, now=utc_now())
    assert client_with(token).get("/api/v1/customers").status_code == 200
    # As one large directory writes it.
    answer = patch(directory, str(person.id), {"OP": "Replace", "Path": "active", "VALUE": "False"})
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    assert client_with(token).get("/api/v1/customers").status_code == 401
    assert client_with(None).post("/api/v1/auth/token/refresh", {"refresh": pair.refresh}).status_code == 401
    with tenant_context(tenant.id):
        assert not RefreshToken.objects.filter(user_id=person.id, revoked_at=None).exists()
    assert patch(directory, str(person.id), {"op": "replace", "value": {"active": True, "name.x": 1}}).json()["active"]
    assert actions_about(tenant, str(person.id)) == ["deactivate_user", "reactivate_user"]


def test_who_is_made_before_their_first_day_is_invited_once_they_are_let_in(directory: Any, mailbox: Any) -> None:
    made = make(directory, active=False)
    mailbox.deliver()
    assert mailbox.to(made["userName"]) == []
    for _ in range(2):
        assert patch(directory, made["id"], {"op": "replace", "path": "active", "value": True}).status_code == 200
    mailbox.deliver()
    assert mailbox.link_to(made["userName"]).startswith("/invitation/")


def test_an_address_that_is_corrected_gets_the_invitation(directory: Any, mailbox: Any) -> None:
    made, name = make(directory), f"anna-{uuid4().hex[:12]}@acme.example"
    mailbox.deliver()
    for _ in range(2):
        assert patch(directory, made["id"], {"op": "replace", "path": "userName", "value": name}).status_code == 200
    mailbox.deliver()
    assert len(mailbox.to(made["userName"])) == 1
    assert mailbox.link_to(name).startswith("/invitation/")


def test_who_signs_in_by_the_provider_no_longer_is_invited(directory: Any, mailbox: Any) -> None:
    """They had no password and no mail that says where to set one."""
    made = make(directory, externalId=f"sub-{uuid4().hex}")
    mailbox.deliver()
    assert mailbox.to(made["userName"]) == []
    for _ in range(2):
        answer = patch(directory, made["id"], {"op": "replace", "path": "externalId", "value": ""})
        assert (answer.status_code, answer.json().get("externalId", "")) == (200, "")
    mailbox.deliver()
    assert mailbox.link_to(made["userName"]).startswith("/invitation/")


def test_the_last_admin_stays_and_nothing_else_of_the_request_is_kept(directory: Any, tenant: Any, users: Any) -> None:
    admin = users.tenant_admin
    # The directory's own account is an admin too, but no person.
    answer = patch(
        directory,
        str(admin.id),
        {"op": "replace", "path": "displayName", "value": "Gone"},
        {"op": "replace", "path": "active", "value": False},
    )
    assert answer.status_code == 400 and "last admin" in answer.json()["detail"]
    assert directory.get(f"{USERS}/{admin.id}").json()["displayName"] != "Gone"
    assert actions_about(tenant, str(admin.id)) == []


def test_a_person_who_is_deleted_is_erased_and_their_name_is_free(directory: Any, tenant: Any) -> None:
    made = make(directory)
    assert directory.delete(f"{USERS}/{made['id']}").status_code == 204
    for answer in (directory.get(f"{USERS}/{made['id']}"), directory.delete(f"{USERS}/{made['id']}")):
        assert (answer.status_code, answer.json()["status"]) == (404, "404")
    assert actions_about(tenant, made["id"]) == ["invite_user", "deactivate_user", "erase_user"]
    assert make(directory, userName=made["userName"])["id"] != made["id"]


def test_of_two_requests_at_once_the_second_begins_with_what_the_first_has_made(
    directory: Any, tenant: Any, users: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is renamed the moment they are let go stays out."""
    person, find = users.viewer, views.UserView.find

    def find_and_be_overtaken(view: Any, user_id: str) -> Any:
        found = find(view, user_id)
        with tenant_context(tenant.id):
            deactivate_user(person.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        return found

    monkeypatch.setattr(views.UserView, "find", find_and_be_overtaken)
    answer = patch(directory, str(person.id), {"op": "replace", "path": "displayName", "value": "Ann Lee"})
    assert (answer.status_code, answer.json()["displayName"], answer.json()["active"]) == (200, "Ann Lee", False)


def test_who_is_erased_at_the_same_moment_does_not_come_back(
    directory: Any, tenant: Any, in_threads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the second request was sent had given them their name back, and let them in."""
    made, find = make(directory, displayName="Ann Lee"), views.UserView.find

    def delete(_number: int) -> None:
        with tenant_context(tenant.id):
            delete_person(UUID(made["id"]), tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())

    def find_and_be_overtaken(view: Any, user_id: str) -> Any:
        found = find(view, user_id)
        # In a transaction of its own: the one at hand is rolled back with what it refuses.
        assert in_threads(1, delete) == [None]
        return found

    monkeypatch.setattr(views.UserView, "find", find_and_be_overtaken)
    answer = directory.put(f"{USERS}/{made['id']}", made)
    assert (answer.status_code, answer.json()["status"]) == (404, "404")
    with tenant_context(tenant.id):
        erased = User.objects.get(id=made["id"])
        assert (erased.is_erased, erased.full_name, erased.email, erased.is_active) == (True, "Erased user", "", False)


def test_another_subject_ends_what_the_former_one_opened(directory: Any, users: Any) -> None:
    token, pair = issue_access(users.viewer).token, issue_pair(users.viewer, now=utc_now())
    patch(directory, str(users.viewer.id), {"op": "replace", "path": "externalId", "value": f"sub-{uuid4().hex}"})
    assert client_with(token).get("/api/v1/customers").status_code == 401
    assert client_with(None).post("/api/v1/auth/token/refresh", {"refresh": pair.refresh}).status_code == 401


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("/scim/v2/.search", {"attributes": ["a"] * 51}, 400),
        ("/scim/v2/.search", {"excludedAttributes": ",".join("a" * 51)}, 400),
        ("/scim/v2/.search", {"filter": 'userName eq "\\ud800"'}, 200),
        ("/scim/v2/.search", {"filter": 'externalId eq "\\udfff"'}, 200),
    ],
)
def test_a_search_is_bounded_and_never_a_traceback(directory: Any, address: str, body: Any, status: int) -> None:
    answer = directory.post(address, body)
    assert answer.status_code == status, answer.content
    assert status == 400 or answer.json()["totalResults"] == 0


@pytest.mark.parametrize("schemas", [5, True, "x", {PATCH: 1}, None])
def test_a_patch_without_a_list_of_schemas_is_refused(directory: Any, users: Any, schemas: Any) -> None:
    body = {"schemas": schemas, "Operations": [{"op": "replace", "path": "displayName", "value": "X"}]}
    answer = directory.patch(f"{USERS}/{users.viewer.id}", body)
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "replace", "path": "color", "value": "red"}, "invalidPath"),
        ({"op": "replace", "path": "a b", "value": "red"}, "invalidPath"),
        ({"op": "replace", "path": "id", "value": "red"}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "move", "path": "active", "value": True}, "invalidSyntax"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "replace", "path": "roles", "value": [{"value": "super_admin"}]}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": ""}, "invalidValue"),
        ({"op": "replace", "path": "displayName", "value": 7}, "invalidValue"),
        ({"op": "add", "value": 7}, "invalidValue"),
    ],
)
def test_what_cannot_be_done_is_said_in_scim_s_words(
    directory: Any, users: Any, operation: dict[str, Any], kind: str
) -> None:
    address = f"{USERS}/{users.viewer.id}"
    before = directory.get(address).json()
    answer = patch(directory, str(users.viewer.id), {"op": "replace", "path": "displayName", "value": "X"}, operation)
    assert (answer.status_code, answer.json()["scimType"]) == (400, kind), answer.content
    assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert directory.get(address).json() == before


def test_a_name_that_somebody_has_in_any_tenant_is_refused(directory: Any, users: Any, other_users: Any) -> None:
    for taken in (users.viewer.username, other_users.viewer.username):
        answer = directory.post(USERS, {"schemas": [CORE], "userName": taken})
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
        answer = patch(directory, str(users.account_manager.id), {"op": "replace", "path": "userName", "value": taken})
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")
    for invalid in ({}, {"userName": "\u0007"}, {"userName": "x" * 151}, {"userName": 7}):
        assert directory.post(USERS, {"schemas": [CORE], **invalid}).status_code == 400, invalid
    for invalid in ("userName co 1", 'userName eq "a" or active eq true', "userName eq true", "x" * 2000):
        assert directory.get(USERS, {"filter": invalid}).json()["scimType"] == "invalidFilter", invalid


def test_only_the_right_of_its_own_opens_it_and_only_its_own_tenant(
    tenant: Any, users: Any, other_tenant: Any, other_users: Any, directory: Any, api_client: Any
) -> None:
    addresses = (USERS, f"{USERS}/{users.viewer.id}", "/scim/v2/ServiceProviderConfig")
    for client, status in (
        (client_with(None), 401),
        (client_with(key_for(tenant, CONFIGURE_STAGES)), 403),
        (api_client("account_manager"), 403),
    ):
        for address in addresses:
            assert client.get(address).status_code == status, address
        assert client.post(USERS, {"userName": "x@acme.example"}).status_code == status
    assert client_with(None).get("/scim/v2/nothing").status_code == 401
    assert directory.get("/scim/v2/nothing").json()["status"] == "404"
    assert api_client("tenant_admin").get(USERS).status_code == 200
    # The key of the directory opens nothing else.
    assert directory.get("/api/v1/customers").status_code == 403
    for hidden in (other_users.viewer.id, users.service.id):
        assert directory.get(f"{USERS}/{hidden}").status_code == 404
        assert patch(directory, str(hidden), {"op": "replace", "path": "active", "value": False}).status_code == 404
    listed = directory.get(USERS, {"count": 200}).json()
    assert {one["id"] for one in listed["Resources"]} == {
        str(one.id) for one in (users.viewer, users.account_manager, users.tenant_admin)
    }


def test_pages_begin_where_they_are_asked_to(directory: Any, users: Any) -> None:
    whole = directory.get(USERS).json()
    assert (whole["totalResults"], whole["startIndex"], whole["itemsPerPage"]) == (3, 1, 3)
    second = directory.get(USERS, {"startIndex": 2, "count": 1, "attributes": "userName"}).json()
    assert second["Resources"] == [{name: whole["Resources"][1][name] for name in ("schemas", "id", "userName")}]
    none = directory.get(USERS, {"startIndex": 0, "count": 0}).json()
    assert (none["totalResults"], none["itemsPerPage"], none["startIndex"]) == (3, 0, 1)
    searched = directory.post("/scim/v2/.search", {"filter": "active eq true", "excludedAttributes": ["emails"]}).json()
    assert searched["totalResults"] == 3 and "emails" not in searched["Resources"][0]
