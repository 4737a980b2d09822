"""What is overdue, and what is due when, goes by the day where the person is; over the API by the day in UTC."""

import datetime as dt
import time
from zoneinfo import ZoneInfo

import pytest

from lifecycle.services.work import tasks
from lifecycle.services.work.notes import By
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, Role
from tests.factories import utc_now
from tests.web.conftest import text_of
from tests.web.test_lists import names, record
from tests.workers import BEFORE, DAY

# At any time of the day in one of them it is another day than in UTC.
ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago")


@pytest.fixture(params=ZONES)
def days(request, db, users):
    """The day where the manager is, and UTC's.

    What is said of today there must not be asked tomorrow either: no test begins shortly before its midnight, which is
    at an hour of UTC that is like any other to ``tests.workers``.
    """
    there = utc_now().astimezone(ZoneInfo(request.param))
    midnight = (there + dt.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    if (left := (midnight - there).total_seconds()) < BEFORE[DAY]:
        time.sleep(left + 0.1)
    with tenant_context(users.account_manager.tenant_id):
        User.objects.filter(id=users.account_manager.id).update(time_zone=request.param)
    now = utc_now()
    return now.astimezone(ZoneInfo(request.param)).date(), now.date()


def test_a_task_is_overdue_when_its_day_is_past_where_the_person_is(
    days, tenant, users, customer, page_client, api_client
):
    here, utc = days
    first = min(days)
    manager = users.account_manager
    by = By(tenant, Actor(USER, str(manager.id), ROLE_PERMISSIONS[Role(manager.role)]), utc_now())
    with tenant_context(tenant.id):
        tasks.create_task(customer.id, "Call them", by=by, due_on=first, assignee=manager.username)
    client = page_client("account_manager")
    pages = (
        "/tasks",
        f"/customers/{customer.id}",
        f"/customers/{customer.id}/tasks",
        f"/customers/{customer.id}/handover",
    )
    assert {page: "Overdue since" in text_of(client.get(page)) for page in pages} == dict.fromkeys(pages, here > first)
    (listed,) = api_client("account_manager").get(f"/api/v1/customers/{customer.id}/tasks").json()["results"]
    (mine,) = api_client("account_manager").get("/api/v1/tasks", {"assignee": "me"}).json()["results"]
    assert (listed["is_overdue"], mine["is_overdue"]) == (utc > first, utc > first)


def test_a_renewal_is_due_or_overdue_by_the_day_where_the_person_is(days, tenant, page_client, api_client):
    here, utc = days
    first = min(days)
    due = str(record(tenant, "1", "Due Company", "Active", renewal_in=(first - utc).days))
    client, elsewhere = page_client("account_manager"), page_client("viewer")
    is_ahead = first >= here

    def first_of(page):
        return "Due Company" in text_of(page).partition("Renewals due soon")[2].partition("Stuck in stage")[0]

    # Those who look from somewhere else do not change what is shown here, nor how many are counted.
    for browser, ahead in ((elsewhere, first >= utc), (client, is_ahead), (elsewhere, first >= utc)):
        assert first_of(browser.get("/")) is ahead
        page = browser.get("/customers", {"renewal_within": "5"})
        assert names(page) == ([due] if ahead else [])
        assert ("1 customer ·" in text_of(page)) is ahead
        assert names(browser.get("/customers", {"where": "renewal_within:5"})) == ([due] if ahead else [])
        exported = b"".join(browser.get("/customers/export.csv", {"renewal_within": "5"})).decode()
        assert ("Due Company" in exported) is ahead
    said = "today" if is_ahead else "1 day ago"
    address = "/customers?columns=customer,renewal"
    assert said in text_of(client.get(address)).partition("Due Company")[2]
    assert said in text_of(client.get(f"/customers/{due}")).partition("Renewal ")[2][:60]
    month = text_of(client.get("/renewals", {"month": here.isoformat()[:7]}))
    assert ("Not renewed in the" in month) is not is_ahead
    api = api_client("account_manager")
    assert len(api.get("/api/v1/customers", {"renewal_within": "5"}).json()["results"]) == int(first >= utc)
    (row,) = api.get("/api/v1/customers").json()["results"]
    assert row["days_to_renewal"] == (first - utc).days


def test_a_call_says_of_the_renewal_what_is_beside_it(days, tenant, page_client):
    here, utc = days
    first = min(days)
    record(tenant, "1", "Due Company", "At-Risk", reason="Late", renewal_in=(first - utc).days)
    call = text_of(page_client("account_manager").get("/?whose=all")).partition("At risk now")[2]
    said, beside = ("up for renewal today", "today") if first >= here else ("unsigned 1 day after", "1 day ago")
    assert said in call.partition("In stage")[0]
    assert call.partition("Renewal ")[2].partition("Open issues")[0].strip().endswith(beside)


def test_what_to_do_about_a_renewal_counts_to_the_day_where_the_person_is(days, tenant, page_client):
    """One day was left to prepare what the same call said is due today, or it was to be signed a day before."""
    here, utc = days
    last = max(days)
    record(tenant, "1", "Due Company", "At-Risk", reason="Late", renewal_in=(last - utc).days)
    call = text_of(page_client("account_manager").get("/?whose=all")).partition("At risk now")[2]
    is_ahead = last > here
    assert ("up for renewal in 1 day" if is_ahead else "up for renewal today") in call.partition("In stage")[0]
    step = "Prepare the renewal: 1 day is left." if is_ahead else "Get the renewal signed: it is due."
    assert f"Next step {step}" in call
