"""Whose episodes are to be kept is found without a look at everyone else."""

import datetime as dt

import pytest

from lifecycle.models import InsightState
from lifecycle.queries.insight.episodes import BEHIND, NOT_ALL_KEPT
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.keeping import keep_facts
from tenants.context import tenant_context
from tests.factories import MINIMAL, TenantFactory
from tests.plans import count_rows_read
from tests.services.test_insight import NOW, tell

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
UP_TO_DATE = """
INSERT INTO lifecycle_insight_state (tenant_id, customer_id, sequence, figures, risk, loose, due_at)
SELECT %(tenant_id)s::uuid, md5(%(tenant_id)s::text || n)::uuid, 1, 0, 'm', n <= 1000,
       CASE WHEN n <= 1000 THEN timestamptz '2030-01-01Z' END
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
    with superuser.cursor() as cursor:
        cursor.execute(UP_TO_DATE.replace("n <= 1000", "n <= 10"), {"tenant_id": str(tenant.id)})
        if is_analyzed:
            cursor.execute("ANALYZE lifecycle_insight_state")
        cursor.execute("SET LOCAL ROLE c360_app")
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
        # Ten of five thousand.
        assert count_rows_read(cursor, NOT_ALL_KEPT, given, of="lifecycle_insight_state") == 10
        change(cursor, tenant, 2000, 2003, risk="a")
        cursor.execute(NOT_ALL_KEPT, given)
        assert sorted(is_kept for _tenant, _customer, is_kept in cursor.fetchall()) == [False] * 4 + [True] * 10
