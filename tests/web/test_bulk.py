"""Many customers on the pages, without JavaScript: chosen, shown, moved, undone; and the board."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.models import BulkChange, BulkChangeItem, Customer, CustomerLifecycleStatus
from lifecycle.services.bulk import selecting
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.context import tenant_context
from tenants.models import Tenant, User
from tests.factories import ADMIN_ACTOR, SAAS, CustomerFactory, TenantFactory, utc_now
from tests.web.conftest import HTMX, markup_of, text_of


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def manager(page_client):
    return page_client("account_manager")


def stages(tenant):
    with tenant_context(tenant.id):
        rows = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id)
        return sorted(rows.values_list("stage", flat=True))


def make(tenant, **stages):
    reasons = {"Wobbly": "Usage Dropped", "Lost": "Price"}
    return [
        CustomerFactory(tenant=tenant, stage=stage, reason_code=reasons.get(stage), name=f"{stage} {number}")
        for stage, count in stages.items()
        for number in range(count)
    ]


def test_all_that_match_are_moved_after_a_preview_and_taken_back(manager, users, tenant):
    make(tenant, Live=3, Trial=1)
    listed = markup_of(manager.get("/customers?stage=Live"))
    boxes = [tag for tag in listed.all("input") if tag.get("name") == "customer"]
    assert [box["form"] for box in boxes] == ["selection"] * 3
    (query,) = [tag["value"] for tag in listed.all("input") if tag.get("name") == "query"]
    answer = manager.post("/bulk", {"everyone": "1", "query": query, "action": "move"})
    assert answer.status_code == 302
    address = answer["Location"]
    asked = text_of(manager.get(address))
    assert "Move 3 selected customers" in asked
    assert "3 of 3 can be moved" in asked
    shown = manager.get(f"{address}?stage=Wobbly&reason:Wobbly=Usage+Dropped")
    said = text_of(shown)
    assert "3 customers move to “Wobbly”. Reason: Usage Dropped." in said
    assert "Call the owner (alert) × 3" in said
    assert said.count("Moves. Starts “Call the owner” (alert).") == 3
    form = {tag["name"]: tag.get("value", "") for tag in markup_of(shown).all("input") if tag.get("type") == "hidden"}
    assert stages(tenant) == ["Live", "Live", "Live", "Trial"]
    progress = manager.post(address, form, follow=True)
    assert "Done: 3 customers moved to “Wobbly”." in text_of(progress)
    assert stages(tenant) == ["Trial", "Wobbly", "Wobbly", "Wobbly"]
    assert manager.post(address, form).status_code == 302, "a second time it is the same change"
    (undo,) = re.findall(r'href="(/undo/[^"]+)"', progress.content.decode())
    assert "3 customers move back." in text_of(manager.get(undo))
    undone = manager.post(undo, {"confirmed": "1"}, follow=True)
    assert "Undone: 3 customers moved back." in text_of(undone)
    assert stages(tenant) == ["Live", "Live", "Live", "Trial"]


@pytest.mark.parametrize(
    ("path", "asked", "answer"),
    [
        ("/customers", {"search": "nothing like it"}, "No customers are selected."),
        ("/customers", {"search": "nothing like it", "HX": "1"}, "No customers are selected."),
        ("/customers", {"where": "stage:Lost"}, "No customers are selected."),
        ("/customers", {"stage": "Nowhere"}, "No customers are selected."),
        ("/board", {"stage": "Nowhere"}, "There is no stage “Nowhere”."),
        ("/board", {"search": "nothing like it"}, "No customers are selected."),
    ],
)
def test_all_that_match_a_list_of_no_one_are_no_one(manager, tenant, path, asked, answer):
    make(tenant, Live=2)
    headers = HTMX if asked.pop("HX", "") else {}
    page = markup_of(manager.get(path, asked, headers=headers))
    posted = {tag["name"]: tag["value"] for tag in page.all("input") if tag.get("name") == "query"}
    refused = manager.post("/bulk", {"everyone": "1", "action": "move", **posted})
    assert (refused.status_code, answer in text_of(refused)) == (400, True), text_of(refused)


def test_after_a_refusal_the_parts_of_the_preview_are_those_of_the_same_move(manager, tenant):
    """They led to the question where to, without the stage and the reason; “Cancel” to the list, not to the board."""
    make(tenant, Live=2)
    address = manager.post("/bulk", {"everyone": "1", "query": "", "action": "move", "back": "board"})["Location"]
    shown = markup_of(manager.get(f"{address}&stage=Wobbly&reason:Wobbly=Usage+Dropped"))
    (form,) = [tag for tag in shown.all("form") if tag.get("class") == "move"]
    sent = {tag["name"]: tag.get("value", "") for tag in shown.all("input") if tag.get("type") == "hidden"}
    refused = manager.post(form["action"], {**sent, "effects": "99"})
    assert refused.status_code >= 400 and "2 customers move to “Wobbly”." in text_of(refused)
    tags = markup_of(refused).all("a")
    (link,) = [tag["href"] for tag in tags if "show=refused" in tag.get("href", "")]
    part = text_of(manager.get(f"{address.partition('?')[0]}{link}"))
    assert "2 customers move to “Wobbly”. Reason: Usage Dropped." in part
    assert "/board" in [tag["href"] for tag in tags if tag.get("class") == "btn btn-quiet"]


def test_who_cancels_another_owner_is_back_where_the_customers_were_chosen(manager, tenant):
    """From the board it led to the list, also after a refusal."""
    make(tenant, Live=2)
    for back, home in (("board", "/board"), ("", "/customers")):
        chosen = {"everyone": "1", "query": "", "action": "owner", **({"back": back} if back else {})}
        asked = manager.get(manager.post("/bulk", chosen)["Location"])
        (form,) = [tag for tag in markup_of(asked).all("form") if tag.get("class") == "move"]
        refused = manager.post(form["action"], {"owner": ""})
        assert refused.status_code == 400
        for page in (asked, refused):
            links = {tag.get("class"): tag["href"] for tag in markup_of(page).all("a")}
            assert (links["crumb"], links["btn btn-quiet"]) == (home, home)


def test_a_selection_that_is_too_large_leaves_nothing_behind(manager, tenant, monkeypatch):
    """It is no selection that is forgotten after a day: no one would ever look for its customers again."""
    monkeypatch.setattr(selecting, "MOST", 2)
    make(tenant, Live=3)
    refused = manager.post("/bulk", {"everyone": "1", "query": "", "action": "move"})
    assert refused.status_code == 400
    with tenant_context(tenant.id):
        assert not BulkChange.objects.filter(tenant_id=tenant.id).exists()
        assert not BulkChangeItem.objects.filter(tenant_id=tenant.id).exists()


def test_a_condition_that_could_not_be_added_changes_nothing_of_what_is_chosen(manager, tenant):
    make(tenant, Live=2, Trial=1)
    asked = {"of": "where=stage%3ALive", "add": "days_in_stage>=", "value": "many"}
    page = manager.get("/customers", asked)
    tags = markup_of(page)
    (query,) = [tag["value"] for tag in tags.all("input") if tag.get("name") == "query"]
    assert (page.status_code, query) == (400, "where=stage%3ALive&ordering=-updated_at")
    address = manager.post("/bulk", {"everyone": "1", "query": query, "action": "move"})["Location"]
    assert "Move 2 selected customers" in text_of(manager.get(address))
    hrefs = [tag["href"] for tag in tags.all("a")]
    assert [href for href in hrefs if "add=" in href or "many" in href] == []
    assert "/board?where=stage%3ALive&amp;ordering=-updated_at" in page.content.decode()
    assert manager.get("/customers", asked, headers=HTMX).status_code == 200, "the list goes on following"


def test_who_is_refused_is_named_with_the_reason_before_and_after(manager, tenant):
    customers = make(tenant, Live=1, Trial=2)
    address = manager.post("/bulk", {"customer": [str(one.id) for one in customers]})["Location"]
    shown = manager.get(f"{address}?stage=Renewing")
    assert "2 customers stay. A customer in “Trial” cannot be moved to “Renewing”" in text_of(shown)
    refused = text_of(manager.get(f"{address}?stage=Renewing&show=refused"))
    assert refused.count("Stays. A customer in “Trial”") == 2
    manager.post(address, {"stage": "Renewing", "configuration_version": "1", "effects": "0"})
    assert stages(tenant) == ["Renewing", "Trial", "Trial"]
    done = text_of(manager.get(address))
    assert "Done: 1 customer moved to “Renewing”." in done
    assert "2 customers were not changed. A customer in “Trial” cannot be moved to “Renewing”" in done


def test_a_refusal_says_why_and_moves_no_one(manager, page_client, tenant):
    customers = make(tenant, Live=2)
    ids = ",".join(str(one.id) for one in customers)
    with tenant_context(tenant.id):
        Tenant.objects.filter(id=tenant.id).update(effects_budget=1)
    address = manager.post("/bulk", {"customer": ids})["Location"]
    form = {"stage": "Wobbly", "reason": "Usage Dropped", "configuration_version": "1", "effects": "2"}
    shown = text_of(manager.get(f"{address}?stage=Wobbly&reason:Wobbly=Usage+Dropped"))
    assert "This starts 2 automations, more than the 1 that start here" in shown
    assert "Type the number (2) to confirm." in shown
    for more, status, sentence in (
        ({}, 409, "then confirm the number (2)"),
        ({"typed": "3"}, 409, "then confirm the number (2)"),
        ({"typed": "two"}, 400, "is written in digits"),
        ({"reason": ""}, 400, "To move a customer to “Wobbly” you must give a reason."),
        ({"configuration_version": "7"}, 409, "The lifecycle configuration has changed"),
        ({"stage": ""}, 400, "Choose a stage."),
        ({"stage": "Nowhere"}, 400, "There is no stage “Nowhere”."),
        ({"mute": "1"}, 400, "Give a reason why no automation should start."),
        ({"mute": "1", "mute_reason": "Import"}, 403, "Only tenant admins"),
    ):
        answer = manager.post(address, form | more)
        assert (answer.status_code, sentence in text_of(answer)) == (status, True), (more, text_of(answer))
    assert stages(tenant) == ["Live", "Live"]
    with tenant_context(tenant.id):
        assert BulkChange.objects.get(tenant_id=tenant.id).started_at is None
    assert page_client("tenant_admin").get(address).status_code == 404, "not yet anybody else's"
    assert page_client("viewer").post("/bulk", {"customer": ids}).status_code == 403
    for posted, sentence in (
        ({}, "No customers are selected."),
        ({"customer": "no-id"}, "No customers are selected."),
        # Of which list is not said: no one is meant, and not everyone.
        ({"everyone": "1"}, "No customers are selected."),
        ({"everyone": "1", "query": "stage=Nowhere"}, "There is no stage “Nowhere”."),
    ):
        answer = manager.post("/bulk", posted)
        assert (answer.status_code, sentence in text_of(answer)) == (400, True), posted
    assert manager.post(address, form | {"typed": "2"}).status_code == 302
    assert stages(tenant) == ["Wobbly", "Wobbly"]


def test_a_stage_chosen_on_the_board_asks_for_its_reason_first(manager, tenant):
    customers = make(tenant, Live=2)
    posted = {"customer": [str(one.id) for one in customers], "stage": "Wobbly", "back": "board"}
    asked = manager.get(manager.post("/bulk", posted)["Location"])
    tags = markup_of(asked)
    assert [tag["value"] for tag in tags.all("input") if "checked" in tag] == ["Wobbly"]
    assert "Choose a reason" in text_of(asked)
    assert [tag["href"] for tag in tags.all("a") if tag.get("class") == "crumb"] == ["/board"]
    assert "Choose a reason for “Wobbly”." not in text_of(asked)
    again = manager.get(f"{asked.request['PATH_INFO']}?stage=Wobbly&reason:Wobbly=")
    assert "Choose a reason for “Wobbly”." in text_of(again)
    assert "2 customers move" in text_of(manager.get(f"{asked.request['PATH_INFO']}?stage=Wobbly&reason=Usage+Dropped"))


def test_a_reason_for_a_stage_that_is_gone_is_said_and_kept_for_the_others(manager, tenant):
    first, *_ = make(tenant, Trial=2)
    address = manager.post("/bulk", {"customer": str(first.id), "action": "move"})["Location"]
    asked = {"stage": "Elsewhere", "reason:Elsewhere": "Merged with another firm"}
    page = manager.get(address, asked)
    said = text_of(page)
    assert "You chose “Elsewhere”, which is no longer possible. Your reason was “Merged with another firm”." in said
    fields = {tag["name"]: tag.get("value") for tag in markup_of(page).all("input") if "reason" in tag.get("name", "")}
    assert fields["kept_reason"] == "Merged with another firm"
    assert {value for name, value in fields.items() if name.startswith("reason:")} == {"Merged with another firm"}


def test_an_admin_moves_many_without_starting_automations(page_client, tenant):
    make(tenant, Live=2)
    admin = page_client("tenant_admin")
    address = admin.post("/bulk", {"everyone": "1", "query": ""})["Location"]
    form = {"stage": "Wobbly", "reason": "Usage Dropped", "configuration_version": "1", "effects": "2"}
    admin.post(address, form | {"mute": "1", "mute_reason": "A dry season"})
    assert stages(tenant) == ["Wobbly", "Wobbly"]


def test_the_owner_of_many_is_changed(manager, users, tenant):
    customers = make(tenant, Live=2)
    address = manager.post("/bulk", {"customer": [str(one.id) for one in customers], "action": "owner"})["Location"]
    assert "Change the owner of 2 customers" in text_of(manager.get(address))
    for unclear in ({"owner": " "}, {"owner": users.viewer.username, "no_owner": "1"}):
        empty = manager.post(address, unclear)
        said = "Enter the new owner, or choose “No owner”. Nothing was changed."
        assert (empty.status_code, said in text_of(empty)) == (400, True)
    wrong = manager.post(address, {"owner": "no.such.person"})
    assert (wrong.status_code, "There is no active user “no.such.person” here." in text_of(wrong)) == (400, True)
    done = manager.post(address, {"owner": users.viewer.username}, follow=True)
    assert f"Done: 2 customers have the new owner {users.viewer.full_name}." in text_of(done)
    briefs = {one["href"] for one in markup_of(done).all("a") if one.get("href", "").endswith("/handover")}
    assert briefs == {f"/customers/{one.id}/handover" for one in customers}
    with tenant_context(tenant.id):
        assert set(Customer.objects.filter(tenant_id=tenant.id).values_list("owner", flat=True)) == {
            users.viewer.username
        }


def test_an_owner_is_called_by_name_where_only_one_has_it(manager, users, tenant):
    (customer,) = make(tenant, Live=1)
    chosen = {"customer": [str(customer.id)], "action": "owner"}
    address = manager.post("/bulk", chosen)["Location"]
    done = manager.post(address, {"owner": users.viewer.full_name.upper()}, follow=True)
    assert f"Done: 1 customer has the new owner {users.viewer.full_name}." in text_of(done)
    with tenant_context(tenant.id):
        assert Customer.objects.get(id=customer.id).owner == users.viewer.username
        User.objects.filter(id=users.tenant_admin.id).update(full_name=users.viewer.full_name)
    address = manager.post("/bulk", chosen)["Location"]
    refused = manager.post(address, {"owner": users.viewer.full_name})
    assert (refused.status_code, "There is no active user" in text_of(refused)) == (400, True)
    manager.post(address, {"owner": "", "no_owner": "1"})
    with tenant_context(tenant.id):
        assert Customer.objects.get(id=customer.id).owner == ""


def columns_of(response):
    return {
        tag["data-stage"]: (tag["data-allowed"], tag["data-refusal"])
        for tag in markup_of(response).all("section")
        if "data-stage" in tag
    }


def test_the_board_counts_and_values_every_column_and_says_where_cards_may_go(manager, tenant):
    customers = make(tenant, Live=2, Trial=1)
    facts = [
        CustomerFacts(one.external_id, "/billing", utc_now(), billing={"arr": "50000", "currency": "EUR"})
        for one in customers[:2]
    ]
    with tenant_context(tenant.id):
        record_customers(facts, tenant=tenant, actor=ADMIN_ACTOR, source="EventListener", now=utc_now(), create=False)
    board = manager.get("/board")
    said = text_of(board)
    assert "Live 2 customers · €100k" in said
    assert "Lost 0 customers" in said
    columns = columns_of(board)
    assert list(columns) == ["Trial", "Rollout", "Live", "Wobbly", "Renewing", "Lost"]
    allowed, refusal = columns["Live"]
    assert allowed == "3 4"
    assert refusal == "A customer in “Live” cannot be moved to “{to}”. Choose one of: “Wobbly” or “Renewing”."
    filtered = text_of(manager.get("/board?search=Trial"))
    assert ("Trial 0" in filtered, "Live 0 customers" in filtered) == (True, True)
    assert manager.get("/board?stage=Nowhere").status_code == 400


@pytest.mark.parametrize("asked", ["", "&search=Live"])
def test_a_column_goes_on_where_it_ended(manager, tenant, monkeypatch, asked):
    monkeypatch.setattr("lifecycle.web.board.CARDS", 2)
    made = make(tenant, Live=5)
    seen = []
    page = manager.get("/board?cards=2" + asked)
    while True:
        markup = markup_of(page)
        seen += [tag["data-customer"] for tag in markup.all("li") if "data-customer" in tag]
        following = [tag["hx-get"] for tag in markup.all("a") if "/board/cards" in tag.get("hx-get", "")]
        if not following:
            break
        page = manager.get(following[0].replace("&amp;", "&"), headers=HTMX)
    assert seen == [str(one.id) for one in reversed(made)]


def test_the_board_takes_as_many_statements_for_many_as_for_few(manager, tenant):
    counts = []
    for number in (1, 30):
        make(tenant, Live=number, Trial=number, Wobbly=number)
        manager.get("/board")
        with CaptureQueriesContext(connection) as captured:
            assert manager.get("/board?search=a").status_code == 200
        frame = ("BEGIN", "COMMIT", "SELECT set_config")
        counts.append(len([one for one in captured if not one["sql"].startswith(frame)]))
    assert counts[0] == counts[1], counts
    assert counts[0] == 6


def test_a_card_is_moved_from_the_board_and_the_board_says_so(manager, tenant):
    (customer,) = make(tenant, Live=1)
    dialog = manager.get(f"/customers/{customer.id}/move?place=board&stage=Wobbly", headers=HTMX)
    checked = [tag["value"] for tag in markup_of(dialog).all("input") if "checked" in tag]
    assert checked == ["Wobbly"]
    form = {"stage": "Wobbly", "version": "1", "configuration_version": "1", "place": "board", "effects:Wobbly": "1"}
    refused = manager.post(f"/customers/{customer.id}/move", form, headers=HTMX)
    assert (refused.status_code, 'name="place" value="board"' in refused.content.decode()) == (400, True)
    form |= {"reason:Wobbly": "Usage Dropped"}
    moved = manager.post(f"/customers/{customer.id}/move", form, headers=HTMX)
    assert moved["HX-Retarget"] == "#board-notice"
    assert f'"customer": "{customer.id}"' in moved["HX-Trigger-After-Settle"]
    assert "Live 0 is now in Wobbly." in text_of(moved)
    form |= {"stage": "Live", "version": "2", "effects:Live": "0"}
    assert manager.post(f"/customers/{customer.id}/move", form)["Location"] == "/board"


def test_a_viewer_sees_the_board_and_can_tick_or_drag_nothing(page_client, tenant):
    make(tenant, Live=1)
    page = page_client("viewer").get("/board").content.decode()
    assert "Live 0" in page
    assert ("draggable=" in page.replace('draggable="false"', ""), "data-move" in page) == (False, False)
    assert 'id="selection"' not in page
