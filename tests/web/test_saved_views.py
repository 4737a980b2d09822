"""Views of the list that people save: their own, shared with the team, locked by an admin, opened by a link."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from audit.models import AdministrationEntry
from lifecycle.models import SavedView
from lifecycle.services.lists import saved_views
from tenants.context import tenant_context
from tests.factories import SAAS, TenantFactory
from tests.web.conftest import markup_of, text_of
from tests.web.test_list_conditions import four  # noqa: F401
from tests.web.test_lists import names

QUERY = "where=stage%3ALive&ordering=name&columns=customer%2Carr"


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def manager(page_client):
    return page_client("account_manager")


@pytest.fixture
def admin(page_client):
    return page_client("tenant_admin")


@pytest.fixture
def viewer(page_client):
    return page_client("viewer")


def save(client, name="Mine", query=QUERY, **more):
    answer = client.post("/views", {"name": name, "of": query, **more})
    assert answer.status_code == 302, text_of(answer)
    return parse_qs(urlsplit(answer["Location"]).query)["view"][0]


def edit(client, view, action, **more):
    return client.post(f"/views/{view}/edit", {"action": action, **more})


def stored(tenant):
    with tenant_context(tenant.id):
        return [(view.name, view.query, view.is_shared, view.is_locked) for view in SavedView.objects.order_by("id")]


def recorded(tenant):
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(action__contains="view").order_by("id")
        return [(entry.action, entry.detail) for entry in entries]


def test_a_view_is_saved_and_opens_the_list_as_it_was(manager, viewer, tenant, four):  # noqa: F811
    view = save(manager, query=f"{QUERY}&search=secret%40x.example&cursor=abc&nonsense=1")
    assert stored(tenant) == [("Mine", "where=stage%3ALive&ordering=name&columns=customer%2Carr", False, False)]
    opened = manager.get(f"/views/{view}", follow=True)
    assert names(opened) == [four["ann live"], four["bob live"]]
    assert [tag.get("data-label") for tag in markup_of(opened).all("td")][:2] == [None, "ARR"]
    assert "View “Mine”" in text_of(opened)
    assert "View “Mine” · changed" not in text_of(opened)
    assert recorded(tenant) == [("save_view", {"shared": False, "locked": False})]


def test_a_personal_view_is_for_its_owner_alone(manager, viewer, admin, tenant):
    view = save(manager)
    for other in (viewer, admin):
        assert other.get(f"/views/{view}").status_code == 404
        assert edit(other, view, "delete").status_code == 404
        assert "Mine" not in text_of(other.get("/customers"))
    assert len(stored(tenant)) == 1


def test_another_tenants_link_is_404_whatever_it_shares(manager, page_client, other_users, tenant):
    view = save(manager, share="1")
    for role in ("viewer", "tenant_admin"):
        outsider = page_client(getattr(other_users, role))
        assert outsider.get(f"/views/{view}").status_code == 404
        for action in ("save", "rename", "lock", "delete"):
            assert edit(outsider, view, action, name="x").status_code == 404
    assert stored(tenant) == [("Mine", QUERY, True, False)]
    assert Client().get(f"/views/{view}")["Location"].startswith("/login")


def test_a_shared_view_is_opened_by_the_team_and_changed_by_its_owner_and_admins(manager, viewer, admin, tenant):
    view = save(manager, share="1")
    assert "Mine" in text_of(viewer.get("/customers"))
    assert viewer.get(f"/views/{view}").status_code == 302
    refused = edit(viewer, view, "save", of="ordering=-arr")
    assert refused.status_code == 403
    assert "“Mine” belongs to someone else. Save your changes as a view of your own. Nothing was saved." in text_of(
        refused
    )
    assert stored(tenant) == [("Mine", QUERY, True, False)]
    assert edit(manager, view, "save", of="ordering=-arr").status_code == 302
    assert edit(admin, view, "rename", name="Ours").status_code == 302
    assert stored(tenant) == [("Ours", "ordering=-arr", True, False)]
    assert [action for action, _ in recorded(tenant)] == ["save_view", "change_view", "change_view"]


def test_a_view_whose_filter_there_is_not_any_more_is_not_saved_without_it(manager, tenant, four):  # noqa: F811
    view = save(manager, query="owner=ann&ordering=name")
    page = manager.get(f"/customers?stage=Gone&owner=ann&view={view}")
    sent = {tag["form"]: tag["value"] for tag in markup_of(page).all("input") if tag.get("name") == "of"}
    assert set(sent) == {"conditions", "save-view", "change-view"}
    for form, of in sent.items():
        assert "stage=Gone" in of, form
    assert edit(manager, view, "save", of=sent["change-view"]).status_code == 400
    assert stored(tenant) == [("Mine", "owner=ann&ordering=name", False, False)]
    added = manager.get("/customers", {"add": "arr>=", "value": "1", "of": sent["conditions"]})
    assert (added.status_code, names(added)) == (400, [])


def test_a_view_that_an_admin_has_locked_is_changed_by_admins_only(manager, admin, tenant):
    view = save(manager, share="1")
    assert edit(manager, view, "lock").status_code == 403
    assert edit(admin, view, "lock").status_code == 302
    for action in ("save", "rename", "unshare", "unlock", "delete"):
        refused = edit(manager, view, action, name="Other", of="")
        assert refused.status_code == 403
        assert "“Mine” was locked by an admin." in text_of(refused)
    assert stored(tenant) == [("Mine", QUERY, True, True)]
    assert edit(admin, view, "unshare").status_code == 409
    assert edit(admin, view, "unlock").status_code == 302
    assert edit(manager, view, "unshare").status_code == 302
    assert stored(tenant) == [("Mine", QUERY, False, False)]


def test_who_changes_a_shared_view_on_the_page_is_offered_to_save_it_as_their_own(manager, viewer, tenant, four):  # noqa: F811
    view = save(manager, share="1")
    page = viewer.get(f"/customers?{QUERY.replace('Live', 'Trial')}&view={view}")
    assert "View “Mine” · changed" in text_of(page)
    assert "Save as" in text_of(page)
    assert "Save changes" not in text_of(page)
    (query,) = [tag["value"] for tag in markup_of(page).all("input") if tag.get("form") == "save-view"]
    save(viewer, "My trial", query)
    assert [row[0] for row in stored(tenant)] == ["Mine", "My trial"]
    assert "where=stage%3ATrial" in stored(tenant)[1][1]
    assert "Save changes" in text_of(manager.get(f"/customers?{QUERY}&view={view}"))


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        ({"name": ""}, 400, "Nothing was saved."),
        ({"name": "x" * 81}, 400, "Nothing was saved."),
        ({"name": "mine"}, 409, "You have a view called “mine” already. Choose another name. Nothing was saved."),
        ({"name": "A", "of": "where=stage:Nowhere"}, 400, "There is no stage “Nowhere”."),
    ],
)
def test_a_view_that_cannot_be_saved_is_refused_and_nothing_changes(manager, tenant, sent, status, sentence):
    save(manager)
    refused = manager.post("/views", {"of": QUERY, **sent})
    assert refused.status_code == status
    assert sentence in text_of(refused)
    assert len(stored(tenant)) == len(recorded(tenant)) == 1


def test_a_viewer_keeps_views_but_shares_none(viewer, tenant):
    view = save(viewer, share="1")
    assert stored(tenant) == [("Mine", QUERY, False, False)]
    assert edit(viewer, view, "share").status_code == 403
    assert edit(viewer, view, "dance").status_code == 400
    assert stored(tenant) == [("Mine", QUERY, False, False)]


def test_of_two_changes_at_once_the_later_one_is_refused(manager, tenant):
    view = save(manager)
    assert edit(manager, view, "rename", name="First", version="1").status_code == 302
    refused = edit(manager, view, "rename", name="Second", version="1")
    assert refused.status_code == 412
    assert "The view was just changed by someone else. Your change was not saved." in text_of(refused)
    assert stored(tenant)[0][0] == "First"


def test_a_view_is_deleted_and_a_person_keeps_so_many_only(manager, tenant, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 1)
    view = save(manager)
    refused = manager.post("/views", {"name": "Two", "of": QUERY})
    assert (refused.status_code, "You have 1 views already." in text_of(refused)) == (409, True)
    assert edit(manager, view, "delete").status_code == 302
    assert stored(tenant) == []
    assert [action for action, _ in recorded(tenant)] == ["save_view", "delete_view"]
    assert manager.get(f"/views/{view}").status_code == 404


def test_a_view_whose_stage_has_gone_says_so_instead_of_showing_everyone(manager, tenant, four):  # noqa: F811
    view = save(manager)
    with tenant_context(tenant.id):
        SavedView.objects.update(query="where=stage%3AGone")
    page = manager.get(f"/views/{view}", follow=True)
    assert page.status_code == 400
    assert "There is no stage “Gone”." in text_of(page)
    assert names(page) == []
