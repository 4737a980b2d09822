"""What a month has kept opens the list of its customers, who add up to it."""

import datetime as dt
import json
import re
from decimal import Decimal
from html import unescape
from random import Random

import pytest

from lifecycle.models import BillingFigures, CustomerLifecycleStatus, FigureChange
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.transitions.apply import Call, apply, place
from lifecycle.services.work.kept_customers import list_kept
from lifecycle.services.work.renewals import PER_PAGE, Month, measure_retention, months_before
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import SAAS, CustomerFactory, TenantFactory, utc_now
from tests.web.conftest import text_of
from tests.web.test_renewals import add

ACTOR = system_actor("tests")


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


@pytest.fixture
def customers(tenant):
    """Sixty customers with a past of chance: in two currencies, lost or not, also at the very turn of a month."""
    random = Random(29)
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    turns = [dt.datetime(2026, number, 1, tzinfo=dt.UTC) for number in range(2, 7)]
    ids = [add(tenant, f"Company {number:02}", renewal_on=None, arr="9") for number in range(60)]
    with tenant_context(tenant.id):
        FigureChange.objects.filter(tenant_id=tenant.id).delete()
        BillingFigures.objects.filter(customer_id__in=ids[::3]).update(currency="USD")
        for number, customer_id in enumerate(ids):
            for _report in range(random.randint(0, 5)):
                at = random.choice([*turns, first + dt.timedelta(days=random.uniform(-60, 170))])
                arr = random.choice([None, "0", "100", "250.50", "900"])
                FigureChange.objects.create(
                    tenant_id=tenant.id, customer_id=customer_id, effective_at=at, recorded_at=at, source="/billing",
                    figures={"billing.arr": arr},
                )  # fmt: skip
            if number % 4 == 0:
                at = random.choice([*turns, first + dt.timedelta(days=random.uniform(0, 150))])
                status = CustomerLifecycleStatus.objects.filter(customer_id=customer_id)
                status.update(stage="Lost", stage_entered_at=at)
    return ids


def everyone(tenant, month, currency):
    rows, offset = [], 0
    with tenant_context(tenant.id):
        while True:
            page, count = list_kept(
                month, currency, tenant=tenant, policy=live_policy(tenant.id), offset=offset, limit=7
            )
            rows += page
            offset += 7
            if offset >= count:
                assert len(rows) == count == len({row["customer_id"] for row in rows})
                return rows


def test_the_customers_of_each_month_and_currency_add_up_to_what_it_has_kept(tenant, customers):
    months = months_before(Month(2026, 7), 6)
    with tenant_context(tenant.id):
        measured = measure_retention(months, tenant=tenant, policy=live_policy(tenant.id))
    assert len(measured) == 12 and any(one.kept < one.end and one.kept < one.start for one in measured)
    for one in measured:
        rows = everyone(tenant, one.month, one.currency)
        assert len(rows) == one.customers
        sums = [sum((row[name] for row in rows), Decimal()) for name in ("start_arr", "end_arr", "kept_arr")]
        assert sums == [one.start, one.end, one.kept]
        assert [row["start_arr"] for row in rows] == sorted((row["start_arr"] for row in rows), reverse=True)
    assert everyone(tenant, Month(2026, 3), "CHF") == []


def test_the_page_links_each_count_to_its_customers_and_the_list_has_as_many(page_client, tenant):
    month = utc_now().date().replace(day=1) - dt.timedelta(days=1)
    begun = dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC) - dt.timedelta(days=40)
    for number in range(PER_PAGE + 3):
        customer_id = add(tenant, f"Company {number:02}", renewal_on=None, arr="1000")
        with tenant_context(tenant.id):
            FigureChange.objects.filter(customer_id=customer_id).delete()
            FigureChange.objects.create(
                tenant_id=tenant.id, customer_id=customer_id, effective_at=begun, recorded_at=utc_now(),
                source="/billing", figures={"billing.arr": str(1000 + number)},
            )  # fmt: skip
    page = page_client("account_manager").get("/renewals").content.decode()
    links = re.findall(r'href="(/renewals/kept[^"]+)">(\d+)<', page)
    address = f"/renewals/kept?month={month:%Y-%m}&amp;currency=EUR"
    assert (address, "53") in links
    client = page_client("account_manager")
    first = client.get(unescape(address))
    assert "53 customers" in text_of(first) and "1 to 50 of 53" in text_of(first)
    assert "€1,052" in text_of(first) and "€1,000.00" not in text_of(first)
    assert "51 to 53 of 53" in text_of(client.get(unescape(address) + "&page=2"))
    assert "51 to 53 of 53" in text_of(client.get(unescape(address) + "&page=9"))
    assert "No customers match." in text_of(client.get("/renewals/kept?month=x&currency=CHF"))
    assert "This list is as of now" not in text_of(first)
    # Someone who comes late is on the list, and on the page it was opened from when that is counted again.
    late = add(tenant, "Latecomer", renewal_on=None, arr="1000")
    with tenant_context(tenant.id):
        FigureChange.objects.filter(customer_id=late).delete()
        FigureChange.objects.create(
            tenant_id=tenant.id, customer_id=late, effective_at=begun, recorded_at=utc_now(), source="/billing",
            figures={"billing.arr": "5000"},
        )  # fmt: skip
    shown = text_of(client.get(unescape(address)))
    assert "54 customers" in shown and "€5,000" in shown
    assert "This list is as of now. The number on the renewals page, 53, was counted " in shown
    assert (address, "53") in re.findall(
        r'href="(/renewals/kept[^"]+)">(\d+)<', client.get("/renewals").content.decode()
    )
    # Who sees no histories sees the number alone.
    assert "/renewals/kept" not in page_client("viewer").get("/renewals").content.decode()
    assert page_client("viewer").get(unescape(address)).status_code == 403


def on(month, day=10):
    return dt.datetime(2026, month, day, tzinfo=dt.UTC)


def live(tenant, stories):
    """Customers of these names with 1000 a year go from stage to stage."""
    with tenant_context(tenant.id):
        for name, steps in stories.items():
            customer = CustomerFactory(tenant=tenant, name=name, stage=None)
            fact = CustomerFacts(customer.external_id, "/billing", on(1), billing={"arr": "1000", "currency": "EUR"})
            record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=False)
            for number, (effective_at, stage) in enumerate(steps):
                is_return = number > 0 and effective_at < steps[number - 1][0]
                reason = "Usage Dropped" if stage == "Wobbly" else f"{stage}!"
                change = Change(customer.id, stage, reason_code=reason, effective_at=effective_at, is_return=is_return)
                call = Call(tenant, ACTOR, "Import", utc_now())
                (outcome,) = (apply if number else place)(call, [change], backdated=True)
                assert outcome.moved, outcome


def test_who_was_lost_and_has_returned_counts_as_nothing_for_the_time_in_between(tenant):
    """Of months that are over nothing changes with a return: what was not there is not kept afterwards."""

    # Stage by stage; the undone loss gave the former time in the stage back.
    stories = {
        "Faithful": [(on(1), "Live")],
        "Returned": [(on(1), "Live"), (on(2), "Wobbly"), (on(3), "Lost"), (on(5), "Trial")],
        "Twice": [(on(1), "Live"), (on(2), "Wobbly"), (on(3), "Lost"), (on(3, 20), "Trial"), (on(5), "Lost")],
        "Undone": [(on(1), "Live"), (on(2), "Wobbly"), (on(3), "Lost"), (on(2), "Wobbly")],
    }
    live(tenant, stories)
    keep_facts(tenant)
    months = months_before(Month(2026, 7), 6)
    with tenant_context(tenant.id):
        measured = measure_retention(months, tenant=tenant, policy=live_policy(tenant.id))
    found = {one.month.number: (one.customers, one.start, one.kept, one.end) for one in measured}
    thousands = {2: (4, 4, 4, 4), 3: (4, 4, 3, 3), 4: (3, 3, 3, 3), 5: (3, 3, 2, 2), 6: (3, 3, 3, 3)}
    assert found == {month: (one[0], *(1000 * n for n in one[1:])) for month, one in thousands.items()}
    for one in measured:
        rows = everyone(tenant, one.month, "EUR")
        assert len(rows) == one.customers
        assert sum(row["end_arr"] for row in rows) == one.end


def test_who_was_lost_in_a_stage_that_went_away_since_was_lost_all_the_same(tenant, monkeypatch):
    """What a publication does to stages changes nothing of what months have kept, also while it moves customers."""
    stories = {
        "Faithful": [(on(1), "Live")],
        "Gone": [(on(1), "Live"), (on(2), "Wobbly"), (on(3), "Lost")],
        "Returned": [(on(1), "Live"), (on(2), "Wobbly"), (on(3), "Lost"), (on(4), "Trial")],
    }
    live(tenant, stories)
    keep_facts(tenant)
    months = months_before(Month(2026, 7), 5)

    def kept():
        with tenant_context(tenant.id):
            measured = measure_retention(months, tenant=tenant, policy=live_policy(tenant.id))
        for one in measured:
            rows = everyone(tenant, one.month, "EUR")
            assert [row["end_arr"] for row in rows].count(1000) * 1000 == one.end and len(rows) == one.customers
        return {one.month.number: (one.customers, int(one.kept)) for one in measured}

    assert kept() == {2: (3, 3000), 3: (3, 1000), 4: (1, 1000), 5: (2, 2000), 6: (2, 2000)}
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    document = json.loads(json.dumps(SAAS).replace("Lost", "Churned"))
    with tenant_context(tenant.id):
        mapping = {"Lost": {"to": "Churned", "reason_code": "Merged"}}
        publish_configuration(document, tenant=tenant, actor=ACTOR, now=on(5), mapping=mapping)
    found = [kept()]
    list(stage_migrations.move_customers(tenant, now=on(5)))
    keep_facts(tenant)
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(stage="Churned").stage_entered_at == on(5)
    found.append(kept())
    assert found == [{2: (3, 3000), 3: (3, 1000), 4: (1, 1000), 5: (2, 2000), 6: (2, 2000)}] * 2
