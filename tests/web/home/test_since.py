"""What the first page says of the time since a person was last there: who came to a stage at risk, and who left it."""

import datetime as dt
import json

from audit.models import LifecycleHistory
from lifecycle.models import Customer, CustomerLifecycleStatus, HomeVisit
from lifecycle.queries.home import _MOVED, find_moved
from lifecycle.web import home
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import SAAS, utc_now
from tests.plans import NUMBERED, copy_rows, count_rows_read, count_statistics
from tests.services.test_former_stages import publish
from tests.web.conftest import text_of
from tests.web.home.customers import record


def test_since_the_last_visit_says_who_came_and_who_left(page_client, users, tenant, move):
    came, left = record(tenant, 1, "Came", "Live"), record(tenant, 2, "Left")
    client = page_client("viewer")
    assert "Since you were last here" not in text_of(client.get("/"))
    with tenant_context(tenant.id):
        HomeVisit.objects.update(last_at=utc_now() - dt.timedelta(hours=16))
        move(Customer.objects.get(id=came), "Wobbly", "Usage Dropped")
        move(Customer.objects.get(id=left), "Live")
    for _ in range(2):
        # A second look is the same visit.
        shown = text_of(client.get("/"))
        assert "1 customer entered an at-risk stage: Came (by System (tests))" in shown
        assert "1 customer left one: Left (to Live, by System (tests))" in shown


def test_since_the_last_visit_counts_everyone_who_left_or_came_wherever_they_went_on_to(
    page_client, users, tenant, move, monkeypatch
):
    stages = {"Recovered": "Wobbly", "Fleeting": "Live", "Twice": "Live", "Quiet": "Wobbly"}
    ids = {name: record(tenant, number, name, stage) for number, (name, stage) in enumerate(stages.items())}
    client = page_client("viewer")
    client.get("/")
    with tenant_context(tenant.id):
        HomeVisit.objects.update(last_at=utc_now() - dt.timedelta(hours=16))
        one = {name: Customer.objects.get(id=id_) for name, id_ in ids.items()}
        move(one["Recovered"], "Live")
        move(one["Recovered"], "Renewing")
        move(one["Fleeting"], "Wobbly", "Usage Dropped")
        move(one["Fleeting"], "Live")
        move(one["Twice"], "Wobbly", "Usage Dropped")
        move(one["Twice"], "Live")
        move(one["Twice"], "Wobbly", "Champion Left")
    shown = text_of(client.get("/"))
    assert "1 customer entered an at-risk stage: Twice (by System (tests))" in shown
    assert (
        "2 customers left one: Fleeting (to Live, by System (tests)), Recovered (to Live, by System (tests))" in shown
    )
    assert "more stage changes than are looked at" not in shown
    monkeypatch.setattr(home, "MOST_MOVED", 0)
    assert "There were more stage changes than are looked at here: only the latest are counted." in text_of(
        client.get("/")
    )


def test_steps_before_a_rename_count_as_those_of_the_stage_that_is_called_differently_now(
    page_client, users, tenant, move
):
    ids = {name: record(tenant, number, name, "Wobbly") for number, name in enumerate(("Left", "Back"))}
    ids |= {name: record(tenant, 2 + number, name, "Live") for number, name in enumerate(("Came", "Fleeting"))}
    client = page_client("viewer")
    client.get("/")
    with tenant_context(tenant.id):
        HomeVisit.objects.update(last_at=utc_now() - dt.timedelta(hours=16))
        one = {name: Customer.objects.get(id=id_) for name, id_ in ids.items()}
        move(one["Left"], "Live")
        move(one["Back"], "Live")
        move(one["Came"], "Wobbly", "Usage Dropped")
        move(one["Fleeting"], "Wobbly", "Usage Dropped")
        move(one["Fleeting"], "Renewing")
    document = json.loads(json.dumps(SAAS).replace("Wobbly", "Shaky").replace("Live", "In use"))
    publish(tenant, document, renamed={"Wobbly": "Shaky", "Live": "In use"})
    with tenant_context(tenant.id):
        move(one["Back"], "Shaky", "Champion Left")
    shown = text_of(client.get("/"))
    assert "2 customers entered an at-risk stage: Back (by System (tests)), Came (by System (tests))" in shown
    left = "Fleeting (to Renewing, by System (tests)), Left (to In use, by System (tests))"
    assert f"2 customers left one: {left}" in shown


def test_what_is_read_since_the_last_visit_does_not_grow_with_what_was_before(users, tenant, move, superuser):
    """Of the one who moved since then, and beside 6,000 steps of others, of which the planner knows: what it makes of
    a few rows hangs on what else there is.
    """
    customer = record(tenant, 1, "Busy", "Live")
    with tenant_context(tenant.id):
        one = Customer.objects.get(id=customer)
        for _ in range(10):
            move(one, "Renewing")
            move(one, "Live")
        since = utc_now()
        move(one, "Renewing")
        history = LifecycleHistory.objects.filter(tenant_id=tenant.id, customer_id=customer)
        copy_rows(superuser, history, range(1, 301), customer_id=NUMBERED)
    tables = [model._meta.db_table for model in (LifecycleHistory, CustomerLifecycleStatus, Customer)]
    count_statistics(superuser, tables)
    given = {
        "tenant_id": tenant.id, "every": ["Renewing"], "names": ["0:Wobbly"], "renamed": "{}", "owners": None,
        "since": since, "most": 100, "shown": 6,
    }  # fmt: skip
    with superuser.cursor() as cursor:
        read = [count_rows_read(cursor, _MOVED, given, of=alias) for alias in "ho"]
    # The step since then; and until when to look: that step, and the one before it.
    assert read == [1, 2]


def test_of_those_who_came_the_latest_are_read_and_all_are_counted(users, tenant, move):
    since = utc_now()
    ids = [record(tenant, number, f"Customer {number}", "Live") for number in range(5)]
    with tenant_context(tenant.id):
        for id_ in ids:
            move(Customer.objects.get(id=id_), "Wobbly", "Usage Dropped")
        move(Customer.objects.get(id=ids[0]), "Live")
        policy = live_policy(tenant.id)
        rows, _ = find_moved(
            tenant=tenant, policy=policy, stages=["Wobbly"], owners=None, since=since, most=100, shown=2
        )
    assert [(row["name"], row["has_arrived"], row["customers"]) for row in rows] == [
        ("Customer 0", False, 1), ("Customer 4", True, 4), ("Customer 3", True, 4)
    ]  # fmt: skip
