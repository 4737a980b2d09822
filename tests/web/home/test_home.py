"""The first page: whom to call and why, whose customers, what was put aside and comes back by itself."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import BillingFigures, Customer, HomeVisit
from lifecycle.queries.home import least_of_figures
from lifecycle.services.customers.recording import ContactFacts
from lifecycle.services.home.short_lists import add_names, ids_of
from lifecycle.services.moving.fences import fence, lift_fence
from lifecycle.services.work.notes import By, write_note
from lifecycle.services.work.tasks import create_task
from storage.redis import get_client
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.services.accounts.teams import set_team
from tests.factories import UserFactory, utc_now
from tests.rules.documents import SMALLEST
from tests.statements import statements_of
from tests.web.conftest import text_of
from tests.web.home.customers import ACTOR, named, record, snooze, today


def test_a_call_has_everything_that_it_needs(page_client, users, tenant):
    contact = ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 123456")
    record(tenant, 1, "Aurora", owner="ann@x.example", days=40, overdue="4800", contact=contact)
    shown = text_of(page_client("account_manager").get("/"))
    for fact in (
        "Aurora Wobbly Champion Left",
        "€48,000 a year, up for renewal in 10 days, 10% of the annual revenue overdue, 3 open issues, 19 days past"
        " the target, reason given: Champion Left.",
        "Last done Placed in Wobbly, by System (tests)",
        "Next step Agree on a date for paying the overdue balance.",
        "In stage 40 of 21 days 19 days past target",
        "ARR €48k",
        "Open issues 3",
        "Owner ann@x.example",
        "Contact Zoë Beispiel +49 30 123456",
    ):
        assert fact in shown, fact


def test_days_in_a_sentence_are_inflected_and_its_parts_are_separated(page_client, tenant, users):
    customer_id = record(tenant, 1, "Aurora", days=40, overdue="4800")
    client = page_client("account_manager", headers={"Accept-Language": "de"})
    home, page = (text_of(client.get(address)) for address in ("/?whose=all", f"/customers/{customer_id}"))
    for sentence in (
        "48.000 € pro Jahr, Verlängerung in 10 Tagen, 10 % des Jahresumsatzes überfällig, 3 offene Tickets,"
        " 19 Tage über dem Ziel",
        "In der Phase 40 von 21 Tagen 19 Tage über dem Ziel",
        "in 10 Tagen",
    ):
        assert sentence in home, home
    assert "40 Tage (Ziel: 21 Tage), 19 Tage über dem Ziel ." in page, page
    assert "Zeit in dieser Phase 40 von 21 Tagen" in page


def test_a_viewer_does_not_see_the_phone_number(page_client, users, tenant):
    contact = ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 123456")
    record(tenant, 1, "Aurora", contact=contact)
    page = page_client("viewer").get("/")
    assert "Zoë Beispiel ••• 56" in text_of(page)
    assert "123456" not in page.content.decode()


def test_what_was_moved_since_yesterday_says_from_where_and_by_whom(page_client, users, tenant, move):
    from lifecycle.models import Customer

    customer_id = record(tenant, 1, "Aurora", "Live")
    with tenant_context(tenant.id):
        customer = Customer.objects.get(id=customer_id)
    move(customer, "Wobbly", "Usage Dropped", actor=ACTOR)
    shown = text_of(page_client("viewer").get("/"))
    assert "Since yesterday Moved from Live to Wobbly" in shown
    assert "Last done Live to Wobbly, by System (tests)" in shown


def test_what_was_moved_and_undone_has_not_changed_since_yesterday(page_client, users, tenant, move):
    customer_id = record(tenant, 1, "Aurora", days=40)
    with tenant_context(tenant.id):
        customer = Customer.objects.get(id=customer_id)
    move(customer, "Live")
    with tenant_context(tenant.id):
        request_id = LifecycleHistory.objects.get(customer_id=customer_id, to_stage="Live").request_id
    page_client("tenant_admin").post(reverse("undo-request", args=[request_id]), {"confirmed": "1"})
    shown = text_of(page_client("viewer").get("/"))
    assert "In stage 40 of 21 days" in shown
    assert "Live to Wobbly" in shown, "who undid it is what was done last"
    assert "Since yesterday" not in shown


def fence_in(tenant, side):
    fence(side, tenant.id)
    return lambda: lift_fence(side, tenant.id)


def make_read_only(tenant, side):
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    return connection.close


forbidding_writes = pytest.mark.parametrize("forbid_writes", [fence_in, make_read_only])


@forbidding_writes
def test_while_nothing_can_be_written_the_page_is_shown_and_numbers_that_cannot_be_recorded_are_not(
    page_client,
    users,
    tenant,
    admin,
    forbid_writes,
):
    record(tenant, 1, "Aurora", contact=ContactFacts(name="Zoë Beispiel", phone="+49 30 123456"))
    client = page_client("account_manager")
    allow_writes = forbid_writes(tenant, admin)
    try:
        page = client.get("/")
        assert page.status_code == 200
        assert "Contact Zoë Beispiel ••• 56" in text_of(page)
        assert "123456" not in page.content.decode()
    finally:
        allow_writes()
    with tenant_context(tenant.id):
        assert not HomeVisit.objects.exists()
        assert not AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts").exists()
    assert "Contact Zoë Beispiel +49 30 123456" in text_of(client.get("/"))
    with tenant_context(tenant.id):
        assert HomeVisit.objects.count() == 1
        assert AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts").count() == 1


@forbidding_writes
def test_while_nothing_can_be_written_a_profile_says_that_its_contacts_are_masked(
    api_client,
    tenant,
    admin,
    forbid_writes,
):
    customer_id = record(tenant, 1, "Aurora", contact=ContactFacts("Zoë Beispiel", "zoe@acme.example", "+49 30 123456"))
    client, address = api_client("account_manager"), f"/api/v1/customers/{customer_id}"
    allow_writes = forbid_writes(tenant, admin)
    try:
        masked = client.get(address)
        assert masked.status_code == 200
        assert (masked.json()["contacts_masked"], masked.json()["contacts"][0]["email"]) == (True, "z•••@acme.example")
        assert "123456" not in masked.content.decode()
    finally:
        allow_writes()
    with tenant_context(tenant.id):
        assert not AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts").exists()
    clear = client.get(address).json()
    assert (clear["contacts_masked"], clear["contacts"][0]["phone"]) == (False, "+49 30 123456")
    with tenant_context(tenant.id):
        assert AdministrationEntry.objects.filter(tenant_id=tenant.id, action="reveal_contacts").count() == 1
    seen = api_client("viewer").get(address).json()
    assert (seen["contacts_masked"], seen["contacts"][0]["email"]) == (True, "z•••@acme.example")


def test_mine_my_team_s_and_all(page_client, users, tenant):
    me, colleague = users.account_manager, UserFactory(tenant=tenant)
    mine = record(tenant, 1, "Mine", owner=me.username.upper())
    theirs = record(tenant, 2, "Theirs", owner=colleague.username)
    others = record(tenant, 3, "Other", owner="someone@else.example")
    client = page_client("account_manager")
    # Who owns customers begins with them.
    assert named(client.get("/")) == [str(mine)]
    assert set(named(client.get("/?whose=all"))) == {str(mine), str(theirs), str(others)}
    assert "You are in no team yet." in text_of(client.get("/?whose=team"))
    for user in (me, colleague):
        set_team(user.id, "North", tenant=tenant, actor=ACTOR, now=utc_now())
    assert set(named(client.get("/?whose=team"))) == {str(mine), str(theirs)}
    # Who owns none begins with everybody's, and what no one can ask for is no wish.
    assert len(named(page_client("viewer").get("/?whose=nothing"))) == 3


def test_a_tenant_admin_puts_people_into_teams(page_client, users, tenant):
    user = users.account_manager
    client = page_client("tenant_admin")
    form = {"full_name": user.full_name, "role": user.role, "team": " North  East ", "is_active": "on"}
    assert client.post(f"/admin/tenants/user/{user.id}/change/", form).status_code == 302
    with tenant_context(tenant.id):
        assert User.objects.get(id=user.id).team == "North East"
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="set_team")
    assert (entry.subject, entry.detail) == (str(user.id), {"from": "", "to": "North East"})


def all_statements_of(client, address):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [one["sql"] for one in captured.captured_queries]


def test_a_visit_is_noted_once_and_a_second_look_takes_fewer_than_15_statements_whatever_they_are(
    page_client, users, tenant
):
    for number in range(12):
        record(tenant, number, f"Customer {number}", contact=ContactFacts(name="Zoë", phone="+49 30 123456"))
    client = page_client("account_manager")
    client.get("/")
    with tenant_context(tenant.id):
        noted = HomeVisit.objects.get().last_at
    for minutes, is_noted in ((0, False), (4, False), (6, True)):
        at = noted - dt.timedelta(minutes=minutes)
        with tenant_context(tenant.id):
            HomeVisit.objects.update(last_at=at)
        found = all_statements_of(client, "/")
        with tenant_context(tenant.id):
            visit = HomeVisit.objects.get()
        # Of the same visit: nothing came before it.
        assert ((visit.last_at > at), visit.previous_at) == (is_noted, None), minutes
        assert is_noted or len(found) < 15, found


def test_the_short_lists_are_read_once_and_again_when_a_customer_changes(page_client, users, tenant):
    client = page_client("viewer")
    record(tenant, 1, "Renewing", "Live", renewal_in=20)
    record(tenant, 2, "Long there", "Trial", renewal_in=200, days=400)
    shown = text_of(client.get("/"))
    assert "Renewing" in shown[shown.index("Renewals due soon") :]
    assert "Long there" in shown[shown.index("Stuck in stage") :]
    again = len(all_statements_of(client, "/"))
    record(tenant, 1, "Renewed", "Live", renewal_in=400, days=2)
    assert len(all_statements_of(client, "/")) == again + 4, "the totals with their policy, and the two lists"
    shown = text_of(client.get("/"))
    assert "Renewing" not in shown[shown.index("Renewals due soon") : shown.index("Stuck in stage")]


def test_what_is_kept_of_the_short_lists_names_no_one(page_client, users, tenant):
    client = page_client("viewer")
    renewing = record(tenant, 1, "Zephyr", "Live", renewal_in=20)
    record(tenant, 2, "Quetzal", "Trial", renewal_in=200, days=400)
    client.get("/")
    kept = b"".join(get_client().get(key) for key in get_client().scan_iter(f"c360:{tenant.id}:totals:*"))
    assert str(renewing).encode() in kept
    assert b"Zephyr" not in kept and b"Quetzal" not in kept
    # On a hit names are what they are now.
    with tenant_context(tenant.id):
        Customer.objects.filter(id=renewing).update(name="Called otherwise")
    shown = text_of(client.get("/"))
    assert "Called otherwise" in shown and "Zephyr" not in shown


def test_someone_who_is_gone_is_in_no_short_list():
    lists = {"renewals": [{"customer_id": "a", "stage": "Live"}, {"customer_id": "b", "stage": "Live"}], "late": []}
    assert ids_of(lists) == ["a", "b"]
    assert add_names(lists, {"b": "Bee"}) == {
        "renewals": [{"customer_id": "b", "stage": "Live", "name": "Bee"}],
        "late": [],
    }


def test_stage_and_figures_that_disagree_are_warned_of_both_ways(page_client, users, tenant):
    record(tenant, 1, "Fine after all", issues=0, csat="4.8", renewal_in=300)
    record(tenant, 2, "Silent trouble", "Live", issues=6, csat="1.5", overdue="20000", renewal_in=5)
    record(tenant, 3, "Gone", "Lost", issues=6, csat="1.5", overdue="20000", renewal_in=5)
    shown = text_of(page_client("viewer").get("/"))
    assert "by its figures alone this customer would have a health of 100 of 100" in shown
    doubted = shown[shown.index("Stage and figures disagree") : shown.index("Customers by stage")]
    assert "Silent trouble" in doubted
    assert "Gone" not in doubted


def test_a_task_is_the_next_step_and_a_note_the_last_that_was_done(page_client, users, tenant):
    customer_id = record(tenant, 1, "Aurora")
    by = By(tenant, Actor(USER, str(users.account_manager.id)), utc_now(), None)
    with tenant_context(tenant.id):
        create_task(customer_id, "Later", by=by, due_on=today() + dt.timedelta(days=9))
        create_task(customer_id, "Call Zoë", by=by, due_on=dt.date(2031, 5, 4))
        create_task(customer_id, "Call Max", by=by, due_on=today() + dt.timedelta(days=1))
        write_note(customer_id, "Spoke with Zoë.", by=by)
    shown = text_of(page_client("account_manager").get("/"))
    assert "Next step Call Max (due" in shown
    assert f"Last done Note, by {users.account_manager.full_name} (you)" in shown
    shown = text_of(page_client("viewer").get("/"))
    assert "Call Max" not in shown
    assert "Next step Go through 3 open issues with support, then call." in shown


def test_figures_that_changed_since_yesterday_say_what_they_were(page_client, users, tenant):
    record(tenant, 1, "Aurora", days=5, issues=3, csat="4.5")
    record(tenant, 1, "Aurora", days=0, issues=7, csat="4.5")
    shown = text_of(page_client("viewer").get("/"))
    assert "Since yesterday open issues 7 (was 3) Last done" in shown


def test_the_page_takes_fewer_than_15_queries_for_one_and_for_thirty(page_client, users, tenant, move):
    client = page_client("account_manager")
    contact = ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 123456")
    snooze(client, record(tenant, 0, "Aside"))
    who = By(tenant, Actor(USER, str(users.tenant_admin.id)), utc_now(), None)

    def record_one(number):
        customer_id = record(tenant, number, f"Customer {number}", contact=contact)
        with tenant_context(tenant.id):
            create_task(customer_id, "Call", by=who, due_on=today())
            write_note(customer_id, "Spoke with Zoë.", by=who)

    record_one(1)
    with tenant_context(tenant.id):
        HomeVisit.objects.update(last_at=utc_now() - dt.timedelta(hours=16))
    before = len(statements_of(client, "/"))
    for number in range(2, 32):
        record_one(number)
    after = len(statements_of(client, "/"))
    assert after == before
    assert after < 15, after


def test_poor_figures_need_an_overdue_balance():
    policy = compile_policy(parse_configuration(SMALLEST), 1)
    engaged = [stage for stage in policy.stages if policy.category(stage) not in ("risk", "lost")]
    assert least_of_figures(policy, engaged) == 45
    assert least_of_figures(policy, policy.stages_in("risk")) is None, "the stage takes much of them already"
    assert BillingFigures._meta.indexes[-1].name == "billing_overdue"
