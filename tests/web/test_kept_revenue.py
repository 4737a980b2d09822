"""The revenue that past months have kept is counted beside the requests, and is what a recount says."""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from redis.exceptions import RedisError

from lifecycle.models import CustomerLifecycleStatus, FigureChange
from lifecycle.rules.transitions import Change
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.work import kept_revenue
from lifecycle.services.work.kept_revenue import PAST_MONTHS, RevenueKeeper, read_kept_revenue
from lifecycle.services.work.renewals import Month, count_unknown, measure_retention, months_before
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import SAAS, TenantFactory, utc_now
from tests.web.conftest import text_of
from tests.web.test_renewals import add

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def tenant(db):
    return TenantFactory(configuration=SAAS)


def report(tenant, customer_id, at, arr):
    with tenant_context(tenant.id):
        FigureChange.objects.create(
            tenant_id=tenant.id, customer_id=customer_id, effective_at=at, recorded_at=at, source="/billing",
            figures={"billing.arr": arr},
        )  # fmt: skip


def months_ago(months):
    return utc_now() - dt.timedelta(days=31 * months)


def within_the_month():
    """A moment of this month with days of it left: in another month all is counted again, whatever was recorded."""
    return utc_now().replace(day=15)


def recount(tenant, now):
    months = months_before(Month(now.year, now.month), PAST_MONTHS)
    with tenant_context(tenant.id):
        return (
            measure_retention(months, tenant=tenant, policy=live_policy(tenant.id)),
            count_unknown(months[-1], tenant=tenant),
        )


def read(tenant, now):
    with tenant_context(tenant.id):
        kept = read_kept_revenue(tenant=tenant, policy=live_policy(tenant.id), now=now)
    return kept.months, kept.unknown


@pytest.fixture(autouse=True)
def process_that_has_just_started():
    kept_revenue._counted_here.clear()


@pytest.fixture
def look(page_client, monkeypatch):
    """A look at the page: what is read there, and how often it was counted for that."""
    counted, measure = [], kept_revenue.measure_retention

    def count(*arguments, **options):
        counted.append(arguments)
        return measure(*arguments, **options)

    monkeypatch.setattr(kept_revenue, "measure_retention", count)
    client = page_client("viewer")

    def look():
        counted.clear()
        return text_of(client.get("/renewals")), len(counted)

    return look


def test_what_is_read_is_what_a_recount_says_also_after_late_reports_and_losses(tenant):
    """Each round something else happens to the past: the worker's next count has all of it."""
    now = utc_now()
    ids = [add(tenant, f"Company {number}", renewal_on=None, arr="1000") for number in range(4)]
    with tenant_context(tenant.id):
        FigureChange.objects.filter(tenant_id=tenant.id).delete()
    keeper = RevenueKeeper(clock=lambda: now)
    assert keeper.keep_revenue(tenant) == 1
    assert read(tenant, now) == recount(tenant, now) == ([], 4)
    changes = (
        lambda: [report(tenant, one, months_ago(10), "1000") for one in ids],
        lambda: report(tenant, ids[0], months_ago(2), "1500.50"),
        lambda: report(tenant, ids[1], months_ago(3), "10.25"),
        lambda: report(tenant, ids[0], months_ago(4), "700"),
    )
    seen = []
    for change in changes:
        change()
        now += HOUR
        assert keeper.keep_revenue(tenant) == 1
        assert read(tenant, now) == recount(tenant, now)
        seen.append(read(tenant, now))
    assert all(one != other for one, other in pairwise(seen))
    assert seen[-1][0][-1].start == Decimal(4000)
    with tenant_context(tenant.id):
        lost = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id, customer_id=ids[2])
        lost.update(stage="Lost", stage_entered_at=months_ago(2))
    # No row was recorded that the worker looks for: it counts in any case when the day is a quarter over.
    now += 6 * HOUR
    assert keeper.keep_revenue(tenant) == 1
    assert read(tenant, now) == recount(tenant, now) != seen[-1]


def test_anyone_who_opens_the_page_finds_it_counted(look, tenant):
    customer_id = add(tenant, "Aurora", renewal_on=None, arr="1000")
    report(tenant, customer_id, months_ago(10), "1000")
    assert RevenueKeeper().keep_revenue(tenant) == 1
    shown, counted = look()
    assert counted == 0
    assert "€1,000" in shown and "100.0%" in shown and "Counted" in shown
    # What comes now is for the worker: the page still counts nothing, also an hour later.
    report(tenant, customer_id, months_ago(2), "500")
    assert look()[1] == 0


def test_where_nothing_is_kept_the_page_counts_once(look, tenant):
    report(tenant, add(tenant, "Aurora", renewal_on=None, arr="1000"), months_ago(10), "1000")
    assert [look()[1] for _ in range(2)] == [1, 0]


def test_the_worker_counts_where_something_was_recorded_and_once_an_hour_at_most(tenant):
    now = within_the_month()
    keeper, other = (RevenueKeeper(clock=lambda: now) for _ in range(2))
    customer_id = add(tenant, "Aurora", renewal_on=None)
    assert keeper.keep_revenue(tenant) == 1
    report(tenant, customer_id, months_ago(3), "900")
    assert (keeper.keep_revenue(tenant), other.keep_revenue(tenant)) == (0, 0)
    now += HOUR
    assert (keeper.keep_revenue(tenant), other.keep_revenue(tenant)) == (1, 0)
    now += HOUR
    assert keeper.keep_revenue(tenant) == 0, "nothing was recorded"
    now += 5 * HOUR
    assert keeper.keep_revenue(tenant) == 1, "what a long transaction brought late"
    assert RevenueKeeper().keep_revenue(TenantFactory(configuration=None)) == 0


def test_what_was_counted_before_the_stays_were_kept_that_it_needs_is_counted_again(tenant):
    now = within_the_month()
    keeper = RevenueKeeper(clock=lambda: now)
    customer_id = add(tenant, "Aurora", renewal_on=None, stage="Lost")
    with tenant_context(tenant.id):
        call = Call(tenant, system_actor("tests"), "Import", utc_now())
        assert apply(call, [Change(customer_id, "Trial")])[0].moved
    assert keeper.keep_revenue(tenant) == 1
    keep_facts(tenant)
    counted = []
    for _ in range(2):
        now += HOUR
        counted.append(keeper.keep_revenue(tenant))
    assert counted == [1, 0]


def test_without_redis_the_page_counts_and_the_worker_does_not_count_all_the_time(look, tenant, monkeypatch):
    def away(_call):
        raise RedisError("away")

    monkeypatch.setattr(kept_revenue, "ask", away)
    now = utc_now()
    report(tenant, add(tenant, "Aurora", renewal_on=None, arr="1000"), months_ago(10), "1000")
    shown, counted = look()
    assert counted == 1 and "€1,000" in shown
    keeper = RevenueKeeper(clock=lambda: now)
    assert [keeper.keep_revenue(tenant) for _ in range(2)] == [1, 0]
    now += dt.timedelta(minutes=5)
    assert keeper.keep_revenue(tenant) == 1


def test_without_redis_a_process_counts_once_in_five_minutes(tenant, look, monkeypatch):
    """People who press reload beside an outage do not read all reports each time."""

    def away(_call):
        raise RedisError("away")

    monkeypatch.setattr(kept_revenue, "ask", away)
    report(tenant, add(tenant, "Aurora", renewal_on=None, arr="1000"), months_ago(10), "1000")
    looks = [look() for _ in range(3)]
    assert [counted for _, counted in looks] == [1, 0, 0]
    assert all("€1,000" in shown for shown, _ in looks)
    # Another process, or this one five minutes later, counts again; what was counted is not kept for ever.
    now = utc_now() + dt.timedelta(minutes=6)
    report(tenant, add(tenant, "Brook", renewal_on=None, arr="500"), months_ago(10), "500")
    assert read(tenant, now) == recount(tenant, now)
    assert [at for at, _ in kept_revenue._counted_here.values()] == [now]


def test_while_someone_counts_others_see_the_page_without_it(look, tenant):
    report(tenant, add(tenant, "Aurora", renewal_on=None, arr="1000"), months_ago(10), "1000")
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=connection.settings_dict["NAME"]) as session:
        session.execute(kept_revenue._TRY_TURN, {"tenant_id": tenant.id})
        shown, counted = look()
    assert counted == 0 and "still being counted" in shown and "€1,000" not in shown
    shown, counted = look()
    assert counted == 1 and "€1,000" in shown


def test_what_takes_too_long_to_count_costs_its_table_and_not_the_page(look, tenant, monkeypatch):
    def take_long(*_arguments, **_options):
        attempts.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '5ms'")
            cursor.execute("SELECT pg_sleep(5)")

    attempts = []
    monkeypatch.setattr(kept_revenue, "measure_retention", take_long)
    for _ in range(2):
        assert "still being counted" in look()[0]
    assert attempts == [1]


def test_each_tenant_has_its_own(tenant):
    now, other = utc_now(), TenantFactory(configuration=SAAS)
    report(tenant, add(tenant, "Aurora", renewal_on=None, arr="1000"), months_ago(10), "1000")
    for one in (tenant, other):
        RevenueKeeper(clock=lambda: now).keep_revenue(one)
    assert read(other, now) == ([], 0)
    assert len(read(tenant, now)[0]) == PAST_MONTHS
