"""The sums by segment follow customers from segment to segment, and what a former release left short is made good."""

from collections import Counter
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connections
from django.db.migrations.state import ProjectState
from django.db.models import F
from structlog.testing import capture_logs

from lifecycle.models import Customer, InsightState, SegmentFact
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight import keeping, sums
from lifecycle.services.insight.keeping import keep_facts, rebuild_facts
from lifecycle.services.insight.reading import Period, list_behind, read_flows
from lifecycle.services.insight.sums import find_wrong_sums, repair_sums
from lifecycle.services.insight.working import SELDOM, FactKeeper
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.services.test_insight import ACTOR, NOW, at, step, tell

MIGRATION = import_module("lifecycle.migrations.0038_sums_of_segments").Migration("0038_sums_of_segments", "lifecycle")


def put(tenant, customer, segment, *, days=80):
    """CRM says which segment a customer is in."""
    fact = CustomerFacts(customer.external_id, "/crm", at(days), company={"segment": segment})
    record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=False)


def everything(tenant):
    with tenant_context(tenant.id):
        return sorted(SegmentFact.objects.filter(tenant_id=tenant.id).values_list(), key=str)


def moves_by_segment(tenant):
    found = Counter()
    with tenant_context(tenant.id):
        for segment, customers in SegmentFact.objects.filter(kind="flow").values_list("segment", "customers"):
            found[segment] += customers
    return dict(found)


@pytest.fixture
def customers(tenant):
    """Four customers: ann and bob are in a segment, written in two ways, cyd in another, dan in none."""
    made = tell(tenant)
    with tenant_context(tenant.id):
        for name, segment in (("ann", "Enterprise"), ("bob", "ENTERPRISE"), ("cyd", "Mid-Market")):
            put(tenant, made[name], segment)
        Customer.objects.filter(id=made["dan"].id).update(segment="")
    assert keep_facts(tenant) == 4
    return made


def test_a_segment_has_the_moves_of_its_customers_in_whatever_case_and_no_segment_those_of_the_others(
    tenant, customers
):
    assert moves_by_segment(tenant) == {"enterprise": 9, "mid-market": 3, "": 1}
    assert find_wrong_sums(tenant) == {}


def test_who_changes_the_segment_takes_the_whole_past_along_and_everybody_s_sums_stay(tenant, customers):
    with tenant_context(tenant.id):
        put(tenant, customers["ann"], "Mid-Market", days=90)
    keeper = FactKeeper()
    assert keeper.keep_facts(tenant) == 1 and keeper.keep_facts(tenant) == 0
    assert moves_by_segment(tenant) == {"enterprise": 4, "mid-market": 8, "": 1}
    with tenant_context(tenant.id):
        put(tenant, customers["bob"], "", days=91)
        put(tenant, customers["cyd"], "SMB", days=91)
    # Among those of whom something was recorded lately.
    assert keeper.keep_facts(tenant) == 2
    assert moves_by_segment(tenant) == {"mid-market": 5, "smb": 3, "": 5}
    assert find_wrong_sums(tenant) == {}
    assert [progress.different for progress in rebuild_facts(tenant, write=False)][-1] == 0


def test_until_a_change_of_segment_is_counted_lists_have_as_many_as_figures_say(tenant, customers):
    period = Period(at(0).date(), at(100).date(), segment="enterprise")

    def figure_and_list():
        with tenant_context(tenant.id):
            moved = sum(flow.customers for flow in read_flows(period, tenant=tenant) if flow.to_stage == "0:Active")
            asked = {"stages": ["0:Active"], "from_stages": None, "reason": None}
            rows, count = list_behind("moves", period, tenant=tenant, **asked)
            return moved, count, len(rows)

    assert figure_and_list() == (3, 3, 3)
    with tenant_context(tenant.id):
        put(tenant, customers["ann"], "Mid-Market", days=90)
    assert figure_and_list() == (3, 3, 3)
    keep_facts(tenant)
    assert figure_and_list() == (1, 1, 1)


def test_a_new_move_of_one_whose_segment_has_changed_is_counted_in_the_new_one_alone(tenant, customers):
    with tenant_context(tenant.id):
        put(tenant, customers["dan"], "SMB", days=90)
        step(tenant, customers["dan"], 91, "Active")
    assert keep_facts(tenant) == 1
    assert moves_by_segment(tenant) == {"enterprise": 9, "mid-market": 3, "smb": 2}
    assert find_wrong_sums(tenant) == {}


def test_a_planted_difference_is_found_and_made_right(tenant, customers):
    whole = everything(tenant)
    with tenant_context(tenant.id):
        SegmentFact.objects.filter(kind="flow", segment="mid-market", to_stage="0:Churned").update(customers=4)
        InsightState.objects.filter(customer_id=customers["dan"].id).update(segment="smb")
    assert find_wrong_sums(tenant) == {
        "flow by segment": 3,
        **{f"{kind} by segment": 2 for kind in ("known", "reason", "cohort", "reach")},
    }
    assert [progress.different for progress in rebuild_facts(tenant, write=False)][-1] == 1
    assert [progress.different for progress in rebuild_facts(tenant)][-1] == 1
    sums.replace_sums(tenant, find_wrong_sums(tenant))
    assert everything(tenant) == whole and find_wrong_sums(tenant) == {}


@pytest.mark.parametrize("change", [{"day": F("day") - timedelta(days=1)}, {"label": "CHF"}])
def test_sums_that_are_wrong_only_in_their_day_or_currency_are_made_again(tenant, customers, change):
    """As the former release leaves them, which renews the stays after a late report and knows of no segments."""
    whole = everything(tenant)
    with tenant_context(tenant.id):
        assert SegmentFact.objects.filter(kind="flow", segment="mid-market").update(**change) == 3
    assert repair_sums(tenant) == {"flow by segment": 6}
    assert sorted(row[2:] for row in everything(tenant)) == sorted(row[2:] for row in whole)
    assert repair_sums(tenant) == {}


def test_what_a_process_of_the_former_release_left_out_is_made_good_as_this_one_starts(tenant, customers, monkeypatch):
    with tenant_context(tenant.id):
        step(tenant, customers["ann"], 90, "At-Risk")
    with monkeypatch.context() as patch:
        # It knows neither the table nor in which segment whom was counted.
        patch.setattr(sums, "_TABLES", sums._TABLES[:1])
        patch.setattr(keeping, "_COUNTED", "SELECT NULL::uuid, NULL::text, NULL::text WHERE %(customer_ids)s IS NULL")
        assert keep_facts(tenant) == 1
    assert moves_by_segment(tenant) == {"enterprise": 9, "mid-market": 3, "": 1}
    with capture_logs() as logs:
        FactKeeper().keep_facts(tenant)
    assert [one["tenant"] for one in logs if one["event"] == "sums made again"] == [tenant.slug]
    assert moves_by_segment(tenant) == {"enterprise": 10, "mid-market": 3, "": 1}
    assert find_wrong_sums(tenant) == {} and repair_sums(tenant) == {}


def test_a_segment_that_was_changed_behind_the_product_s_back_is_found_within_the_hour(tenant, customers):
    clock = [utc_now()]
    keeper = FactKeeper(lambda: clock[0])
    keeper.keep_facts(tenant)
    with tenant_context(tenant.id):
        Customer.objects.filter(id=customers["dan"].id).update(segment="SMB")
    clock[0] += SELDOM
    assert keeper.keep_facts(tenant) == 1
    assert moves_by_segment(tenant) == {"enterprise": 9, "mid-market": 3, "smb": 1}


def test_the_migration_makes_of_former_stays_the_sums_that_the_job_makes(tenant, other_tenant, customers):
    tell(other_tenant, {"eve": [(0, "Trial"), (3, "Rollout")]}, {"eve": [(1, 100, "EUR"), (2, 90, "USD")]})
    keep_facts(other_tenant)
    before = [everything(one) for one in (tenant, other_tenant)]
    assert all(before)
    for one in (tenant, other_tenant):
        with tenant_context(one.id):
            SegmentFact.objects.all().delete()
            InsightState.objects.update(segment=None)
    for _run in range(2):
        with connections["owner"].schema_editor(atomic=MIGRATION.atomic) as editor:
            MIGRATION.apply(ProjectState(), editor)
        assert [everything(one) for one in (tenant, other_tenant)] == before
    assert [keep_facts(one) for one in (tenant, other_tenant)] == [0, 0]


def test_one_tenant_s_segments_are_not_another_s(tenant, other_tenant, customers):
    with tenant_context(other_tenant.id):
        assert not SegmentFact.objects.exists()
