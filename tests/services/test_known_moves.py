"""Migration lifecycle.0035: the sums of what became known, made, taken back and made again while everyone works."""

from importlib import import_module

import pytest
from django.db import connections
from django.db.migrations.state import ProjectState

from lifecycle.models import InsightFact
from lifecycle.services.insight.keeping import find_wrong_sums, keep_facts
from tenants.context import tenant_context
from tests.services.test_insight import tell

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
