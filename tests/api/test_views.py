"""Saved views over the API: kept, shared, locked, opened by those who may, as on the pages."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from lifecycle.models import SavedView
from lifecycle.services.lists import saved_views
from lifecycle.services.lists.saved_views import save_view
from tenants.context import tenant_context
from tests.factories import ADMIN_ACTOR, CustomerFactory, UserFactory, utc_now

VIEWS = "/api/v1/views"


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


@pytest.fixture
def admin(api_client):
    return api_client("tenant_admin")


@pytest.fixture
def viewer(api_client):
    return api_client("viewer")


def make(client, name="Mine", **more):
    answer = client.post(VIEWS, {"name": name, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def names(client):
    return [view["name"] for view in client.get(VIEWS).json()["results"]]


def stored(tenant):
    with tenant_context(tenant.id):
        return [(view.name, view.query, view.is_shared, view.is_locked) for view in SavedView.objects.order_by("id")]


def test_a_view_is_kept_read_changed_and_deleted(manager, users, tenant):
    body = {"query": "stage=Active&ordering=-arr", "columns": ["customer", "arr"]}
    answer = manager.post(VIEWS, {"name": " Mine ", **body})
    view = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    dated = {"created_at": view["created_at"], "updated_at": view["created_at"]}
    assert view == {
        "id": view["id"], "name": "Mine", **body, "scope": "personal", "owner": str(users.account_manager.id),
        "may_change": True, "version": 1, **dated,
    }  # fmt: skip
    assert stored(tenant) == [("Mine", "stage=Active&ordering=-arr&columns=customer%2Carr", False, False)]
    address = f"{VIEWS}/{view['id']}"
    assert manager.get(address).json() == view
    assert manager.get(VIEWS).json()["results"] == [view]
    renamed = manager.patch(address, {"name": "Ours", "scope": "team"}, headers={"If-Match": '"1"'})
    assert (renamed.status_code, renamed.headers["ETag"]) == (200, '"2"')
    shown = {name: renamed.json()[name] for name in ("name", "query", "columns", "scope", "version")}
    assert shown == {"name": "Ours", **body, "scope": "team", "version": 2}
    assert manager.patch(address, {"query": "category=risk"}).json()["columns"] == ["customer", "arr"]
    columns = manager.patch(address, {"columns": []}).json()
    assert (columns["query"], columns["columns"], columns["version"]) == ("category=risk", [], 4)
    assert manager.patch(address, {}).json()["version"] == 4
    stale = manager.patch(address, {"name": "x"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert manager.delete(address).status_code == 204
    assert manager.get(address).status_code == manager.delete(address).status_code == 404
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(subject=view["id"]).order_by("id")
        assert list(entries.values_list("action", flat=True)) == [
            "save_view", "change_view", "change_view", "change_view", "delete_view",
        ]  # fmt: skip
        assert set(entries.values_list("actor", flat=True)) == {str(users.account_manager.id)}


def test_a_view_of_a_program_opens_on_the_page_unchanged(manager, page_client, tenant):
    view = make(manager, "Big", query="stage=Active&at_risk=true&where=arr>=100", columns=["name", "arr"])
    assert view["columns"] == ["customer", "arr"]
    page = page_client("account_manager").get(f"/views/{view['id']}", follow=True)
    assert page.status_code == 200
    saved = page.context["saved"]
    assert (saved.opened.name, saved.is_changed) == ("Big", False)


def test_the_list_is_asked_for_by_a_view_of_a_program(manager, tenant):
    CustomerFactory(tenant=tenant, stage="Active", name="Active One")
    CustomerFactory(tenant=tenant, stage="Prospect", name="Prospect One")
    view = make(manager, query="?stage=Active&columns=customer,owner")
    assert (view["query"], view["columns"]) == ("stage=Active", ["customer", "owner"])
    page = manager.get(f"/api/v1/customers?view={view['id']}")
    assert page.status_code == 200, page.content
    assert [(row["name"], "owner" in row, "arr" in row) for row in page.json()["results"]] == [
        ("Active One", True, False)
    ]


def test_a_team_s_view_is_seen_by_all_and_a_personal_one_by_its_owner(manager, viewer, admin, users):
    mine, ours = make(manager, "Mine"), make(manager, "Ours", scope="team")
    assert (names(manager), names(viewer)) == (["Mine", "Ours"], ["Ours"])
    assert viewer.get(f"{VIEWS}/{ours['id']}").json()["may_change"] is False
    refused = viewer.patch(f"{VIEWS}/{ours['id']}", {"name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert viewer.delete(f"{VIEWS}/{ours['id']}").status_code == 403
    for client in (viewer, admin):
        for answer in (
            client.get(f"{VIEWS}/{mine['id']}"),
            client.patch(f"{VIEWS}/{mine['id']}", {"name": "x"}),
            client.delete(f"{VIEWS}/{mine['id']}"),
        ):
            assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such view: check the id.")
    assert admin.patch(f"{VIEWS}/{ours['id']}", {"name": "All of us"}).status_code == 200


def test_a_viewer_keeps_views_of_their_own_and_shares_none(viewer, tenant):
    view = make(viewer)
    for answer in (
        viewer.post(VIEWS, {"name": "Ours", "scope": "team"}),
        viewer.patch(f"{VIEWS}/{view['id']}", {"scope": "team"}),
        viewer.post(VIEWS, {"name": "Ours", "scope": "locked"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert stored(tenant) == [("Mine", "", False, False)]
    assert viewer.patch(f"{VIEWS}/{view['id']}", {"scope": "personal"}).json()["version"] == 1


def test_only_admins_lock_and_only_they_change_what_is_locked(manager, admin, tenant):
    ours = make(manager, "Ours", scope="team")
    address = f"{VIEWS}/{ours['id']}"
    for answer in (manager.post(VIEWS, {"name": "x", "scope": "locked"}), manager.patch(address, {"scope": "locked"})):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert admin.patch(address, {"scope": "locked"}).json()["scope"] == "locked"
    assert manager.patch(address, {"name": "x"}).status_code == manager.delete(address).status_code == 403
    assert admin.patch(address, {"scope": "personal"}).json()["scope"] == "personal"
    assert manager.patch(address, {"scope": "team"}).json()["scope"] == "team"
    make(admin, "Law", scope="locked")
    assert stored(tenant) == [("Ours", "", True, False), ("Law", "", True, True)]


def test_a_service_account_has_views_of_its_own(api_client, users):
    service = api_client("service")
    view = make(service, scope="team")
    assert (view["owner"], names(service)) == (str(users.service.id), ["Mine"])


def test_a_view_of_another_tenant_does_not_exist(manager, other_tenant, tenant):
    with tenant_context(other_tenant.id):
        owner = UserFactory(tenant=other_tenant)
        view = save_view(
            "Theirs", "", user_id=owner.id, tenant=other_tenant, actor=ADMIN_ACTOR, now=utc_now(), share=True
        )
    assert names(manager) == []
    for id_ in (view.id, uuid4()):
        address = f"{VIEWS}/{id_}"
        for answer in (manager.get(address), manager.patch(address, {"name": "x"}), manager.delete(address)):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert manager.get(f"{VIEWS}/7").status_code == 400
    assert [row[0] for row in stored(other_tenant)] == ["Theirs"]


@pytest.mark.parametrize(
    ("body", "pointer", "named"),
    [
        ({"query": "color=red"}, "#/query", "color"), ({"query": "stage=Nowhere"}, "#/query", "Nowhere"),
        ({"query": "search=zora"}, "#/query", "search"), ({"query": "cursor=x"}, "#/query", "cursor"),
        ({"query": "ordering=luck"}, "#/query", "luck"), ({"query": "where=arr>>1"}, "#/query", ""),
        ({"query": "stage=Active&stage=Onboarded"}, "#/query", "where=stage"),
        ({"query": "columns=color"}, "#/query", "color"), ({"query": "&".join("a" * 1500)}, "#/query", ""),
        ({"columns": ["color"]}, "#/columns/0", "color"), ({"columns": "arr"}, "#/columns", ""),
        ({"scope": "world"}, "#/scope", "world"), ({"name": " "}, "#/name", ""), ({"name": "x" * 81}, "#/name", ""),
        ({"share": True}, "#/share", "scope"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_by_name_and_nothing_is_saved(manager, tenant, body, pointer, named):
    answer = manager.post(VIEWS, {"name": "Mine", **body})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.content
    error = answer.json()["errors"][0]
    assert error["pointer"] == pointer and named in error["detail"]
    assert stored(tenant) == []


def test_a_name_is_taken_once_and_a_person_has_so_many_views(manager, monkeypatch, tenant):
    make(manager)
    again = manager.post(VIEWS, {"name": "MINE"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 1)
    full = manager.post(VIEWS, {"name": "Another"})
    assert (full.status_code, full.json()["code"]) == (409, "conflict")
    assert len(stored(tenant)) == 1


def test_the_same_request_twice_makes_one_view(manager, tenant):
    first, second = (manager.post(VIEWS, {"name": "Mine"}, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json() and second.headers["Idempotency-Replayed"] == "true"
    other = manager.post(VIEWS, {"name": "Other"}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert len(stored(tenant)) == 1


def test_the_list_pages_on_by_name_without_more_statements(manager):
    for number in (3, 1, 4, 0, 2):
        make(manager, f"View {number}")
    read, counts, address = [], set(), f"{VIEWS}?limit=2&count=true"
    while address:
        with CaptureQueriesContext(connection) as queries:
            page = manager.get(address).json()
        counts.add(len(queries))
        assert page["total"] == 5
        read += [view["name"] for view in page["results"]]
        address = page["next"]
    assert read == [f"View {number}" for number in range(5)]
    assert len(counts) == 1 and max(counts) <= 6, counts
    assert manager.get(f"{VIEWS}?cursor=AAAA").status_code == 400
    assert manager.get(f"{VIEWS}?scope=team").json()["errors"][0]["parameter"] == "scope"
