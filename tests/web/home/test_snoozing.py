"""A customer is snoozed until a day or a change, and woken."""

import datetime as dt

import pytest

from audit.models import AdministrationEntry
from lifecycle.models import Customer, Snooze
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.home import snoozing
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.services.threads import Meeting, run_together
from tests.web.conftest import markup_of, text_of
from tests.web.home.customers import ACTOR, named, record, snooze, today


def test_a_snoozed_customer_leaves_one_s_own_list_and_says_why(page_client, users, tenant):
    first, second = record(tenant, 1, "Aurora"), record(tenant, 2, "Boreas", arr="1000")
    client = page_client("account_manager")
    response = snooze(client, first, until=(today() + dt.timedelta(days=7)).isoformat())
    assert (response.status_code, response["Location"]) == (302, "/")
    page = client.get("/")
    assert named(page) == [str(second)]
    assert "“Aurora” is snoozed." in text_of(page)
    assert "Snoozed: 1 customer" in text_of(page)
    assert "They are on holiday" in text_of(page)
    assert named(page_client("viewer").get("/")) == [str(first), str(second)]
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="snooze_customer")
    assert (entry.subject, entry.actor) == (str(first), str(users.account_manager.id))
    assert "holiday" not in f"{entry.reason}{entry.detail}"


def test_a_button_that_is_pressed_twice_snoozes_once_and_shows_no_error(page_client, users, tenant, monkeypatch):
    customer_id, meeting = record(tenant, 1, "Aurora"), Meeting()
    # Else the two would take turns at the customer's data key, which is made with the first text about it.
    snooze(page_client("viewer"), customer_id)
    first, second = page_client("account_manager"), page_client("account_manager")
    monkeypatch.setattr(snoozing, "record_administration", meeting.hold(snoozing.record_administration))
    assert run_together(
        [
            lambda: snooze(first, customer_id).status_code,
            meeting.second(lambda: snooze(second, customer_id, reason="They have moved").status_code),
        ]
    ) == [302, 302]
    assert "They have moved" in text_of(first.get("/"))
    with tenant_context(tenant.id):
        assert Snooze.objects.filter(user_id=users.account_manager.id).count() == 1


def test_a_snooze_until_a_day_ends_with_the_day(page_client, users, tenant):
    customer_id = record(tenant, 1, "Aurora")
    client = page_client("account_manager")
    snooze(client, customer_id, until=(today() + dt.timedelta(days=1)).isoformat())
    assert named(client.get("/")) == []
    assert "All calls are done." in text_of(client.get("/"))
    with tenant_context(tenant.id):
        Snooze.objects.update(until=today())
    page = client.get("/")
    assert named(page) == [str(customer_id)]
    assert "Back from snooze: the date was reached. You had snoozed it because: They are on holiday" in text_of(page)


def test_a_snooze_until_something_changes_ends_when_a_figure_does_and_not_when_it_is_said_again(
    page_client, users, tenant
):
    customer_id = record(tenant, 1, "Aurora", arr="48000.50", csat="4.5", issues=3)
    client = page_client("account_manager")
    snooze(client, customer_id)
    record(tenant, 1, "Aurora", arr="48000.5", csat="4.50", issues=3, later=60)
    assert named(client.get("/")) == []
    record(tenant, 1, "Aurora", arr="48000.5", csat="4.50", issues=5, later=120)
    page = client.get("/")
    assert named(page) == [str(customer_id)]
    assert "Back from snooze: open issues 5 (was 3)." in text_of(page)


def test_an_amount_that_has_changed_was_in_the_currency_of_its_time(page_client, users, tenant):
    customer_id = record(tenant, 1, "Aurora", arr="48000")
    client = page_client("account_manager")
    snooze(client, customer_id)
    record(tenant, 1, "Aurora", arr="52000", currency="USD", later=120)
    shown = text_of(client.get("/"))
    assert "annual revenue $52,000 (was €48,000)" in shown and "currency USD (was EUR)" in shown


def test_what_has_changed_a_little_does_not_read_as_if_it_had_not(page_client, users, tenant):
    """Scores were rounded to one decimal, amounts to whole units, whatever they were before."""
    customer_id = record(tenant, 1, "Aurora", arr="48000.10", csat="3.76", overdue="10")
    client = page_client("account_manager")
    snooze(client, customer_id)
    record(tenant, 1, "Aurora", arr="48000.40", csat="3.84", overdue="20.50", later=120)
    shown = text_of(client.get("/"))
    for change in (
        "satisfaction 3.84 (was 3.76)",
        "annual revenue €48,000.40 (was €48,000.10)",
        "overdue balance €20 (was €10)",
    ):
        assert change in shown, change
    record(tenant, 1, "Aurora", csat="4", later=180)
    assert "satisfaction 4 (was 3.76)" in text_of(client.get("/"))


def test_what_has_the_focus_has_it_again_after_the_page_has_looked_again(page_client, tenant):
    """The page gives it back to what has an id; links are known by where they lead."""
    woken, asleep = record(tenant, 1, "Aurora", issues=3), record(tenant, 2, "Boreas")
    client = page_client("account_manager")
    for customer_id in (woken, asleep):
        snooze(client, customer_id)
    record(tenant, 1, "Aurora", issues=5, later=120)
    found = markup_of(client.get("/", headers={"HX-Request": "true"}))
    reached = [tag for name in ("button", "summary", "input") for tag in found.all(name) if tag.get("type") != "hidden"]
    assert len(reached) > 4 and all(tag.get("id") for tag in reached), reached


def test_a_change_of_the_stage_ends_every_snooze(page_client, users, tenant, move):

    customer_id = record(tenant, 1, "Aurora")
    client = page_client("account_manager")
    snooze(client, customer_id, until=(today() + dt.timedelta(days=30)).isoformat())
    with tenant_context(tenant.id):
        customer = Customer.objects.get(id=customer_id)
    move(customer, "Live")
    move(customer, "Wobbly", "Usage Dropped")
    page = client.get("/")
    assert named(page) == [str(customer_id)]
    assert "Back from snooze: the stage has changed." in text_of(page)


def test_a_customer_is_woken_by_hand(page_client, users, tenant):
    customer_id = record(tenant, 1, "Aurora")
    client = page_client("account_manager")
    snooze(client, customer_id)
    page_client("viewer").post("/snooze/wake", {"customer": customer_id})
    assert named(client.get("/")) == []
    assert client.post("/snooze/wake", {"customer": customer_id, "next": "//evil.example/"})["Location"] == "/"
    page = client.get("/")
    assert (named(page), "Aurora is back on your list." in text_of(page)) == ([str(customer_id)], True)
    with tenant_context(tenant.id):
        assert AdministrationEntry.objects.filter(action="wake_customer").count() == 1


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"reason": "  "}, "Give a reason. Nothing was saved."),
        ({"reason": "x" * 201}, "Nothing was saved."),
        (
            {"until": lambda: today().isoformat()},
            "Choose a day from tomorrow to a year ahead, or none. Nothing was saved.",
        ),
        ({"until": "9999-12-31"}, "Choose a day from tomorrow to a year ahead, or none. Nothing was saved."),
        ({"until": "tomorrow"}, "Enter the day as 2026-12-31. Nothing was saved."),
        ({"customer": ["nonsense"]}, "Choose a customer first. Nothing was saved."),
    ],
)
def test_what_cannot_be_snoozed_says_why_and_keeps_what_was_typed(page_client, users, tenant, changed, sentence):
    customer_id = record(tenant, 1, "Aurora")
    client = page_client("account_manager")
    sent = {"customer": [str(customer_id)], "reason": "Kept words", "until": "", **changed}
    sent |= {name: value() for name, value in changed.items() if callable(value)}
    response = client.post("/snooze", sent)
    assert response.status_code == 400
    assert sentence in text_of(response)
    assert sent["reason"] in response.content.decode()
    with tenant_context(tenant.id):
        assert not Snooze.objects.exists()


def test_another_tenant_s_customer_is_not_snoozed(page_client, users, tenant, other_customer):
    client = page_client("account_manager")
    response = snooze(client, other_customer.id)
    assert response.status_code == 400
    assert "None of these customers is there any more. Nothing was saved." in text_of(response)
    assert other_customer.name not in text_of(client.get(f"/snooze?customer={other_customer.id}"))


def test_why_a_customer_was_snoozed_is_exported_and_erased_with_it(page_client, users, tenant):
    customer_id = record(tenant, 1, "Aurora")
    snooze(page_client("account_manager"), customer_id, reason="Zoë is ill")
    with tenant_context(tenant.id):
        exported = export_customer("crm-1", tenant=tenant, actor=ACTOR, now=utc_now())
        assert [(one["reason"], one["until"]) for one in exported["snoozes"]] == [("Zoë is ill", None)]
        erase_customer("crm-1", tenant=tenant, actor=ACTOR, reason="Asked for", now=utc_now())
        assert not Snooze.objects.exists()
