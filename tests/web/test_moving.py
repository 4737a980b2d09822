"""Moving a customer through the dialog: what is offered, what is refused, what is said."""

import re
import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import LifecycleHistory, OutboxMessage, RefusedAttempt
from lifecycle.models import CustomerLifecycleStatus
from lifecycle.services.configuration.publication import publish_configuration
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import CONTRACT_EXAMPLE, MINIMAL, CustomerFactory, TenantFactory, utc_now
from tests.web.conftest import HTMX, markup_of, text_of


@pytest.fixture
def tenant(db):
    return TenantFactory(
        configuration=CONTRACT_EXAMPLE
        | {"transitions": {"Prospect": ["Onboarded", "Churned"], "Onboarded": ["At-Risk"], "At-Risk": ["Churned"]}}
    )


@pytest.fixture
def manager(page_client):
    return page_client("account_manager")


def submit(client, customer, stage, *, version=1, configuration=1, reason=None, note="", htmx=True, **more):
    data = {"stage": stage, "version": version, "configuration_version": configuration, "note": note, **more}
    if reason is not None:
        data[f"reason:{stage}"] = reason
    return client.post(f"/customers/{customer.id}/move", data, headers=HTMX if htmx else {})


def rows(model, tenant, customer):
    with tenant_context(tenant.id):
        return list(model.objects.filter(customer_id=customer.id).order_by("pk"))


def snapshot(tenant, customer):
    """Status, history and outbox: what a refusal must leave alone."""
    with tenant_context(tenant.id):
        status = CustomerLifecycleStatus.objects.values().get(customer_id=customer.id)
        history = list(LifecycleHistory.objects.filter(customer_id=customer.id).values_list("id", flat=True))
        outbox = OutboxMessage.objects.filter(history_id__in=history).count()
    return status, history, outbox


def test_a_manager_moves_a_customer_and_history_names_them_and_the_page(manager, users, tenant, customer):
    response = submit(manager, customer, "Onboarded", note="Contract signed in person.")
    assert response.status_code == 200
    assert response["HX-Retarget"] == "#customer"
    assert response["HX-Trigger-After-Settle"] == '{"c360:moved": {}}'
    assert 'data-version="2"' in response.content.decode()
    text = text_of(response)
    assert "Prospect to Onboarded" in text
    assert "Contract signed in person." in text
    history = rows(LifecycleHistory, tenant, customer)
    assert [(row.from_stage, row.to_stage) for row in history] == [(None, "Prospect"), ("Prospect", "Onboarded")]
    assert history[-1].changed_by == str(users.account_manager.id)
    assert (history[-1].source, history[-1].actor_kind) == ("UI", "user")
    assert b"Contract signed" not in bytes(history[-1].note)


def test_without_javascript_the_same_form_is_a_page_and_leads_back(manager, customer):
    page = manager.get(f"/customers/{customer.id}/move")
    assert '<dialog aria-labelledby="move-heading"' not in page.content.decode()
    response = submit(manager, customer, "Onboarded", htmx=False)
    assert (response.status_code, response["Location"]) == (302, f"/customers/{customer.id}")
    assert "The customer is now in “Onboarded”." in text_of(manager.get(response["Location"]))


def test_a_form_that_is_sent_twice_is_not_taken_for_a_change_of_someone_else(manager, page_client, tenant, customer):
    inputs = markup_of(manager.get(f"/customers/{customer.id}/move")).all("input")
    given = {one["name"]: one["value"] for one in inputs if one.get("name") == "submission"}
    answers = [submit(manager, customer, "Onboarded", htmx=False, **given) for _ in range(2)]
    assert [(one.status_code, one.get("Location")) for one in answers] == [(302, f"/customers/{customer.id}")] * 2
    assert [row.to_stage for row in rows(LifecycleHistory, tenant, customer)] == ["Prospect", "Onboarded"]
    assert rows(RefusedAttempt, tenant, customer) == []
    # What someone else has done is said all the same, and kept in mind.
    late = submit(page_client("tenant_admin"), customer, "Onboarded", htmx=False, **given)
    assert (late.status_code, "was just updated by someone else." in text_of(late)) == (412, True)
    assert [row.code for row in rows(RefusedAttempt, tenant, customer)] == ["version_conflict"]


def test_the_dialog_offers_what_the_configuration_allows_and_says_why_not_the_rest(manager, customer):
    dialog = manager.get(f"/customers/{customer.id}/move", headers=HTMX)
    radios = [tag for tag in markup_of(dialog).all("input") if tag.get("type") == "radio"]
    assert [(tag["value"], "disabled" in tag) for tag in radios] == [
        ("Onboarded", False),
        ("Churned", False),
        ("Active", True),
        ("At-Risk", True),
    ]
    sentence = "A customer in “Prospect” cannot be moved to “Active”. Choose one of: “Onboarded” or “Churned”."
    assert sentence in text_of(dialog)


def test_the_dialog_names_the_effects_and_the_reasons_before_the_change_is_made(manager, customer, move):
    move(customer, "Onboarded")
    dialog = manager.get(f"/customers/{customer.id}/move", headers=HTMX)
    assert "Automations Escalate (alert to owner)" in text_of(dialog)
    values = [tag["value"] for tag in markup_of(dialog).all("option")]
    assert values == ["", "Low Engagement", "Support Escalation"]


def test_a_missing_reason_is_refused_in_the_rules_own_words_and_nothing_changes(manager, tenant, customer, users):
    before = snapshot(tenant, customer)
    response = submit(manager, customer, "Churned", reason=" ", note="They are leaving.")
    assert response.status_code == 400
    sentence = "To move a customer to “Churned” you must give a reason. Any text of up to 255 characters works."
    assert sentence in text_of(response)
    assert "They are leaving." in text_of(response)
    assert snapshot(tenant, customer) == before
    (refused,) = rows(RefusedAttempt, tenant, customer)
    assert (refused.code, refused.source, refused.to_stage) == ("reason_required", "UI", "Churned")
    assert refused.actor == str(users.account_manager.id)


@pytest.mark.parametrize(
    ("stage", "reason", "status", "code"),
    [
        ("Active", None, 400, "transition_not_allowed"),
        ("Nowhere", None, 400, "invalid_stage"),
        ("Onboarded", None, 412, "version_conflict"),
    ],
)
def test_whatever_the_rules_refuse_is_shown_and_noted_and_nothing_changes(
    manager, tenant, customer, stage, reason, status, code
):
    before = snapshot(tenant, customer)
    version = 7 if code == "version_conflict" else 1
    response = submit(manager, customer, stage, reason=reason, version=version)
    assert response.status_code == status
    assert markup_of(response).all("dialog")
    assert snapshot(tenant, customer) == before
    assert [row.code for row in rows(RefusedAttempt, tenant, customer)] == [code]


def test_a_stage_that_was_typed_in_is_shown_as_text(manager, customer):
    response = submit(manager, customer, "<script>alert(1)</script>")
    assert b"<script>alert" not in response.content


def test_after_a_conflict_the_manager_sees_who_did_what_in_the_meantime_and_decides_again(
    manager, page_client, users, tenant, customer
):
    page_client("tenant_admin").get("/")
    submit(page_client("tenant_admin"), customer, "Onboarded", note="Kick-off held.")
    response = submit(manager, customer, "Churned", reason="Price")
    assert response.status_code == 412
    text = text_of(response)
    assert f"{customer.name} was just updated by someone else." in text
    assert "Prospect → Onboarded" in text
    assert users.tenant_admin.full_name in text
    assert "Kick-off held." in text
    # The dialog stands on the new state now: its version, and only what leads on from there.
    assert re.search(r'name="version" value="2"', response.content.decode())
    assert "A customer in “Onboarded” cannot be moved to “Churned”" in text
    assert len(rows(LifecycleHistory, tenant, customer)) == 2
    decided = submit(manager, customer, "At-Risk", version=2, reason="Low Engagement")
    assert decided.status_code == 200
    assert "Onboarded to At-Risk" in text_of(decided)


def reasons_of(response):
    """The stages that can be chosen, and what the field of each for the reason has."""
    markup, found = response.content.decode(), {}
    for name, value in re.findall(
        r'<input[^>]*name="reason:([^"]+)"[^>]*?(?: value="([^"]*)")?(?: required)?>', markup
    ):
        found[name] = value
    for name, options in re.findall(r'<select[^>]*name="reason:([^"]+)"[^>]*>(.*?)</select>', markup, re.DOTALL):
        found[name] = "".join(re.findall(r'<option value="([^"]*)" selected', options))
    return found


def test_after_a_conflict_a_reason_for_a_stage_that_is_no_longer_possible_is_said_and_kept(
    manager, page_client, customer
):
    submit(page_client("tenant_admin"), customer, "Onboarded")
    response = submit(manager, customer, "Churned", reason="Bought by <Globex>", note="Call of Monday.")
    assert response.status_code == 412
    said = text_of(response)
    assert "You chose “Churned”, which is no longer possible. Your reason was “Bought by <Globex>”." in said
    assert "Call of Monday." in said
    # The one stage that is left has reasons of its own, and this is none of them.
    assert reasons_of(response) == {"At-Risk": ""}
    (kept,) = [tag["value"] for tag in markup_of(response).all("input") if tag.get("name") == "kept_reason"]
    submit(page_client("tenant_admin"), customer, "At-Risk", version=2, reason="Low Engagement")
    # Another conflict: it is still there, and fits what is possible now.
    again = submit(manager, customer, "At-Risk", version=2, reason="Low Engagement", kept_reason=kept)
    assert again.status_code == 412
    assert "You chose “At-Risk”, which is no longer possible. Your reason was “Low Engagement”." in text_of(again)
    assert reasons_of(again) == {"Churned": "Low Engagement"}


def test_after_a_conflict_the_reason_is_kept_where_its_stage_is_still_possible(manager, page_client, tenant, customer):
    submit(page_client("tenant_admin"), customer, "Onboarded")
    response = submit(manager, customer, "At-Risk", reason="Low Engagement", htmx=False)
    assert (response.status_code, reasons_of(response)) == (412, {"At-Risk": "Low Engagement"})
    assert "no longer" not in text_of(response)
    with tenant_context(tenant.id):
        other = MINIMAL | {"reason_codes": {"At-Risk": ["Silence"]}}
        publish_configuration(other, tenant=tenant, actor=system_actor("tests"), now=utc_now())
    response = submit(manager, customer, "At-Risk", version=2, reason="Low Engagement", htmx=False)
    assert response.status_code == 409
    assert "“Low Engagement” is no longer a reason for “At-Risk”." in text_of(response)
    assert reasons_of(response)["At-Risk"] == ""


def test_reasons_typed_for_several_stages_and_none_chosen_are_all_there_again(manager, customer):
    response = submit(manager, customer, "", **{"reason:Churned": "Price", "reason:Onboarded": "Signed"})
    assert response.status_code == 400
    assert reasons_of(response) == {"Churned": "Price", "Onboarded": "Signed"}


def test_when_the_configuration_changed_the_manager_must_look_again_first(manager, tenant, customer):
    before = snapshot(tenant, customer)
    with tenant_context(tenant.id):
        publish_configuration(MINIMAL, tenant=tenant, actor=system_actor("tests"), now=utc_now())
    response = submit(manager, customer, "Onboarded", configuration=1)
    assert response.status_code == 409
    assert "The lifecycle configuration has changed since you opened this." in text_of(response)
    # The dialog is the one of the new configuration.
    assert re.search(r'name="configuration_version" value="2"', response.content.decode())
    assert snapshot(tenant, customer) == before
    assert [row.code for row in rows(RefusedAttempt, tenant, customer)] == ["effects_unconfirmed"]


def test_a_configuration_that_is_published_while_the_change_is_made_is_not_slipped_under_it(
    manager, tenant, customer, in_threads
):
    """What the change starts was agreed to as it was shown, and is another thing when the row is locked."""
    manager.get("/")
    before = snapshot(tenant, customer)
    welcome = {"name": "Welcome", "on": "enter", "stages": ["Onboarded"], "kind": "alert", "to": ["owner"]}
    is_published = threading.Event()

    def publish():
        with tenant_context(tenant.id):
            publish_configuration(
                {**MINIMAL, "effects": [welcome]}, tenant=tenant, actor=system_actor("tests"), now=utc_now()
            )
            is_published.set()
            time.sleep(0.3)

    def move_in_between():
        assert is_published.wait(60)
        return submit(manager, customer, "Onboarded", configuration=1, **{"effects:Onboarded": 0})

    _, response = in_threads(2, lambda number: (publish, move_in_between)[number]())
    assert response.status_code == 409
    assert "The lifecycle configuration has changed since you opened this." in text_of(response)
    assert "Automations Welcome (alert to owner)" in text_of(response)
    assert snapshot(tenant, customer) == before


def test_the_dialog_sends_how_many_automations_it_showed_and_another_number_is_refused(manager, tenant, customer, move):
    move(customer, "Onboarded")
    dialog = markup_of(manager.get(f"/customers/{customer.id}/move", headers=HTMX))
    shown = {tag["name"]: tag["value"] for tag in dialog.all("input") if tag.get("name", "").startswith("effects:")}
    assert shown == {"effects:At-Risk": "1"}
    before = snapshot(tenant, customer)
    asked = {"version": 2, "reason": "Low Engagement"}
    response = submit(manager, customer, "At-Risk", **asked, **{"effects:At-Risk": 0})
    assert response.status_code == 409
    assert "This would start 1 automation: “Escalate” (alert); you confirmed none." in text_of(response)
    assert snapshot(tenant, customer) == before
    assert [row.code for row in rows(RefusedAttempt, tenant, customer)] == ["effects_unconfirmed"]
    assert submit(manager, customer, "At-Risk", **asked, **shown).status_code == 200


def test_a_move_reads_where_the_customer_is_once_and_judges_it_once(manager, tenant, customer):
    other = CustomerFactory(tenant=tenant, stage="Onboarded")
    submit(manager, other, "At-Risk", reason="Low Engagement")
    submit(manager, customer, "Onboarded", note="To know keys and policy.")
    with CaptureQueriesContext(connection) as queries:
        assert submit(manager, customer, "At-Risk", version=2, reason="Low Engagement", htmx=False).status_code == 302
    prepared = [query for query in queries if query["sql"] is None]
    assert len(prepared) == 5, "one locks, one takes from the budget, two see whom the automation reaches, one writes"


def test_the_stage_it_has_already_changes_nothing(manager, tenant, customer):
    before = snapshot(tenant, customer)
    assert submit(manager, customer, "Prospect").status_code == 200
    assert snapshot(tenant, customer) == before


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"version": 1, "configuration_version": 1}, "Choose a stage."),
        ({"stage": "Onboarded", "version": "x", "configuration_version": 1}, "Enter a whole number."),
        ({"stage": "Onboarded", "version": 1, "configuration_version": 1, "note": "n" * 4001}, "at most 4000"),
        ({"stage": "Onboarded", "version": 1, "configuration_version": 1, "note": "a\0b"}, "Null characters"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused_and_nothing_changes(manager, tenant, customer, data, sentence):
    before = snapshot(tenant, customer)
    response = manager.post(f"/customers/{customer.id}/move", data, headers=HTMX)
    assert response.status_code == 400
    assert sentence in text_of(response)
    assert snapshot(tenant, customer) == before


def test_a_break_of_a_note_counts_as_in_its_field(manager, customer):
    note = "\r\n".join(["x" * 99] * 40)
    assert submit(manager, customer, "Onboarded", note=note, htmx=False).status_code == 302
    longer = submit(manager, customer, "At-Risk", version=2, note=f"{note}\r\nxx", htmx=False)
    assert (longer.status_code, "at most 4000" in text_of(longer)) == (400, True)


def test_who_has_used_up_their_budget_learns_when_to_go_on(manager, tenant, customer, settings):
    settings.UPDATES_PER_HOUR = 1
    other = CustomerFactory(tenant=tenant)
    assert submit(manager, other, "Onboarded").status_code == 200
    before = snapshot(tenant, customer)
    response = submit(manager, customer, "Onboarded")
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert "Try again in" in text_of(response)
    assert snapshot(tenant, customer) == before


def test_a_viewer_cannot_move_a_customer_even_by_hand(page_client, tenant, customer):
    before = snapshot(tenant, customer)
    response = submit(page_client("viewer"), customer, "Onboarded")
    assert response.status_code == 403
    assert snapshot(tenant, customer) == before
    assert [row.code for row in rows(RefusedAttempt, tenant, customer)] == ["permission_denied"]


def test_a_customer_of_another_tenant_cannot_be_moved(manager, other_tenant, other_customer):
    before = snapshot(other_tenant, other_customer)
    assert submit(manager, other_customer, "Rollout").status_code == 404
    assert snapshot(other_tenant, other_customer) == before


def test_a_super_admin_moves_a_customer_of_the_tenant_they_have_chosen(page_client, users, tenant, customer):
    client = page_client("super_admin")
    client.post("/tenants", {"tenant": tenant.slug, "reason": "Ticket 7"})
    assert submit(client, customer, "Onboarded", change_reason="Ticket 7").status_code == 200
    assert rows(LifecycleHistory, tenant, customer)[-1].changed_by == str(users.super_admin.id)
    assert "Internal staff" in text_of(page_client("account_manager").get(f"/customers/{customer.id}"))


def test_what_is_shown_after_a_move_is_of_the_new_stage_alone(manager, tenant, customer, move):
    move(customer, "Onboarded")
    with tenant_context(tenant.id):
        CustomerLifecycleStatus.objects.filter(customer_id=customer.id).update(
            stage_entered_at=utc_now() - timedelta(days=8)
        )
    cache.clear()
    page = text_of(manager.get(f"/customers/{customer.id}"))
    assert "8 days" in page.split("Last change")[0]
    response = submit(manager, customer, "At-Risk", version=2, reason="Low Engagement")
    assert response.status_code == 200
    shown = text_of(response).split("Last change")[0]
    assert "At-Risk" in shown and "0 days" in shown and "8 days" not in shown
