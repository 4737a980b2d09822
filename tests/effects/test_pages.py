"""What a change started, its undo, and a person's notifications, on the pages and in the admin."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from uuid_utils.compat import uuid7

from audit.services.keys import ensure_keys
from lifecycle.models import (
    Contact,
    Customer,
    CustomerLifecycleStatus,
    EffectRun,
    Notification,
    Undo,
    WebhookEndpoint,
)
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.effects.endpoints import delete_endpoint, read_destination, rotate_secret
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.conftest import People
from tests.factories import ADMIN_ACTOR, CustomerFactory, TenantFactory, utc_now

DOCUMENT = {
    "stages": ["Prospect", "At-Risk", "Churned"],
    "categories": {"At-Risk": "risk", "Churned": "lost"},
    "effects": [
        {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"]},
        {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]},
    ],
}
Pages = Callable[..., Client]


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def customer(tenant: TenantRef, users: People) -> Customer:
    return CustomerFactory(tenant=tenant, name="Vale & Sons", owner=users.viewer.username)


def move(client: Client, customer: Customer) -> None:
    with tenant_context(customer.tenant_id):
        version = CustomerLifecycleStatus.objects.get(customer_id=customer.id).version
    form = {"stage": "At-Risk", "version": version, "configuration_version": 1, "effects:At-Risk": 2}
    answer = client.post(f"/customers/{customer.id}/move", form)
    assert answer.status_code == 302, answer.content


def test_the_history_says_what_a_change_started_and_its_author_undoes_it(
    page_client: Pages, customer: Customer, tenant: TenantRef
) -> None:
    client = page_client("account_manager")
    move(client, customer)
    page = client.get(f"/customers/{customer.id}").content.decode()
    assert "Escalate (alert): due" in page
    assert "Write (e-mail): held · Held for a while, so that it can be taken back." in page
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
    address = f"/undo/{request_id}"
    assert address in page
    page = client.post(address, follow=True).content.decode()
    assert "Undone: 1 customer moved back. 2 automations canceled." in page
    assert "Write (e-mail): canceled · The change was undone." in page
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "Prospect"


def test_the_undo_of_one_names_what_had_run_and_cannot_be_taken_back(
    page_client: Pages, customer: Customer, tenant: TenantRef
) -> None:
    client = page_client("account_manager")
    move(client, customer)
    with tenant_context(tenant.id):
        sent = EffectRun.objects.filter(tenant_id=tenant.id, kind="email")
        assert sent.update(state="done") == 1
        request_id = sent[0].request_id
    said = client.post(f"/undo/{request_id}", follow=True).content.decode()
    assert (
        "Undone: 1 customer moved back. 1 automation canceled. “Write” × 1 has already run: that cannot be taken back."
    ) in said


def test_the_undo_of_one_who_cannot_be_moved_back_says_so(
    page_client: Pages, customer: Customer, tenant: TenantRef
) -> None:
    """The stage that it came from has gone with a later configuration."""
    client = page_client("account_manager")
    move(client, customer)
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
        document = {**DOCUMENT, "stages": ["At-Risk", "Churned"]}
        publish_configuration(document, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    said = client.post(f"/undo/{request_id}", follow=True).content.decode()
    assert "Undone: 0 customers moved back. 1 customer could not be moved back: the former stage is gone" in said
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "At-Risk"


def test_who_makes_a_change_again_beyond_their_budget_learns_when_to_go_on(
    page_client: Pages, customer: Customer, tenant: TenantRef, settings: Any
) -> None:
    settings.UPDATES_PER_HOUR = 1
    client = page_client("account_manager")
    move(client, customer)
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
    assert client.post(f"/undo/{request_id}").status_code == 302
    with tenant_context(tenant.id):
        undo = Undo.objects.get(tenant_id=tenant.id)
    again = client.post(f"/undo/{undo.id}")
    said = again.content.decode().partition("<main")[2].partition("</main>")[0]
    assert (again.status_code, int(again["Retry-After"]) > 0) == (429, True)
    assert "of your 1 changes in any hour are left. Nothing was changed. Try again in" in said
    assert said.count("Nothing was changed.") == 1


def test_who_may_not_undo(page_client: Pages, customer: Customer, tenant: TenantRef) -> None:
    move(page_client("tenant_admin"), customer)
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
    address = f"/undo/{request_id}"
    assert address not in page_client("account_manager").get(f"/customers/{customer.id}").content.decode()
    refused = page_client("account_manager").post(address, follow=True).content.decode()
    assert "Only they, or an admin, can undo it. Nothing was changed." in refused
    assert page_client("viewer").post(address).status_code == 403
    asked = page_client("account_manager").get(address)
    assert (asked.status_code, b'name="confirmed"' in asked.content) == (403, False)
    assert page_client("tenant_admin").get(f"/undo/{uuid4()}").status_code == 404
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "At-Risk"


def test_the_message_after_a_change_offers_its_undo(page_client: Pages, customer: Customer, tenant: TenantRef) -> None:
    client = page_client("account_manager")
    form = {"stage": "At-Risk", "version": 1, "configuration_version": 1, "effects:At-Risk": 2}
    answer = client.post(f"/customers/{customer.id}/move", form, headers={"HX-Request": "true"})
    with tenant_context(tenant.id):
        request_id = EffectRun.objects.filter(tenant_id=tenant.id)[0].request_id
    said = answer.content.decode()
    assert "Vale &amp; Sons is now in At-Risk." in said
    assert said.index(f'action="/undo/{request_id}"') < said.index('id="stage-heading"'), "beside the message"
    page = client.post(f"/undo/{request_id}", follow=True)
    assert page.redirect_chain == [(f"/customers/{customer.id}", 302)]
    assert "Undone: 1 customer moved back." in page.content.decode()

    page = client.post(f"/customers/{customer.id}/move", {**form, "version": 3}, follow=True).content.decode()
    notice = page[page.index("The customer is now in “At-Risk”.") :]
    assert notice.index('action="/undo/') < notice.index("</div>"), "without JavaScript too"


def test_the_undo_of_many_asks_first_and_shows_its_progress(
    page_client: Pages, api_client: Callable[..., Any], customer: Customer, tenant: TenantRef, users: People
) -> None:
    many = [CustomerFactory(tenant=tenant, owner=users.viewer.username) for _ in range(3)]
    items = [{"customer_id": str(one.id), "stage": "At-Risk"} for one in many]
    moved = api_client("account_manager").post("/api/v1/lifecycle/transitions", {"items": items}, format="json")
    assert moved.status_code == 200, moved.content
    with tenant_context(tenant.id):
        found = EffectRun.objects.filter(tenant_id=tenant.id)
        request_id = found[0].request_id
        found.filter(customer_id=many[0].id, kind="alert").update(state="done")
    path = f"/api/v1/customers/{many[2].id}/lifecycle"
    assert api_client("account_manager").patch(path, {"stage": "Churned"}, format="json").status_code == 200

    client = page_client("account_manager")
    address = f"/undo/{request_id}"
    for page in (client.get(address), client.post(address)):
        text = page.content.decode()
        assert "2 customers move back." in text
        assert "1 customer has been moved since, and stays." in text
        assert "“Write” × 3 is canceled." in text and "“Escalate” × 2 is canceled." in text
        assert "“Escalate” × 1 has already run: that cannot be taken back." in text
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=many[0].id).stage == "At-Risk", "only asked yet"
        assert EffectRun.objects.filter(state="cancelled").count() == 0
    page = client.post(address, {"confirmed": "1"}, follow=True)
    text = page.content.decode()
    assert page.redirect_chain[0][0].startswith("/undos/")
    assert "Undone: 2 customers moved back." in text and "5 automations canceled." in text
    assert "“Escalate” × 1 has already run: that cannot be taken back." in text
    fragment = client.get(page.redirect_chain[0][0], headers={"HX-Request": "true"}).content.decode()
    assert 'id="undo"' in fragment and "<html" not in fragment and "hx-trigger" not in fragment, "it has ended"
    with tenant_context(tenant.id):
        stages = [CustomerLifecycleStatus.objects.get(customer_id=one.id).stage for one in many]
    assert stages == ["Prospect", "Prospect", "Churned"]
    again = client.get(address).content.decode()
    assert "There is nothing left to undo: every customer has been moved since." in again
    assert 'name="confirmed"' not in again


def test_a_person_reads_and_acknowledges_their_own_notifications(
    page_client: Pages, customer: Customer, tenant: TenantRef, users: People
) -> None:
    with tenant_context(tenant.id):
        note = Notification.objects.create(
            tenant_id=tenant.id,
            user_id=users.viewer.id,
            effect_id=uuid4(),
            customer_id=customer.id,
            effect="Escalate",
            from_stage="Prospect",
            to_stage="At-Risk",
            created_at=utc_now(),
        )
    client = page_client("viewer")
    assert '<span class="count">1' in client.get("/notifications/bell").content.decode()
    page = client.get("/notifications").content.decode()
    assert "Vale &amp; Sons" in page and "Prospect → At-Risk" in page
    client.post(f"/notifications/{note.id}/acknowledge")
    assert "Acknowledged" in client.get("/notifications").content.decode()
    client.post("/notifications/read")
    assert '<span class="count">' not in client.get("/notifications/bell").content.decode()
    assert "No notifications yet." in page_client("account_manager").get("/notifications").content.decode()
    page_client("account_manager").post(f"/notifications/{note.id}/acknowledge")


def test_an_admin_sees_replays_and_cancels_effects(
    page_client: Pages, customer: Customer, tenant: TenantRef, users: People
) -> None:
    client = page_client("tenant_admin")
    move(client, customer)
    page = client.get("/admin/lifecycle/effectrun/").content.decode()
    assert "b***@acme.example" in page and "boss@acme.example" not in page
    assert users.viewer.full_name in page and f"user:{users.viewer.id}" not in page
    assert f'<a href="/customers/{customer.id}">Vale &amp; Sons</a>' in page
    with tenant_context(tenant.id):
        run = EffectRun.objects.get(tenant_id=tenant.id, kind="email")
    chosen: dict[str, Any] = {"_selected_action": [str(run.id)]}
    page = client.post("/admin/lifecycle/effectrun/", {"action": "cancel", **chosen}, follow=True).content.decode()
    assert "1 canceled." in page
    page = client.post("/admin/lifecycle/effectrun/", {"action": "replay", **chosen}, follow=True).content.decode()
    assert "1 replayed." in page
    assert client.get(f"/admin/lifecycle/effectrun/{run.id}/change/").status_code == 200
    with tenant_context(tenant.id):
        assert EffectRun.objects.get(id=run.id).state == "due"
    assert page_client("account_manager").get("/admin/lifecycle/effectrun/").status_code == 302


def test_recipients_are_called_by_name_and_what_leads_to_no_one_as_it_is_named(
    page_client: Pages, customer: Customer, tenant: TenantRef, users: People
) -> None:
    client = page_client("tenant_admin")
    move(client, customer)
    with tenant_context(tenant.id):
        ensure_keys(tenant.id, [customer.id])
        rosa = Contact(tenant_id=tenant.id, customer=customer, name="Rosa Ma", email="rosa@vale.example")
        rosa.save()
        crm = WebhookEndpoint.objects.create(
            tenant_id=tenant.id, name="crm-hook", url="https://crm.example", created_at=utc_now(), created_by="test"
        )
        (alert,) = EffectRun.objects.filter(tenant_id=tenant.id, kind="alert")
        named = ["user:ann", "user:bea@acme.example", "contacts:Buyer", f"user:{uuid4()}"]
        others = [f"contact:{rosa.id}", f"endpoint:{crm.id}", *named]
        for recipient in others:
            alert.pk, alert.recipient = uuid7(), recipient
            alert.save(force_insert=True)
    page = client.get("/admin/lifecycle/effectrun/").content.decode()
    line = client.get(f"/customers/{customer.id}/timeline?kind=effect").content.decode()
    for shown in (page, line):
        for name in (users.viewer.full_name, "Rosa Ma &lt;r***@vale.example&gt;", "crm-hook", *named):
            assert name in shown, name
        assert "rosa@" not in shown and f"contact:{rosa.id}" not in shown


def test_the_statements_of_the_admin_s_list_do_not_grow_with_its_rows(
    page_client: Pages, customer: Customer, tenant: TenantRef, users: People
) -> None:
    client, counts = page_client("tenant_admin"), []
    for _ in range(3):
        move(client, CustomerFactory(tenant=tenant, owner=users.viewer.username))
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/admin/lifecycle/effectrun/").content.decode()
        counts.append(len(queries))
    assert page.count('name="_selected_action"') == 6
    assert counts[1] == counts[2], counts


def test_an_admin_makes_an_endpoint_and_sees_its_secret_once(page_client: Pages, tenant: TenantRef) -> None:
    client = page_client("tenant_admin")
    address = "/admin/lifecycle/webhookendpoint/"
    refused = client.post(f"{address}add/", {"name": "crm", "url": "http://127.0.0.1/"})
    assert refused.status_code == 200 and b"errorlist" in refused.content
    made = client.post(f"{address}add/", {"name": "crm", "url": "https://crm.example/hook"}, follow=True)
    assert b"whsec_" in made.content
    assert b"whsec_" not in client.get(address).content
    again = client.post(f"{address}add/", {"name": "crm", "url": "https://crm.example/another"})
    assert again.status_code == 200 and b"There is already an endpoint with this name" in again.content
    assert b'value="https://crm.example/another"' in again.content, "what was typed is still there"


def test_a_secret_that_is_renewed_twice_in_a_row_leaves_the_one_that_receivers_have(
    page_client: Pages, tenant: TenantRef
) -> None:
    """The button was pressed twice: with the former secret gone no receiver could verify anything any more."""
    client, address = page_client("tenant_admin"), "/admin/lifecycle/webhookendpoint/"

    def secret_on(answer: Any) -> str:
        (shown,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", answer.content.decode())
        return str(shown)

    new = {"name": "crm", "url": "https://crm.example/hook"}
    first = secret_on(client.post(f"{address}add/", new, follow=True))
    with tenant_context(tenant.id):
        id_ = WebhookEndpoint.objects.get().id
    asked = {"action": "rotate", "_selected_action": [str(id_)]}
    unseen, seen = (secret_on(client.post(address, asked, follow=True)) for _ in range(2))
    later = utc_now() + timedelta(minutes=1)
    with tenant_context(tenant.id):
        destination = read_destination(id_, tenant=tenant, now=utc_now())
        assert destination is not None and destination.secrets == (seen, first) and unseen not in destination.secrets
        newest = rotate_secret(id_, tenant=tenant, actor=system_actor("test"), now=later)
        destination = read_destination(id_, tenant=tenant, now=later)
        assert destination is not None and destination.secrets == (newest, seen), "two sign at most"


@pytest.mark.parametrize("action", ["test", "rotate", "remove"])
def test_an_endpoint_that_another_admin_has_removed_since_the_list_was_shown_is_no_error(
    page_client: Pages, tenant: TenantRef, action: str
) -> None:
    client, address = page_client("tenant_admin"), "/admin/lifecycle/webhookendpoint/"
    client.post(f"{address}add/", {"name": "crm", "url": "https://crm.example/hook"})
    with tenant_context(tenant.id):
        endpoint = WebhookEndpoint.objects.get()
        delete_endpoint(endpoint.id, tenant=tenant, actor=system_actor("test"), now=utc_now())
    answer = client.post(address, {"action": action, "_selected_action": [str(endpoint.id)]}, follow=True)
    assert answer.status_code == 200
    said = [str(message) for message in answer.context["messages"]]
    assert action != "test" or said[-1] == "Choose rows on this page. Nothing was changed."


def test_an_admin_finds_the_effects_of_one_customer_and_of_one_request(
    page_client: Pages, customer: Customer, tenant: TenantRef, users: People
) -> None:
    client = page_client("tenant_admin")
    other = CustomerFactory(tenant=tenant, owner=users.viewer.username)
    for one in (customer, other):
        move(client, one)
    with tenant_context(tenant.id):
        run = EffectRun.objects.filter(customer_id=other.id)[0]
        EffectRun.objects.filter(id=run.id).update(last_attempt={"milliseconds": 1234})
    for asked in (other.external_id, str(other.id), str(run.request_id)):
        page = client.get(f"/admin/lifecycle/effectrun/?q={asked}").content.decode()
        assert page.count('name="_selected_action"') == 2, asked
    assert "1,234" in client.get(f"/admin/lifecycle/effectrun/{run.id}/change/").content.decode()
    page = client.get("/admin/lifecycle/effectrun/?q=nothing-of-the-kind").content.decode()
    assert 'name="_selected_action"' not in page


def test_an_admin_replays_all_that_failed_since_a_time_and_pauses(
    page_client: Pages, customer: Customer, tenant: TenantRef
) -> None:
    client, address = page_client("tenant_admin"), "/admin/lifecycle/effectrun/control"
    move(client, customer)
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id).update(state="failed")
    assert address in client.get("/admin/lifecycle/effectrun/").content.decode()
    late = {"since": "2999-01-01T00:00", "state": "failed", "effect": "", "replay": "1"}
    assert "0 replayed." in client.post(address, late, follow=True).content.decode()
    page = client.post(address, {**late, "since": "2020-01-01T00:00", "effect": "Write"}, follow=True)
    assert "1 replayed." in page.content.decode()
    with tenant_context(tenant.id):
        assert sorted(EffectRun.objects.values_list("effect", "state")) == [("Escalate", "failed"), ("Write", "due")]

    without_reason = client.post(address, {"effect": "Write", "endpoint": "", "reason": "", "pause": "1"})
    assert b"errorlist" in without_reason.content
    page = client.post(address, {"effect": "Write", "endpoint": "", "reason": "Too many", "pause": "1"}, follow=True)
    assert "Paused." in page.content.decode() and "Too many" in page.content.decode()
    page = client.post(address, {"effect": "", "endpoint": "none", "reason": "x", "pause": "1"}, follow=True)
    assert "There is no endpoint “none”. Nothing was changed." in page.content.decode()
    page = client.post(address, {"effect": "Write", "endpoint": "", "reason": "Fine", "resume": "1"}, follow=True)
    assert "Nothing is paused." in page.content.decode()
    assert page_client("account_manager").get(address).status_code == 302
