"""Whose episodes are to be kept is found without a look at everyone else."""

import datetime as dt
from random import Random

import pytest
from django.db.models import F

from lifecycle.models import Customer, InsightState
from lifecycle.queries.insight.episodes import BEHIND, not_all_kept
from lifecycle.services.insight.at_risk import read_at_risk
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.keeping import keep_facts, rebuild_facts
from lifecycle.services.insight.reading import Period, Stages
from lifecycle.services.insight.saving import read_episodes
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.conftest import make_people
from tests.factories import MINIMAL, TenantFactory
from tests.plans import count_rows_read, forget_others
from tests.services.test_insight import NOW, at, step, tell
from tests.web.test_saving import LATER, mail, plan, say, write

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
UP_TO_DATE = """
INSERT INTO lifecycle_insight_state (tenant_id, customer_id, sequence, figures, risk, loose, loose_from, due_at)
SELECT %(tenant_id)s::uuid, md5(%(tenant_id)s::text || n)::uuid, 1, 0, 'm', n <= 1000,
       CASE WHEN n <= 1000 THEN timestamptz '2029-12-25Z' END, CASE WHEN n <= 1000 THEN timestamptz '2030-01-01Z' END
  FROM generate_series(1, 5000) n
"""


def change(cursor, tenant, first, last, **columns):
    names = ", ".join(f"{name} = %({name})s" for name in columns)
    cursor.execute(
        f"UPDATE lifecycle_insight_state SET {names} WHERE tenant_id = %(tenant_id)s::uuid AND customer_id IN"
        " (SELECT md5(%(tenant_id)s::text || n)::uuid FROM generate_series(%(first)s::int, %(last)s::int) n)",
        {"tenant_id": str(tenant.id), "first": first, "last": last, **columns},
    )
    assert cursor.rowcount == last - first + 1


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_of_thousands_who_are_up_to_date_none_is_read(db, superuser, is_analyzed):
    """Five thousand customers, a thousand of whom have an episode that can be kept in some years."""
    tenant = TenantFactory(configuration=RISKY)
    given = {"tenant_id": tenant.id, "risk": "m", "now": NOW, "batch": 500}
    forget_others(superuser, tenant.id, ["lifecycle_insight_state"])
    with superuser.cursor() as cursor:
        cursor.execute(UP_TO_DATE, {"tenant_id": str(tenant.id)})
        if is_analyzed:
            cursor.execute("ANALYZE lifecycle_insight_state")
        # As the process does, in whose sight are the rows of one tenant.
        cursor.execute("SET LOCAL ROLE c360_app")
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])

        def read():
            return count_rows_read(cursor, BEHIND, given, of="lifecycle_insight_state")

        assert read() == 0
        # Two of other stages of risk, of names before and after, one of none, and three who are due.
        change(cursor, tenant, 1, 2, risk="")
        change(cursor, tenant, 3, 3, risk="z")
        change(cursor, tenant, 1998, 2000, due_at=NOW - dt.timedelta(days=1))
        # A row that was changed in this transaction is met twice, as it was and as it is.
        assert 6 <= read() <= 12
        cursor.execute(BEHIND, given)
        assert len({customer_id for (customer_id,) in cursor.fetchall()}) == 6
        change(cursor, tenant, 4001, 5000, risk="z")
        assert read() <= 2 * 500 + 12
        cursor.execute(BEHIND, given)
        assert len({customer_id for (customer_id,) in cursor.fetchall()}) == 500


def test_a_customer_who_is_due_and_of_other_stages_too_is_one_customer(db):
    tenant = TenantFactory(configuration=RISKY)
    tell(tenant, {name: [(0, "Active"), (10, "At-Risk"), (40, "Active")] for name in ("ann", "bob", "cyd")}, {})
    keep_facts(tenant)
    assert keep_episodes(tenant) == 3 and keep_episodes(tenant) == 0
    with tenant_context(tenant.id):
        ann, bob, cyd = InsightState.objects.filter(tenant_id=tenant.id).order_by("customer_id")
        long_ago = NOW - dt.timedelta(days=1000)
        of = InsightState.objects.filter(tenant_id=tenant.id)
        of.filter(customer_id=ann.customer_id).update(due_at=long_ago, risk="")
        of.filter(customer_id=bob.customer_id).update(due_at=long_ago)
        of.filter(customer_id=cyd.customer_id).update(due_at=None, risk="~")
    assert keep_episodes(tenant) == 3 and keep_episodes(tenant) == 0


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_to_find_the_episodes_that_go_on_insight_reads_the_states_of_their_customers_alone(db, superuser, is_analyzed):
    tenant = TenantFactory(configuration=RISKY)
    given = {"tenant_id": tenant.id, "risk": "m"}
    forget_others(superuser, tenant.id, ["lifecycle_insight_state"])
    with superuser.cursor() as cursor:
        cursor.execute(UP_TO_DATE.replace("n <= 1000", "n <= 10"), {"tenant_id": str(tenant.id)})
        if is_analyzed:
            cursor.execute("ANALYZE lifecycle_insight_state")
        cursor.execute("SET LOCAL ROLE c360_app")
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
        # Ten of five thousand, and none of those whose first one began after the period.
        until = not_all_kept("timestamptz '2029-12-25 00:00:01Z'")
        assert count_rows_read(cursor, until, given, of="lifecycle_insight_state") == 10
        earlier = not_all_kept("timestamptz '2029-12-25Z'")
        assert count_rows_read(cursor, earlier, given, of="lifecycle_insight_state") == 0
        change(cursor, tenant, 2000, 2003, risk="a")
        cursor.execute(until, given)
        assert sorted(is_kept for _tenant, _customer, is_kept in cursor.fetchall()) == [False] * 4 + [True] * 10


TWO_RISKS = {**MINIMAL, "categories": {"At-Risk": "risk", "Onboarded": "risk", "Churned": "lost"}}
WHOSE = [("", ""), ("", "Enterprise"), ("{owner}", ""), ("{owner}", "Enterprise")]
PERIODS = [(-5, 200), (20, 55), (33, 34)]


def some_past(random, tenant, customers, owner):
    """Notes, tasks and mail at any time, some of them by the owner, whose customers are every other one."""
    for number, customer in enumerate(customers):
        for day in random.sample(range(80), 6):
            by = random.choice([owner, None])
            what = random.choice(["note", "task", "mail", "report"])
            if what == "note":
                write(tenant, customer, day, by=by)
            elif what == "task":
                plan(tenant, customer, day, done=day + 3, by=by)
            elif what == "mail":
                mail(tenant, customer, day, "contact:1")
            else:
                say(tenant, customer, day, {"support.open_issues": random.choice([0, 5])})
        if number % 4 == 0:
            step(tenant, customer, 80, "Prospect", source="Configuration")
    ids = [customer.id for customer in customers]
    Customer.objects.filter(id__in=ids[::2]).update(owner=owner.username, owner_key=owner.username)
    Customer.objects.filter(id__in=ids[::3]).update(segment="Enterprise")


def read_all(tenant, owner):
    """What the pages read: of everyone and of some, of long periods and short ones, today and in some months."""
    found = {}
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        for whose in WHOSE:
            for first, last in PERIODS:
                period = Period(at(first).date(), at(last).date(), whose[0].format(owner=owner.username), whose[1])
                for now in (at(100), at(121.5), LATER):
                    asked = {"tenant": tenant, "now": now}
                    found[whose, first, now] = (
                        read_episodes(period, stages, **asked),
                        read_at_risk(period, stages, **asked),
                    )
    return found


def test_whatever_is_kept_the_figures_are_those_of_a_look_at_everyone(db):
    """None is kept, those of the first weeks are, all are; of some something changed, or they were judged by others."""
    random = Random(13)
    tenant = TenantFactory(configuration=TWO_RISKS)
    owner = make_people(tenant).account_manager
    stories = {}
    for n in range(24):
        story, day, stage = [], random.uniform(0, 30), None
        for _ in range(random.randint(2, 8)):
            choices = [one for one in ("At-Risk", "Onboarded", "Active", "At-Risk", "Churned") if one != stage]
            stage = random.choice(choices)
            story.append((day, stage))
            day += random.choice([0, 2, 6.9, 7, 15])
        stories[f"c{n}"] = [one for one in story if one[0] < 80]
    customers = list(tell(tenant, stories, {}).values())
    with tenant_context(tenant.id):
        some_past(random, tenant, customers, owner)
    keep_facts(tenant)
    expected = read_all(tenant, owner)
    counted = [sum(one.count for one in episodes) for episodes, _risk in expected.values()]
    assert max(counted) > 20 and sum(any(one.done[3] for one in found) for found, _risk in expected.values()) > 3
    states = InsightState.objects.filter(tenant_id=tenant.id)
    for clock in (40, 70, 100, 220):
        keep_episodes(tenant, clock=lambda clock=clock: at(clock))
        assert read_all(tenant, owner) == expected
        with tenant_context(tenant.id):
            some = list(states.order_by("customer_id").values_list("customer_id", flat=True)[::3])
            states.filter(customer_id__in=some).update(risk="", loose_from=None)
            states.filter(customer_id__in=some[::2]).update(risk="~")
        assert read_all(tenant, owner) == expected
    keep_episodes(tenant, clock=lambda: LATER)
    assert read_all(tenant, owner) == expected


def test_a_check_finds_who_has_others_from_another_time_than_is_kept(db):
    tenant = TenantFactory(configuration=RISKY)
    tell(tenant, {"ann": [(0, "Active"), (10, "At-Risk")], "bob": [(0, "Active"), (10, "At-Risk"), (40, "Active")]}, {})
    keep_facts(tenant)
    assert keep_episodes(tenant) == 2
    assert [*rebuild_facts(tenant, write=False)][-1].different == 0
    states = InsightState.objects.filter(tenant_id=tenant.id)
    with tenant_context(tenant.id):
        assert sorted(states.values_list("loose", "loose_from"), key=str) == [(False, None), (True, at(10))]
        states.filter(loose=True).update(loose_from=F("loose_from") + dt.timedelta(days=1))
    assert [*rebuild_facts(tenant, write=False)][-1].different == 1
    assert [*rebuild_facts(tenant)][-1].different == 0
    assert keep_episodes(tenant) == 2
    assert [*rebuild_facts(tenant, write=False)][-1].different == 0
