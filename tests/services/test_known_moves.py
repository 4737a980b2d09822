"""Migration lifecycle.0035: the sums of what became known, made, taken back and made again while everyone works; and
what a process of the former release, which does not know of them, leaves short.
"""

from importlib import import_module

import pytest
from django.db import connections
from django.db.migrations.state import ProjectState
from structlog.testing import capture_logs

from lifecycle.models import InsightFact
from lifecycle.queries.insight.facts import OF_CUSTOMERS, sum_all
from lifecycle.services.insight import sums
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.sums import find_wrong_sums, repair_sums
from lifecycle.services.insight.working import SELDOM, FactKeeper
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.services.test_insight import step, tell

MIGRATION = import_module("lifecycle.migrations.0035_known_moves").Migration("0035_known_moves", "lifecycle")
EXCLUSIVE = """
SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE l.pid = %s AND l.mode = 'AccessExclusiveLock' AND c.relkind = 'r'
"""


def migrate():
    with connections["owner"].schema_editor(atomic=MIGRATION.atomic) as editor:
        MIGRATION.apply(ProjectState(), editor)


def take_back():
    with connections["owner"].schema_editor(atomic=MIGRATION.atomic) as editor:
        MIGRATION.unapply(ProjectState(), editor)


def known_of(tenant):
    with tenant_context(tenant.id):
        facts = InsightFact.objects.filter(tenant_id=tenant.id, kind="known")
        return sorted(facts.values_list("day", "from_stage", "to_stage", "customers"))


@pytest.fixture
def both(tenant, other_tenant):
    """Two tenants with a past."""
    tell(tenant)
    tell(other_tenant, {"eve": [(0, "Trial"), (3, "Rollout")]}, {})
    for one in (tenant, other_tenant):
        keep_facts(one)
    return tenant, other_tenant


def test_taken_back_nothing_is_left_and_forward_again_everything_is_as_it_was(both):
    before = [known_of(one) for one in both]
    assert [sum(customers for *_move, customers in known) for known in before] == [13, 2]
    take_back()
    assert [known_of(one) for one in both] == [[], []]
    migrate()
    assert [known_of(one) for one in both] == before
    assert [find_wrong_sums(one) for one in both] == [{}, {}]


def test_where_a_run_was_ended_the_next_one_makes_everything_again(both, superuser):
    before = [known_of(one) for one in both]
    with tenant_context(both[0].id):
        InsightFact.objects.filter(tenant_id=both[0].id, kind="known", to_stage="0:Active").update(customers=7)
    migrate()
    assert [known_of(one) for one in both] == before
    forced = "SELECT relname FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity"
    assert superuser.execute(forced).fetchall() == []


def test_while_a_tenant_is_summed_up_no_table_is_kept_from_anyone(both, superuser):
    owner = connections["owner"]
    owner.ensure_connection()
    pid = owner.connection.info.backend_pid
    held = []

    def look(execute, statement, values, many, context):
        answer = execute(statement, values, many, context)
        if "INSERT INTO lifecycle_insight_fact" in statement:
            held.append([name for (name,) in superuser.execute(EXCLUSIVE, [pid]).fetchall()])
        return answer

    take_back()
    with owner.execute_wrapper(look):
        migrate()
    assert len(held) >= 2 and not any(held)


@pytest.fixture
def former_release(monkeypatch):
    """As the release before 0035 kept facts: every sum but those of what became known."""
    former = "\nUNION ALL\n".join(one for one in sum_all(OF_CUSTOMERS).split("\nUNION ALL\n") if "'known'" not in one)
    assert former.count("AS kind") == 6
    present = sums._SUM_OF_CUSTOMERS
    statement = present.replace(sum_all(OF_CUSTOMERS), former)
    assert statement != present

    def keep(tenant):
        with monkeypatch.context() as patch:
            patch.setattr(sums, "_SUM_OF_CUSTOMERS", statement)
            assert keep_facts(tenant) == 1

    return keep


def test_what_the_former_release_left_short_is_whole_again_as_the_process_starts_and_within_the_hour(
    tenant, former_release
):
    customers = tell(tenant)
    keep_facts(tenant)
    clock = [utc_now()]
    keeper = FactKeeper(lambda: clock[0])
    for days, stage in ((80, "Active"), (90, "At-Risk")):
        with tenant_context(tenant.id):
            step(tenant, customers["dan"], days, stage)
        former_release(tenant)
        assert find_wrong_sums(tenant) == {"known": 1, "known by segment": 1}
        with capture_logs() as logs:
            keeper.keep_facts(tenant)
        assert [one["wrong"] for one in logs if one["event"] == "sums made again"] == [
            {"known": 1, "known by segment": 1}
        ]
        assert find_wrong_sums(tenant) == {}
        clock[0] += SELDOM


def test_between_two_looks_at_everyone_no_sums_are_compared(tenant):
    tell(tenant)
    clock = [utc_now()]
    keeper = FactKeeper(lambda: clock[0])
    keeper.keep_facts(tenant)
    with tenant_context(tenant.id):
        InsightFact.objects.filter(tenant_id=tenant.id, kind="known").delete()
    clock[0] += SELDOM / 2
    keeper.keep_facts(tenant)
    assert "known" in find_wrong_sums(tenant)
    clock[0] += SELDOM / 2
    keeper.keep_facts(tenant)
    assert find_wrong_sums(tenant) == {}


def test_sums_that_agree_cost_one_small_statement_and_those_of_others_are_left_alone(
    both, django_assert_max_num_queries
):
    with django_assert_max_num_queries(4):
        assert repair_sums(both[0]) == {}
    with tenant_context(both[1].id):
        InsightFact.objects.filter(tenant_id=both[1].id, kind="flow", from_stage="").update(customers=7)
    assert repair_sums(both[0]) == {}
    assert repair_sums(both[1]) == {"flow": 1} and find_wrong_sums(both[1]) == {}
