"""Owners of very many customers have sums, as long as they are that many; they follow customers from owner to owner."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from audit.services.feed import floor_of
from lifecycle.models import CountedOwner, Customer, InsightState, OwnerFact
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight import keeping, owners, sums
from lifecycle.services.insight.keeping import keep_facts, rebuild_facts
from lifecycle.services.insight.owners import choose_owners
from lifecycle.services.insight.reading import (
    Period,
    list_behind,
    read_cohorts,
    read_flows,
    read_reached,
    read_reasons,
    read_stays,
)
from lifecycle.services.insight.sums import find_wrong_sums, repair_sums, replace_sums
from lifecycle.services.insight.turns import TurnTaken, take_turn
from lifecycle.services.insight.working import SELDOM, FactKeeper
from tenants.context import tenant_context
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services.test_insight import ACTOR, NOW, at, say, step, tell

KEYS = tuple(f"0:{stage}" for stage in MINIMAL["stages"])


@pytest.fixture(autouse=True)
def three_are_many(monkeypatch):
    """Who has three customers gets sums, who has none any more loses them: half of three is one."""
    monkeypatch.setattr(owners, "MANY", 3)


def hand_over(tenant, customers, owner, *, days=80):
    """CRM says whose these customers are."""
    with tenant_context(tenant.id):
        facts = [CustomerFacts(one.external_id, "/crm", at(days), company={"owner": owner}) for one in customers]
        record_customers(facts, tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=False)


def everything(tenant):
    """All that is kept of owners."""
    with tenant_context(tenant.id):
        return (
            sorted(CountedOwner.objects.values_list("owner", flat=True)),
            sorted(OwnerFact.objects.values_list(), key=str),
            sorted(InsightState.objects.values_list("customer_id", "owner")),
        )


def moves_by_owner(tenant):
    found = Counter()
    with tenant_context(tenant.id):
        for owner, customers in OwnerFact.objects.filter(kind="flow").values_list("owner", "customers"):
            found[owner] += customers
    return dict(found)


def is_whole(tenant):
    """Whether the sums are those of the stays, and the stays those of the history."""
    return not find_wrong_sums(tenant) and [one.different for one in rebuild_facts(tenant, write=False)][-1] == 0


def read_all(period, tenant):
    """What every view that reads sums is made of."""
    with tenant_context(tenant.id):
        return (
            sorted(read_flows(period, tenant=tenant)),
            read_stays(period, KEYS, tenant=tenant, now=at(120)),
            read_reached(period, tenant=tenant),
            read_cohorts(period, (), tenant=tenant, today=at(100).date()),
            read_reasons(period, KEYS[:2], tenant=tenant),
        )


@pytest.fixture
def customers(tenant):
    """Four customers: ann, bob and cyd are Zoë's, which makes her one of very many; dan is Max's."""
    made = tell(tenant)
    hand_over(tenant, [made[name] for name in ("ann", "bob", "cyd")], "Zoë")
    hand_over(tenant, [made["dan"]], "Max")
    assert keep_facts(tenant) == 4
    return made


def test_an_owner_of_very_many_customers_has_the_sums_of_their_moves_and_one_of_few_has_none(tenant, customers):
    assert moves_by_owner(tenant) == {"zoë": 12}
    assert is_whole(tenant)


def test_the_sums_of_an_owner_say_what_the_stays_of_their_customers_say(tenant, customers):
    of_stays = Period(at(-5).date(), at(100).date(), owner="ZOË")
    with tenant_context(tenant.id):
        of_sums = of_stays.counted(tenant)
    assert (of_stays.whose, of_sums.whose) == ("others", "owner")
    found = read_all(of_sums, tenant)
    assert found == read_all(of_stays, tenant) and all(found)
    with CaptureQueriesContext(connection) as statements:
        read_all(of_sums, tenant)
    read = [one["sql"] for one in statements if "lifecycle_stay " in one["sql"]]
    # Only for how long those have been there that still are.
    assert len(read) == 1 and "to_stage = ''" in read[0]


def test_who_comes_to_have_very_many_gets_sums_with_the_next_look_and_loses_them_when_few_are_left(tenant, customers):
    others = [CustomerFactory(tenant=tenant, name=name, stage=None) for name in ("eve", "flo", "gus")]
    with tenant_context(tenant.id):
        for one in others:
            step(tenant, one, 5, "Prospect", first=True)
    keeper = FactKeeper()
    keeper.keep_facts(tenant)
    hand_over(tenant, others[:2], "Max", days=90)
    # None of these three was counted with another owner: no one is behind, and the owner is found all the same.
    assert keeper.keep_facts(tenant) == 0
    assert moves_by_owner(tenant) == {"zoë": 12, "max": 3} and is_whole(tenant)
    hand_over(tenant, others[:2], "", days=91)
    assert keeper.keep_facts(tenant) == 2
    assert moves_by_owner(tenant) == {"zoë": 12, "max": 1}, "one is not fewer than half of three"
    hand_over(tenant, [customers["dan"]], "", days=92)
    keeper.keep_facts(tenant)
    assert moves_by_owner(tenant) == {"zoë": 12} and everything(tenant)[0] == ["zoë"] and is_whole(tenant)
    with tenant_context(tenant.id):
        assert not Period(at(0).date(), at(9).date(), owner="max").counted(tenant).has_sums


def test_who_goes_to_another_owner_takes_the_whole_past_along_with_the_next_look(tenant, customers):
    hand_over(tenant, [customers["ann"], customers["bob"]], "Max", days=90)
    assert keep_facts(tenant) == 2
    assert moves_by_owner(tenant) == {"zoë": 3, "max": 10} and is_whole(tenant)
    hand_over(tenant, [customers["ann"]], "Zoë", days=91)
    assert keep_facts(tenant) == 1
    assert moves_by_owner(tenant) == {"zoë": 8, "max": 5} and is_whole(tenant)


def test_until_a_handover_is_counted_lists_have_as_many_as_figures_say(tenant, customers):
    keeper = FactKeeper()
    keeper.keep_facts(tenant)

    def figures_and_lists(owner):
        with tenant_context(tenant.id):
            period = Period(at(0).date(), at(100).date(), owner=owner)
            flows = read_flows(period.counted(tenant), tenant=tenant)
            moved = sum(flow.customers for flow in flows if flow.to_stage == "0:Active")
            asked = {"stages": ["0:Active"], "from_stages": None, "reason": None}
            rows, count = list_behind("moves", period, tenant=tenant, **asked)
            return moved, count, len(rows)

    assert figures_and_lists("zoë") == (3, 3, 3) and figures_and_lists("max") == (0, 0, 0)
    hand_over(tenant, [customers["ann"], customers["bob"]], "Max", days=90)
    # Zoë's are those that her sums count, Max's, who has none, are those of today.
    assert figures_and_lists("zoë") == (3, 3, 3) and figures_and_lists("max") == (3, 3, 3)
    keeper.keep_facts(tenant)
    assert figures_and_lists("zoë") == (0, 0, 0) and figures_and_lists("max") == (3, 3, 3)
    hand_over(tenant, [customers["ann"]], "Zoë", days=91)
    assert figures_and_lists("zoë") == (0, 0, 0) and figures_and_lists("max") == (3, 3, 3)
    keeper.keep_facts(tenant)
    assert figures_and_lists("zoë") == (2, 2, 2) and figures_and_lists("max") == (1, 1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_moves_reports_and_handovers_the_sums_are_those_of_the_stays(tenant, seed):
    random = Random(seed)
    made = [CustomerFactory(tenant=tenant, name=f"c{number}", stage=None) for number in range(8)]
    stages, listed = {}, set()
    with tenant_context(tenant.id):
        for one in made:
            stages[one] = random.choice(MINIMAL["stages"])
            step(tenant, one, random.uniform(0, 20), stages[one], first=True)
    for day in range(21, 33):
        with tenant_context(tenant.id):
            for one in random.sample(made, 3):
                stages[one] = random.choice([stage for stage in MINIMAL["stages"] if stage != stages[one]])
                step(tenant, one, day, stages[one])
                say(tenant, one, day - random.choice([0, 9]), random.randint(0, 90), random.choice(["EUR", "USD"]))
        hand_over(tenant, random.sample(made, random.randint(1, 6)), random.choice(["Zoë", "Max", ""]), days=day)
        if random.random() < 0.7:
            keep_facts(tenant)
            assert is_whole(tenant)
            listed.add(tuple(everything(tenant)[0]))
            for owner in everything(tenant)[0]:
                of_stays = Period(at(0).date(), at(40).date(), owner=owner)
                with tenant_context(tenant.id):
                    of_sums = of_stays.counted(tenant)
                assert of_sums.has_sums and read_all(of_sums, tenant) == read_all(of_stays, tenant)
    assert len(listed) > 1


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("way", ["comes", "goes"])
def test_killed_at_any_statement_everything_is_as_before_and_the_next_look_does_it(tenant, customers, monkeypatch, way):
    if way == "comes":
        monkeypatch.setattr(owners, "MANY", 1)
    else:
        monkeypatch.setattr(owners, "MANY", 99)
    before, killed = everything(tenant), 0

    def kill_at(number):
        left = [number]

        def watch(execute, statement, values, many, context):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return execute(statement, values, many, context)

        return watch

    while True:
        with connection.execute_wrapper(kill_at(killed)):
            try:
                choose_owners(tenant)
                break
            except Killed:
                killed += 1
        assert everything(tenant) == before and is_whole(tenant)
    assert killed > (10 if way == "comes" else 5)
    assert everything(tenant)[0] == (["max", "zoë"] if way == "comes" else []) and is_whole(tenant)
    assert moves_by_owner(tenant) == ({"max": 1, "zoë": 12} if way == "comes" else {})


def test_who_else_makes_stays_is_not_waited_for_by_the_job_and_nothing_is_done_twice(tenant, customers, monkeypatch):
    monkeypatch.setattr(owners, "MANY", 1)

    def choose_beside():
        try:
            choose_owners(tenant, waits=False)
        finally:
            connections.close_all()

    with tenant_context(tenant.id), ThreadPoolExecutor(1) as beside:
        take_turn(tenant)
        with pytest.raises(TurnTaken):
            beside.submit(choose_beside).result(timeout=50)
    assert everything(tenant)[0] == ["zoë"]
    for _again in range(2):
        choose_owners(tenant, waits=False)
        assert moves_by_owner(tenant) == {"max": 1, "zoë": 12} and is_whole(tenant)


def test_who_comes_from_an_owner_that_still_counts_them_is_not_counted_twice(tenant, customers):
    """The look was cut short before it was at them."""
    hand_over(tenant, [customers["ann"], customers["bob"]], "Max", days=90)
    choose_owners(tenant)
    assert everything(tenant)[0] == ["max", "zoë"] and moves_by_owner(tenant) == {"zoë": 12, "max": 1}
    assert not find_wrong_sums(tenant)
    assert keep_facts(tenant) == 2
    assert moves_by_owner(tenant) == {"zoë": 3, "max": 10} and is_whole(tenant)


def test_where_nothing_was_recorded_no_customers_are_counted_but_for_a_look_every_hour(tenant, customers):
    clock = [utc_now()]
    keeper = FactKeeper(lambda: clock[0])
    keeper.keep_facts(tenant)
    with tenant_context(tenant.id):
        Customer.objects.filter(id=customers["dan"].id).update(owner="Zoë", owner_key="zoë")
        Customer.objects.exclude(id=customers["dan"].id).update(owner="Max", owner_key="max")
    choose_owners(tenant, since=floor_of(clock[0] + SELDOM))
    assert everything(tenant)[0] == ["zoë"]
    clock[0] += SELDOM
    assert keeper.keep_facts(tenant) == 4
    assert moves_by_owner(tenant) == {"max": 12, "zoë": 1} and is_whole(tenant)


def test_a_planted_difference_is_found_and_made_right(tenant, customers):
    whole = everything(tenant)
    with tenant_context(tenant.id):
        OwnerFact.objects.filter(kind="flow", to_stage="0:Churned", day=at(70).date()).update(customers=4)
        InsightState.objects.filter(customer_id=customers["dan"].id).update(owner="zoë")
    assert find_wrong_sums(tenant) == {
        "flow by owner": 2,
        **{f"{kind} by owner": 1 for kind in ("known", "reason", "cohort", "reach")},
    }
    assert [progress.different for progress in rebuild_facts(tenant, write=False)][-1] == 1
    assert [progress.different for progress in rebuild_facts(tenant)][-1] == 1
    replace_sums(tenant, find_wrong_sums(tenant))
    assert everything(tenant) == whole and is_whole(tenant)


def test_moves_that_a_process_of_the_former_release_left_out_are_counted_as_this_one_starts(
    tenant, customers, monkeypatch
):
    with tenant_context(tenant.id):
        step(tenant, customers["ann"], 90, "At-Risk")
    with monkeypatch.context() as patch:
        # It knows of no owners: neither the table nor in which sums whom was counted.
        patch.setattr(sums, "_TABLES", sums._TABLES[:2])
        patch.setattr(keeping, "choose_owners", lambda *_, **__: None)
        assert keep_facts(tenant) == 1
    assert moves_by_owner(tenant) == {"zoë": 12}
    with capture_logs() as logs:
        FactKeeper().keep_facts(tenant)
    assert [one["tenant"] for one in logs if one["event"] == "sums made again"] == [tenant.slug]
    assert moves_by_owner(tenant) == {"zoë": 13} and is_whole(tenant) and repair_sums(tenant) == {}


def test_erased_a_customer_s_moves_still_count_for_the_owner_and_their_past_revenue_does_not(tenant, customers):
    with tenant_context(tenant.id):
        erase_customer(customers["ann"].external_id, tenant=tenant, actor=ACTOR, reason="asked", now=NOW)
    assert moves_by_owner(tenant) == {"zoë": 12} and is_whole(tenant)
    with tenant_context(tenant.id):
        assert set(OwnerFact.objects.filter(kind="value").values_list("label", "arr")) == set()


def test_one_tenant_s_owners_are_not_another_s(tenant, other_tenant, customers):
    with tenant_context(other_tenant.id):
        assert not OwnerFact.objects.exists() and not CountedOwner.objects.exists()
        assert not Period(at(0).date(), at(9).date(), owner="zoë").counted(other_tenant).has_sums
