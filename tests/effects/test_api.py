"""Effects, endpoints, undos and notifications as programs see them."""

import datetime as dt
import re
from collections.abc import Callable
from contextlib import ExitStack
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from audit.models import AdministrationEntry
from lifecycle.delivery import samples
from lifecycle.models import Customer, EffectPause, EffectRun, Notification, Undo, WebhookEndpoint
from lifecycle.services.effects.actions import list_pauses
from lifecycle.services.effects.addresses import AddressRefused
from lifecycle.services.effects.claims import find_lanes
from lifecycle.services.effects.endpoints import create_endpoint
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.admin.drafts import new_draft
from tests.api.test_credentials import client_with
from tests.conftest import ApiClient, People, make_people
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.mailing import Mailbox

DOCUMENT = {
    "stages": ["Prospect", "At-Risk", "Churned"],
    "categories": {"At-Risk": "risk", "Churned": "lost"},
    "effects": [
        {"name": "Escalate", "on": "enter", "stages": ["At-Risk"], "kind": "alert", "to": ["owner"]},
        {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]},
        {"name": "Tell", "on": "enter", "stages": ["At-Risk"], "kind": "webhook", "to": ["https://crm.example/hook"]},
    ],
}

Client = Callable[[str], APIClient]


@pytest.fixture
def tenant(db: None) -> TenantRef:
    return TenantFactory(configuration=DOCUMENT)


@pytest.fixture
def customer(tenant: TenantRef, users: People) -> Customer:
    return CustomerFactory(tenant=tenant, owner=users.viewer.username)


def move(client: APIClient, customer: Customer, stage: str = "At-Risk") -> str:
    """Move the customer; the id of the request."""
    request_id = str(uuid4())
    path = f"/api/v1/customers/{customer.id}/lifecycle"
    answer = client.patch(path, {"stage": stage}, format="json", HTTP_X_REQUEST_ID=request_id)
    assert answer.status_code == 200, answer.content
    with tenant_context(customer.tenant_id):
        return str(EffectRun.objects.filter(customer_id=customer.id).latest("id").request_id)


def test_effects_are_listed_filtered_and_paged(api_client: Client, customer: Customer, tenant: TenantRef) -> None:
    client = api_client("account_manager")
    request_id = move(client, customer)
    body = client.get("/api/v1/effects").json()
    assert {(row["effect"], row["state"], row["reason"], row["recipient"][:4]) for row in body["results"]} == {
        ("Escalate", "due", "", "user"),
        ("Write", "held", "recall", "boss"),
        ("Tell", "suppressed", "no_endpoint", "http"),
    }
    assert {row["request_id"] for row in body["results"]} == {request_id}
    assert len(client.get(f"/api/v1/effects?request_id={request_id}&state=held").json()["results"]) == 1
    assert client.get(f"/api/v1/effects?customer_id={uuid4()}").json()["results"] == []
    first = client.get("/api/v1/effects?limit=2").json()
    second = client.get(first["next"].partition("testserver")[2]).json()
    seen = [row["id"] for row in (*first["results"], *second["results"])]
    assert len(seen) == len(set(seen)) == 3
    assert second["next"] is None
    for invalid in ("state=asleep", "kind=fax", "customer_id=7", "cursor=x", "color=red"):
        answer = client.get(f"/api/v1/effects?{invalid}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), invalid


def test_an_address_is_in_clear_for_who_may_see_contact_details_and_masked_for_others(
    api_client: Client, customer: Customer, users: People
) -> None:
    admin = api_client("tenant_admin")
    move(admin, customer)

    def recipient(client: APIClient) -> str:
        return client.get("/api/v1/effects?kind=email").json()["results"][0]["recipient"]

    def key(*scopes: str) -> APIClient:
        body = {"account": users.service.username, "name": "Watch", "scopes": ["view_lifecycle", *scopes]}
        return client_with(admin.post("/api/v1/keys", body, format="json").json()["secret"])

    assert recipient(api_client("account_manager")) == recipient(admin) == "boss@acme.example"
    assert recipient(key("update_lifecycle", "reveal_contacts")) == "boss@acme.example"
    assert recipient(key("update_lifecycle")) == "b***@acme.example"


def test_why_an_effect_did_not_run_is_said_in_the_language_that_is_asked_for(
    api_client: Client, customer: Customer
) -> None:
    client = api_client("tenant_admin")
    move(client, customer)

    def why(address: str, language: str) -> dict[str, str]:
        rows = client.get(address, HTTP_ACCEPT_LANGUAGE=language).json()["results"]
        return {row["effect"]: row["why"] for row in rows}

    english = why("/api/v1/effects", "en")
    assert english == {
        "Escalate": "",
        "Write": "Held for a while, so that it can be taken back.",
        "Tell": "There is no endpoint of this name or address. Add it under webhook endpoints.",
    }
    german = why("/api/v1/effects", "de-CH, de;q=0.9, en;q=0.5")
    assert german["Write"].startswith("Eine Weile zurückgehalten")
    one = client.get("/api/v1/effects?state=suppressed").json()["results"][0]["id"]
    assert client.get(f"/api/v1/effects/{one}", HTTP_ACCEPT_LANGUAGE="de").json()["why"] == german["Tell"] != ""


def test_who_may_see_and_do_what(api_client: Client, customer: Customer) -> None:
    move(api_client("account_manager"), customer)
    effect_id = api_client("tenant_admin").get("/api/v1/effects?state=held").json()["results"][0]["id"]
    for who, listed, detailed in (("viewer", 403, 403), ("account_manager", 200, 403), ("tenant_admin", 200, 200)):
        client = api_client(who)
        assert client.get("/api/v1/effects").status_code == listed
        assert client.get(f"/api/v1/effects/{effect_id}").status_code == detailed
        assert client.get("/api/v1/webhooks/endpoints").status_code == detailed
        assert client.get("/api/v1/notifications").status_code == 200
    with_no_right = api_client("account_manager").post(f"/api/v1/effects/{effect_id}/cancel")
    assert with_no_right.status_code == 403


def test_an_effect_is_cancelled_once_and_replayed(api_client: Client, customer: Customer, tenant: TenantRef) -> None:
    client = api_client("tenant_admin")
    move(client, customer)
    path = f"/api/v1/effects/{client.get('/api/v1/effects?state=held').json()['results'][0]['id']}"
    cancelled = client.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["cancelled"], cancelled.json()["state"]) == (202, 1, "cancelled")
    again = client.post(f"{path}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert again.json()["detail"] == "This automation is canceled: only what is held or due can be canceled."
    assert client.post(f"{path}/replay").status_code == 202
    assert client.get(path).json()["state"] == "due"
    with tenant_context(tenant.id):
        actions = AdministrationEntry.objects.filter(action__in=("cancel_effect", "replay_effects"))
        assert actions.filter(tenant_id=tenant.id).count() == 2
    assert client.post(f"/api/v1/effects/{uuid4()}/replay").status_code == 404
    reached_no_one = client.get("/api/v1/effects?state=suppressed").json()["results"][0]["id"]
    assert client.post(f"/api/v1/effects/{reached_no_one}/replay").status_code == 409


def test_failed_effects_are_replayed_together(api_client: Client, customer: Customer, tenant: TenantRef) -> None:
    client = api_client("tenant_admin")
    since = utc_now().isoformat()
    move(client, customer)
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id, kind="alert").update(state="failed")
    answer = client.post("/api/v1/effects/replay", {"since": since, "state": "failed"}, format="json")
    assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
    assert client.post("/api/v1/effects/replay", {"since": since, "state": "done"}, format="json").status_code == 400


def test_the_name_of_an_effect_is_found_in_each_form_in_which_it_is_sent(api_client: Client) -> None:
    """A letter in two parts, as Macs write it: none was listed or replayed, with success, and none could be paused."""
    mail = {"name": "Caf\u00e9", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["boss@acme.example"]}
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": [mail]})
    client, since = api_client(make_people(tenant).tenant_admin), utc_now().isoformat()
    move(client, CustomerFactory(tenant=tenant))
    name = "Cafe\u0301 "
    assert len(client.get("/api/v1/effects", {"effect": name}).json()["results"]) == 1
    pause = {"paused": True, "effect": name, "reason": "x"}
    assert client.put("/api/v1/effects/pause", pause, format="json").json()["pauses"][0]["effect"] == "Caf\u00e9"
    again = client.post("/api/v1/effects/replay", {"since": since, "state": "held", "effect": name}, format="json")
    assert again.json() == {"replayed": 1}
    assert client.put("/api/v1/effects/pause", {**pause, "effect": "  "}, format="json").status_code == 404, "not all"
    assert client.put("/api/v1/effects/pause", {**pause, "paused": False}, format="json").json() == {"pauses": []}


def test_nothing_is_replayed_since_a_time_that_is_still_to_come(api_client: Client) -> None:
    later = utc_now() + dt.timedelta(hours=1)
    answer = api_client("tenant_admin").post("/api/v1/effects/replay", {"since": later.isoformat()}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [("#/since", "time_in_future")]


def test_what_no_one_has_is_not_said_to_be_paused(api_client: Client) -> None:
    client = api_client("tenant_admin")
    answer = client.put("/api/v1/effects/pause", {"paused": True, "effect": "Escalat", "reason": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"] == "There is no automation “Escalat”: check its name. Nothing was changed."
    again = client.put("/api/v1/effects/pause", {"paused": False, "effect": "Escalat", "reason": "x"}, format="json")
    assert (again.status_code, again.json()["detail"]) == (404, answer.json()["detail"])
    assert client.put("/api/v1/effects/pause", {"paused": False, "reason": "x"}, format="json").json() == {"pauses": []}


def test_an_automation_of_a_draft_is_paused_before_it_is_published(
    api_client: Client, page_client: Any, tenant: TenantRef
) -> None:
    effects = [{"name": "Greet", "on": "enter", "kind": "alert", "to": ["owner"]}, "Nonsense"]
    for document in ({"stages": ["Active"], "effects": effects}, {"effects": {"name": "Unfinished"}}):
        new_draft(tenant, document)
    page = page_client("tenant_admin").get("/admin/lifecycle/effectrun/control").content.decode()
    offered = page.partition('<datalist id="automations">')[2].partition("</datalist>")[0]
    assert re.findall(r'value="([^"]+)"', offered) == ["Escalate", "Greet", "Tell", "Write"]
    client = api_client("tenant_admin")
    pause = {"paused": True, "effect": "Greet", "reason": "Not yet"}
    answer = client.put("/api/v1/effects/pause", pause, format="json")
    assert [one["effect"] for one in answer.json()["pauses"]] == ["Greet"]
    answer = client.put("/api/v1/effects/pause", {**pause, "effect": "Unfinished"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = client.put("/api/v1/effects/pause", {**pause, "paused": False}, format="json")
    assert answer.json() == {"pauses": []}


@pytest.mark.parametrize("typed", ["Gru\u0308\u00dfen", "Gr\u00fc\u00dfen "])
def test_an_automation_of_a_draft_is_paused_under_the_name_that_it_will_have(
    api_client: Client, page_client: Any, tenant: TenantRef, typed: str
) -> None:
    """JSON that was typed with a letter in two parts: the pause held nothing, or there was no such automation."""
    name = "Gr\u00fc\u00dfen"
    new_draft(
        tenant, {"stages": ["Active"], "effects": [{"name": typed, "on": "enter", "kind": "alert", "to": ["owner"]}]}
    )
    browser, control = page_client("tenant_admin"), "/admin/lifecycle/effectrun/control"
    page = browser.get(control).content.decode()
    assert f'value="{name}"' in page.partition('<datalist id="automations">')[2].partition("</datalist>")[0]
    client = api_client("tenant_admin")

    def pauses() -> list[str]:
        with tenant_context(tenant.id):
            return [pause.effect for pause in list_pauses(tenant)]

    for effect in (typed, name):
        assert browser.post(control, {"pause": "1", "effect": effect, "reason": "Not yet"}).status_code == 302
        assert pauses() == [name]
        resume = {"paused": False, "effect": effect, "reason": "x"}
        assert client.put("/api/v1/effects/pause", resume, format="json").json() == {"pauses": []}
        answer = client.put("/api/v1/effects/pause", {**resume, "paused": True}, format="json")
        assert [one["effect"] for one in answer.json()["pauses"]] == [name]
        assert browser.post(control, {"resume": "1", "effect": effect, "reason": "x"}).status_code == 302
        assert pauses() == []
    # What was paused before under the name as it was typed can be resumed.
    with tenant_context(tenant.id):
        EffectPause.objects.create(tenant_id=tenant.id, effect=typed, paused_at=utc_now(), paused_by="x", reason="x")
    assert client.put("/api/v1/effects/pause", resume, format="json").json() == {"pauses": []}


def test_a_pause_is_set_seen_and_taken_away(api_client: Client) -> None:
    client = api_client("tenant_admin")

    def put(**body: Any) -> Any:
        return client.put("/api/v1/effects/pause", body, format="json")

    assert put(paused=True, reason="Too many").json()["pauses"][0]["reason"] == "Too many"
    assert len(put(paused=True, effect="Escalate", reason="x").json()["pauses"]) == 2
    assert len(put(paused=False, reason="Fine again").json()["pauses"]) == 1
    assert put(paused=True, endpoint="none", reason="x").status_code == 404
    assert put(paused=True).status_code == 400


def test_an_automation_and_an_endpoint_that_are_named_together_are_both_paused(
    api_client: Client, tenant: TenantRef
) -> None:
    """The automation had gone on, and the log of administration said that it was paused."""
    client = api_client("tenant_admin")
    with tenant_context(tenant.id):
        create_endpoint("crm", "https://crm.example/hook", tenant=tenant, actor=system_actor("test"), now=utc_now())

    def put(paused: bool, effect: str) -> tuple[Any, bool]:
        body = {"paused": paused, "effect": effect, "endpoint": "crm", "reason": "x"}
        pauses = client.put("/api/v1/effects/pause", body, format="json").json().get("pauses")
        (endpoint,) = client.get("/api/v1/webhooks/endpoints").json()["results"]
        return pauses and [one["effect"] for one in pauses], endpoint["paused_at"] is not None

    assert put(True, "Nonsense") == (None, False), "nothing is paused where one of the two is not there"
    assert put(True, "Escalate") == (["Escalate"], True)
    assert put(False, "Escalate") == ([], False)


def test_an_endpoint_is_made_rotated_and_removed(api_client: Client, tenant: TenantRef) -> None:
    client = api_client("tenant_admin")
    body = {"name": "crm", "url": "https://crm.example/hook"}
    made = client.post("/api/v1/webhooks/endpoints", body, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["secret"].startswith("whsec_")
    assert "secret" not in client.get("/api/v1/webhooks/endpoints").json()["results"][0]
    assert client.post("/api/v1/webhooks/endpoints", body, format="json").status_code == 409
    path = f"/api/v1/webhooks/endpoints/{made.json()['id']}"
    assert client.post(f"{path}/rotate").json()["secret"] != made.json()["secret"]
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    with tenant_context(tenant.id):
        assert WebhookEndpoint.objects.filter(tenant_id=tenant.id).count() == 0
    for url in ("http://crm.example/hook", "https://127.0.0.1/", "https://[::1]/", "ftp://x.example", "nonsense"):
        refused = client.post("/api/v1/webhooks/endpoints", {"name": "invalid", "url": url}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), url


@pytest.mark.parametrize("name", ["hook ", "Cafe\u0301  2"])
def test_an_endpoint_has_its_name_as_automations_have_it(api_client: Client, name: str) -> None:
    """A blank at its end, or a letter in two parts: it was never found, and each webhook for it suppressed."""
    hook = {"name": "Tell", "on": "enter", "stages": ["At-Risk"], "kind": "webhook", "to": [name]}
    tenant = TenantFactory(configuration={**DOCUMENT, "effects": [hook]})
    client = api_client(make_people(tenant).tenant_admin)
    path, body = "/api/v1/webhooks/endpoints", {"name": name, "url": "https://crm.example/hook"}
    made = client.post(path, body, format="json")
    assert (made.status_code, made.json()["name"]) == (201, {"hook ": "hook"}.get(name, "Caf\u00e9 2"))
    move(client, CustomerFactory(tenant=tenant))
    (row,) = client.get("/api/v1/effects").json()["results"]
    assert (row["state"], row["recipient"]) == ("due", f"endpoint:{made.json()['id']}")
    for spelled in (name, made.json()["name"]):
        assert client.post(path, {**body, "name": spelled}, format="json").status_code == 409
        pause = {"paused": True, "endpoint": spelled, "reason": "x"}
        assert client.put("/api/v1/effects/pause", pause, format="json").status_code == 200
    for nothing in ("  ", "bell\u0007"):
        refused = client.post(path, {**body, "name": nothing}, format="json")
        assert (refused.status_code, [one["pointer"] for one in refused.json()["errors"]]) == (400, ["#/name"])


def test_a_change_is_undone(api_client: Client, customer: Customer, tenant: TenantRef) -> None:
    client = api_client("account_manager")
    request_id = move(client, customer)
    path = f"/api/v1/lifecycle/transitions/{request_id}/undo"
    answer = client.post(path, {"reason": "Wrong customer"}, format="json")
    assert answer.status_code == 202, answer.content
    reported = answer.json()
    assert (
        reported["to_move"],
        reported["moved_since"],
        reported["effects_cancelled"],
        reported["effects_already_done"],
    ) == (
        1,
        0,
        2,
        0,
    )
    done = client.get(f"/api/v1/lifecycle/undos/{reported['undo_id']}").json()
    assert (done["moved"], done["finished_at"] is not None) == (1, True)
    shown = client.get(f"/api/v1/customers/{customer.id}/lifecycle").json()
    assert (shown["stage"], shown["source"]) == ("Prospect", "Undo")


def test_what_cannot_be_undone(api_client: Client, customer: Customer, users: People, tenant: TenantRef) -> None:
    request_id = move(api_client("account_manager"), customer)
    path = f"/api/v1/lifecycle/transitions/{request_id}/undo"
    assert api_client("viewer").post(path).status_code == 403
    assert api_client("account_manager").post(f"/api/v1/lifecycle/transitions/{uuid4()}/undo").status_code == 404
    assert api_client("service").post(path).status_code == 403, "another's change, without the right to configure"
    with tenant_context(tenant.id):
        assert Undo.objects.count() == 0
    assert api_client("tenant_admin").post(path).status_code == 202
    assert api_client("account_manager").post(path).status_code == 202, "their own, which is undone already"
    refused = api_client("service").post(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied"), (
        "also when someone else has undone it"
    )


def test_notifications_are_one_s_own(
    api_client: Client, users: People, tenant: TenantRef, other_tenant: TenantRef
) -> None:
    with tenant_context(tenant.id):
        for number in range(3):
            Notification.objects.create(
                tenant_id=tenant.id,
                user_id=users.viewer.id,
                effect_id=uuid4(),
                customer_id=uuid4(),
                effect=f"Escalate {number}",
                to_stage="At-Risk",
                created_at=utc_now(),
            )
    client: ApiClient = api_client("viewer")  # type: ignore[assignment]
    body = client.get("/api/v1/notifications?limit=2").json()
    assert (body["unread"], [row["effect"] for row in body["results"]]) == (3, ["Escalate 2", "Escalate 1"])
    path = f"/api/v1/notifications/{body['results'][0]['id']}"
    assert client.post(f"{path}/read").json()["read_at"] is not None
    assert client.post(f"{path}/acknowledge").json()["acknowledged_at"] is not None
    assert client.get("/api/v1/notifications?unread=true").json()["unread"] == 2
    assert api_client("account_manager").get("/api/v1/notifications").json()["results"] == []
    assert api_client("account_manager").post(f"{path}/read").status_code == 404
    assert make_people(other_tenant).viewer.id != users.viewer.id


def test_an_endpoint_s_address_is_checked_anyone_who_makes_it(tenant: TenantRef) -> None:
    actor = system_actor("test")
    with tenant_context(tenant.id):
        for url in ("http://crm.example/hook", "https://169.254.169.254/", "https://user@crm.example/"):
            with pytest.raises(AddressRefused):
                create_endpoint("crm", url, tenant=tenant, actor=actor, now=utc_now())
        assert WebhookEndpoint.objects.count() == 0


def test_few_samples_are_sent_at_a_time(api_client: Client, tenant: TenantRef) -> None:
    client = api_client("tenant_admin")
    body = {"name": "crm", "url": "https://crm.example/hook"}
    path = f"/api/v1/webhooks/endpoints/{client.post('/api/v1/webhooks/endpoints', body, format='json').json()['id']}"
    with ExitStack() as busy:
        for _ in range(samples.MOST_AT_ONCE):
            samples._room.acquire()
            busy.callback(samples._room.release)
        refused = client.post(f"{path}/test")
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "unavailable", "10")
    assert "Nothing was sent" in refused.json()["detail"]
    assert client.post(f"{path}/test").json()["outcome"] == "retry", "the name leads nowhere, and the room is free"


def test_what_an_effect_did_is_shown_with_its_time_and_without_the_person(
    api_client: Client, tenant: TenantRef, users: People, mailbox: Mailbox
) -> None:
    mail = {"name": "Write", "on": "enter", "stages": ["At-Risk"], "kind": "email", "to": ["owner"]}
    ours = TenantFactory(configuration={**DOCUMENT, "effects": [mail]})
    people = make_people(ours)
    client = api_client(people.tenant_admin)
    customer = CustomerFactory(tenant=ours, owner=people.viewer.username, name=f"{people.viewer.full_name} Ltd")
    move(client, customer)
    out = StringIO()
    call_command("run_effects", "--once", stdout=out)
    assert re.search(r"^[\d,]+ effects \([\d,]+/s\) .*\b[\d,]+ done", out.getvalue()), "it says how many"
    assert len(mailbox.about(people.viewer.email)) == 1
    shown = client.get(f"/api/v1/effects/{client.get('/api/v1/effects').json()['results'][0]['id']}").json()
    attempt = shown["last_attempt"]
    assert (shown["state"], attempt["code"], attempt["answer"]) == ("done", 250, "OK")
    assert attempt["milliseconds"] >= 0 and attempt["at"].endswith("Z")
    assert shown["request"] == {"subject": attempt["subject"]}
    assert shown["response"] == {"status": 250, "text": "OK", "error": ""}
    assert people.viewer.full_name not in str(attempt) and people.viewer.email not in str(attempt)


def test_after_a_restore_everything_is_paused_and_resumed_but_for_what_admins_paused(
    api_client: Client, customer: Customer, tenant: TenantRef, other_tenant: TenantRef
) -> None:
    move(api_client("account_manager"), customer)

    def pause(*options: str, slug: str = tenant.slug) -> str:
        output = StringIO()
        call_command("pause_effects", "--tenant", slug, "--reason", "Restored", *options, stdout=output)
        return output.getvalue().partition(": ")[2].strip()

    def open_lanes() -> int:
        return sum(lane.tenant.id == tenant.id for lane in find_lanes(10_000))

    assert open_lanes() == 1
    assert (pause(), pause(), open_lanes()) == ("paused", "is paused already", 0)
    assert (pause("--resume"), open_lanes()) == ("resumed", 1)
    body = {"paused": True, "reason": "Ours"}
    assert api_client("tenant_admin").put("/api/v1/effects/pause", body, format="json").status_code == 200
    assert pause() == "is paused already"
    assert (pause("--resume"), open_lanes()) == ("not resumed: not paused by this command", 0)
    with pytest.raises(CommandError):
        pause(slug="no-such-tenant")
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, actor="system:pause_effects")
        assert [entry.action for entry in entries.order_by("id")] == ["pause_effects", "resume_effects"]
