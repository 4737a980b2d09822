"""Keeping the facts up to the history costs an idle tenant a look, and misses nothing that was recorded."""

import datetime as dt
from itertools import chain, repeat

import pytest

from audit.services.feed import SOON, floor_of
from lifecycle.models import InsightState, Stay
from lifecycle.services.insight import keeping, working
from lifecycle.services.insight.keeping import ALL_BEHIND, LATELY_BEHIND, keep_facts
from lifecycle.services.insight.working import SELDOM, FactKeeper
from tenants.context import tenant_context
from tests.factories import TenantFactory, utc_now
from tests.plans import count_rows_read
from tests.services.test_insight import say, step, tell

CUSTOMERS = """
INSERT INTO lifecycle_customer (id, tenant_id, external_id, name, name_key, industry, segment, owner, owner_key, source,
                                event_id, occurred_at, field_times, created_at, updated_at)
SELECT md5(%(tenant_id)s::text || n)::uuid, %(tenant_id)s::uuid, n::text, n::text, n::text, '', '', '', '', '/crm', '',
       now(), '{}', now(), now()
  FROM generate_series(1, 3000) n
"""
STATUSES = """
INSERT INTO customer_lifecycle_status (id, tenant_id, customer_id, stage, stage_entered_at, updated_at, updated_by,
                                       actor_kind, source, reason_code, version, head_hash)
SELECT uuidv7(), %(tenant_id)s::uuid, md5(%(tenant_id)s::text || n)::uuid, 'Active', now(), now(), 'x', 'system',
       'Import', '', 1, ''
  FROM generate_series(1, 3000) n
"""
STATES = """
INSERT INTO lifecycle_insight_state (tenant_id, customer_id, sequence, figures, segment)
SELECT tenant_id, customer_id, version, 0, '' FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s::uuid
"""
MOVES = """
INSERT INTO customer_lifecycle_history (id, tenant_id, customer_id, sequence, to_stage, changed_at, effective_at,
                                        recorded_at, changed_by, on_behalf_of, actor_kind, source, reason_code,
                                        event_id, configuration_version, previous_hash, hash)
SELECT uuidv7(- interval '3 days'), tenant_id, customer_id, 1, 'Active', now(), now(), now(), 'x', '', 'system',
       'Import', '', '', 1, '', ''
  FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s::uuid
"""
REPORTS = """
INSERT INTO lifecycle_figurechange (id, tenant_id, customer_id, effective_at, recorded_at, source, figures)
SELECT uuidv7(- interval '3 days'), tenant_id, customer_id, now(), now(), '/support', '{"support.csat": "4"}'
  FROM customer_lifecycle_status WHERE tenant_id = %(tenant_id)s::uuid
"""


def test_of_a_tenant_where_nothing_was_recorded_lately_the_newest_rows_are_read_alone(db, superuser):
    """Of the history and of the reports: of a table with a few rows of other tests' the planner may well read all."""
    tenant = TenantFactory()
    given = {"tenant_id": tenant.id, "batch": 500, "since": floor_of(utc_now() - dt.timedelta(hours=1))}
    with superuser.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in (CUSTOMERS, STATUSES, STATES, MOVES, REPORTS):
            cursor.execute(statement, {"tenant_id": str(tenant.id)})
        written = ("lifecycle_customer", "customer_lifecycle_status", "lifecycle_insight_state")
        for table in (*written, "customer_lifecycle_history", "lifecycle_figurechange"):
            cursor.execute(f"ANALYZE {table}")
        cursor.execute("SET LOCAL ROLE c360_app")
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
        assert count_rows_read(cursor, LATELY_BEHIND, given) == 2
        assert count_rows_read(cursor, ALL_BEHIND, given) >= 6000


def test_what_is_recorded_is_kept_without_a_look_at_everyone(tenant, monkeypatch):
    looked = []

    def keep(who, *, since=None, **given):
        looked.append(since)
        return keep_facts(who, since=since, **given)

    monkeypatch.setattr(working, "keep_facts", keep)
    now = utc_now()
    keeper = FactKeeper(lambda: now)
    ann = tell(tenant, {"ann": [(0, "Prospect")], "bob": [(0, "Prospect")]}, {})["ann"]
    assert keeper.keep_facts(tenant) == 2 and keeper.keep_facts(tenant) == 0
    with tenant_context(tenant.id):
        step(tenant, ann, 5, "Active")
    assert keeper.keep_facts(tenant) == 1 and keeper.keep_facts(tenant) == 0
    with tenant_context(tenant.id):
        say(tenant, ann, 6, 100, "EUR")
    assert keeper.keep_facts(tenant) == 1 and keeper.keep_facts(tenant) == 0
    with tenant_context(tenant.id):
        assert [stay.stage for stay in Stay.objects.filter(customer_id=ann.id).order_by("sequence", "piece")] == [
            "0:Prospect",
            "0:Active",
        ]
    assert looked[0] is None and None not in looked[1:]


def test_what_came_later_than_any_look_expects_is_found_within_the_hour(tenant):
    now = utc_now()
    clock = [now]
    keeper = FactKeeper(lambda: clock[0])
    ann = tell(tenant, {"ann": [(0, "Prospect")]}, {})["ann"]
    assert keeper.keep_facts(tenant) == 1
    clock[0] = now + SELDOM / 2
    assert keeper.keep_facts(tenant) == 0
    with tenant_context(tenant.id):
        InsightState.objects.filter(tenant_id=tenant.id, customer_id=ann.id).update(sequence=0)
    clock[0] = now + SELDOM - dt.timedelta(minutes=1)
    assert keeper.keep_facts(tenant) == 0
    clock[0] = now + SELDOM
    assert keeper.keep_facts(tenant) == 1


def test_a_look_at_everyone_that_was_cut_short_is_made_again(tenant):
    keeper = FactKeeper()
    tell(tenant, {"ann": [(0, "Prospect")]}, {})
    assert keeper.keep_facts(tenant, enough=lambda: True) == 0
    assert keeper.keep_facts(tenant) == 1


def test_who_was_not_reached_by_a_look_that_was_cut_short_is_found_by_the_next_one_however_late(tenant, monkeypatch):
    """A large import: the looks have a second each, and are not through after 25 minutes."""
    now = utc_now()
    clock = [now]
    keeper = FactKeeper(lambda: clock[0])
    assert keeper.keep_facts(tenant) == 0
    tell(tenant, {name: [(0, "Prospect")] for name in ("ann", "bob", "cyd")}, {})
    monkeypatch.setattr(keeping, "BATCH", 1)
    clock[0] = now + dt.timedelta(minutes=10)
    is_late = chain([False], repeat(True))
    assert keeper.keep_facts(tenant, enough=lambda: next(is_late)) == 1
    clock[0] = now + dt.timedelta(minutes=25)
    assert keeper.keep_facts(tenant) == 2


def test_who_was_to_be_found_by_looks_that_failed_is_found_by_the_first_that_does_not(tenant, monkeypatch):
    now = utc_now()
    clock = [now]
    keeper = FactKeeper(lambda: clock[0])
    assert keeper.keep_facts(tenant) == 0
    tell(tenant, {"ann": [(0, "Prospect")]}, {})

    def fail(*_args, **_options):
        raise ValueError("its history cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "renew_stays", fail)
        for minutes in (1, 20):
            clock[0] = now + dt.timedelta(minutes=minutes)
            with pytest.raises(ValueError, match="cannot be read"):
                keeper.keep_facts(tenant)
    clock[0] = now + dt.timedelta(minutes=25)
    assert keeper.keep_facts(tenant) == 1


def test_a_look_that_came_to_its_end_counts_however_late_it_was_by_then(tenant, monkeypatch):
    """Of so many customers one look takes longer than a turn: the next one need not be at everyone."""
    looked = []

    def keep(who, *, since=None, **given):
        looked.append(since)
        return keep_facts(who, since=since, **given)

    monkeypatch.setattr(working, "keep_facts", keep)
    now = utc_now()
    keeper = FactKeeper(lambda: now)
    for _turn in range(2):
        is_late = chain([False], repeat(True))
        assert keeper.keep_facts(tenant, enough=lambda times=is_late: next(times)) == 0
    assert looked == [None, floor_of(now - SOON)]
