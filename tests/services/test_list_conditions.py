# ruff: noqa: ARG005
"""Filters that are put together with and, or and not: compared with plain Python over all rows, counted, selected."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.queries import listing, selection
from lifecycle.queries.list_condition_kinds import InvalidWhere
from lifecycle.queries.list_conditions import CONDITIONS, read_where, say_where
from lifecycle.queries.listing import ListQuery, list_customers
from lifecycle.queries.selection import Count, count_customers, select_customers
from lifecycle.rules.expressions import write_expression
from lifecycle.rules.health import days_in_stage
from tenants.context import tenant_context
from tests.factories import SAAS, TenantFactory
from tests.services.oracle import NOW, OWNERS, Oracle, make_customers

LATER = NOW - dt.timedelta(hours=2)
IN_A_WEEK = (NOW.date() + dt.timedelta(days=7)).isoformat()


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration={**SAAS, "currency": "EUR", "rates": {"USD": 0.91}})
        make_customers(tenant)
        return tenant


@pytest.fixture(scope="module")
def oracle(crowd, django_db_blocker):
    with django_db_blocker.unblock():
        return Oracle(crowd)


def stay(customer):
    return days_in_stage(customer.status.stage_entered_at, NOW)


def at_least(figure, least):
    return figure is not None and figure >= least


# The expression, and the same as a person would write it in Python: of the oracle and a customer.
QUESTIONS = {
    "stage:Trial": lambda o, c: c.status.stage == "Trial",
    "stage:Trial,Lost": lambda o, c: c.status.stage in ("Trial", "Lost"),
    "not stage:Trial": lambda o, c: c.status.stage != "Trial",
    "category:engaged,lost": lambda o, c: o.policy.category(c.status.stage) in ("engaged", "lost"),
    "at_risk:true": lambda o, c: o.policy.category(c.status.stage) == "risk",
    "at_risk:false": lambda o, c: o.policy.category(c.status.stage) != "risk",
    "stuck:true": lambda o, c: o.is_stuck(c),
    "stuck:false": lambda o, c: not o.is_stuck(c),
    f"owner:{OWNERS[0].upper()}": lambda o, c: c.owner == OWNERS[0],
    'owner:""': lambda o, c: c.owner == "",
    f'owner:"",{OWNERS[1]}': lambda o, c: c.owner in ("", OWNERS[1]),
    "industry:SHIPPING,ökolandbau": lambda o, c: c.industry.lower() in ("shipping", "ökolandbau"),
    'segment:""': lambda o, c: True,
    "segment:SMB": lambda o, c: False,
    "days_in_stage>=14": lambda o, c: stay(c) >= 14,
    "days_in_stage<=14": lambda o, c: stay(c) <= 14,
    "days_in_stage:14": lambda o, c: stay(c) == 14,
    "days_in_stage>=0": lambda o, c: True,
    f"updated_at>={LATER:%Y-%m-%d}": lambda o, c: c.status.updated_at.date() >= LATER.date(),
    f"updated_at<={LATER:%Y-%m-%d}": lambda o, c: c.status.updated_at.date() <= LATER.date(),
    f"updated_at:{LATER:%Y-%m-%d}": lambda o, c: c.status.updated_at.date() == LATER.date(),
    f"updated_at>={LATER.isoformat()}": lambda o, c: c.status.updated_at >= LATER,
    f"updated_at<={LATER.isoformat()}": lambda o, c: c.status.updated_at <= LATER,
    "renewal_within:5": lambda o, c: o.days_to_renewal(c) is not None and 0 <= o.days_to_renewal(c) <= 5,
    # As it was called before.
    "renewing_within:5": lambda o, c: o.days_to_renewal(c) is not None and 0 <= o.days_to_renewal(c) <= 5,
    f"renewal_on>={IN_A_WEEK}": lambda o, c: o.days_to_renewal(c) is not None and o.days_to_renewal(c) >= 7,
    f"renewal_on<={IN_A_WEEK}": lambda o, c: o.days_to_renewal(c) is not None and o.days_to_renewal(c) <= 7,
    'renewal_on:""': lambda o, c: o.days_to_renewal(c) is None,
    # In the tenant's currency: 12000.50 USD are 10920.455 EUR.
    "arr>=10920.455": lambda o, c: at_least(o.worth(c), Decimal("10920.455")),
    "arr:100": lambda o, c: o.worth(c) == 100,
    'arr:""': lambda o, c: o.worth(c) is None,
    "health<=60": lambda o, c: o.health(c).score is not None and o.health(c).score <= 60,
    "not health<=60": lambda o, c: o.health(c).score is None or o.health(c).score > 60,
    'health:""': lambda o, c: o.health(c).score is None,
    "open_issues>=2": lambda o, c: at_least(o.figure(c, "open_issues"), 2),
    "company_age>=300": lambda o, c: True,
    "company_age<=299": lambda o, c: False,
    "billing_age:300": lambda o, c: c.id in o.billing,
    'billing_age:""': lambda o, c: c.id not in o.billing,
    "support_age>=1": lambda o, c: c.id in o.support,
    'changed:"","",""': lambda o, c: False,
    "stage:Trial and (open_issues>=2 or arr>=100)": lambda o, c: (
        c.status.stage == "Trial" and (at_least(o.figure(c, "open_issues"), 2) or at_least(o.worth(c), 100))
    ),
    "stage:Trial and open_issues>=2 or arr>=100": lambda o, c: (
        (c.status.stage == "Trial" and at_least(o.figure(c, "open_issues"), 2)) or at_least(o.worth(c), 100)
    ),
    "renewal_within:80 and days_in_stage>=14": lambda o, c: (
        o.days_to_renewal(c) is not None and 0 <= o.days_to_renewal(c) <= 80 and stay(c) >= 14
    ),
    "not (owner:bob@saas.example or renewal_within:80 or stuck:true)": lambda o, c: (
        (c.owner != OWNERS[1] and not (o.days_to_renewal(c) is not None and 0 <= o.days_to_renewal(c) <= 80))
        and not o.is_stuck(c)
    ),
}


def ask(crowd, oracle, text, **options):
    where = read_where(text, oracle.policy, crowd)
    return ListQuery(where=where, **options)


def read_all(crowd, oracle, text, **options):
    ids, cursor = [], None
    while True:
        query = ask(crowd, oracle, text, limit=40, cursor=cursor, **options)
        page = list_customers(query, tenant=crowd, policy=oracle.policy, now=NOW)
        ids += [row["customer_id"] for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return ids


@pytest.mark.parametrize("patience", ["generous", "impatient"])
@pytest.mark.parametrize("ordering", ["-updated_at", "-arr", "renewal_on", "health"])
def test_every_question_is_answered_in_every_way_of_reading_the_list(
    db, crowd, oracle, monkeypatch, ordering, patience
):
    if patience == "impatient":
        for name in ("FEW_FIGURES", "STEPS", "FEWEST_STEPS"):
            monkeypatch.setattr(listing, name, 1)
    with tenant_context(crowd.id):
        for text, passes in QUESTIONS.items():
            expected = {customer.id for customer in oracle.rows if passes(oracle, customer)}
            found = read_all(crowd, oracle, text, ordering=ordering)
            assert len(found) == len(set(found)), text
            assert set(found) == expected, text


def test_the_questions_ask_for_every_field_and_most_find_some_but_not_all(oracle):
    assert {
        name for name in CONDITIONS if not any(f"{name}{o}" in t for t in QUESTIONS for o in (":", ">=", "<="))
    } == set()
    sizes = [sum(passes(oracle, customer) for customer in oracle.rows) for passes in QUESTIONS.values()]
    assert sum(0 < size < len(oracle.rows) for size in sizes) > len(sizes) * 3 / 4


def test_it_is_counted_and_selected_exactly_and_together_with_the_simple_filters_and_a_search(db, crowd, oracle):
    with tenant_context(crowd.id):
        for text, passes in QUESTIONS.items():
            for simple in ({}, {"category": "engaged"}, {"owner": OWNERS[0]}):
                for search in (None, "acme"):
                    expected = {
                        customer.id
                        for customer in oracle.rows
                        if passes(oracle, customer)
                        and ("category" not in simple or oracle.policy.category(customer.status.stage) == "engaged")
                        and ("owner" not in simple or customer.owner == OWNERS[0])
                        and (search is None or "acme" in customer.name_key)
                    }
                    query = ask(crowd, oracle, text, filters=simple, search=search)
                    options = {"tenant": crowd, "policy": oracle.policy, "now": NOW}
                    assert count_customers(query, **options) == Count(len(expected)), text
                    assert select_customers(query, most=1000, **options) == sorted(expected), text


def test_what_is_too_much_to_count_is_said_to_be_more(db, crowd, oracle, monkeypatch):
    options = {"tenant": crowd, "policy": oracle.policy, "now": NOW}
    query = ask(crowd, oracle, "days_in_stage>=0")
    with tenant_context(crowd.id):
        monkeypatch.setattr(selection, "MOST_COUNTED", 10)
        with CaptureQueriesContext(connection) as statements:
            assert count_customers(query, **options) == Count(10, is_exact=False)
        assert len(statements) == 1
        monkeypatch.setattr(selection, "MOST_COUNTED", 1000)
        assert count_customers(query, **options) == Count(75)
        monkeypatch.setattr(selection, "MOST_LOOKED_AT", 20)
        assert count_customers(query, **options) == Count(20, is_exact=False)
        assert len(select_customers(query, most=10, **options)) == 11


def test_another_tenants_customers_are_neither_counted_nor_selected(db, crowd, oracle, other_tenant, other_customer):
    with tenant_context(other_tenant.id):
        query = ask(crowd, oracle, "days_in_stage>=0 or not owner:x")
        options = {"tenant": other_tenant, "policy": oracle.policy, "now": NOW}
        assert select_customers(query, most=1000, **options) == [other_customer.id]
        query = ask(crowd, oracle, "days_in_stage>=0 or not owner:x")
        options["tenant"] = crowd
        assert select_customers(query, most=1000, **options) == []
        assert count_customers(query, **options) == Count(0)


def test_who_moved_from_one_stage_to_another_since_a_day_is_found_also_by_a_name_the_stage_had(db):
    from lifecycle.rules.transitions import Change
    from lifecycle.services.transitions.apply import Call, apply
    from tenants.actors import system_actor

    tenant = TenantFactory(configuration=SAAS)
    make_customers(tenant, count=20)
    oracle = Oracle(tenant)
    with tenant_context(tenant.id):
        customer = next(one for one in oracle.rows if oracle.policy.allowed_from(one.status.stage))
        before = customer.status.stage
        after = oracle.policy.allowed_from(before)[0]
        change = Change(customer_id=customer.id, stage=after, reason_code="Usage Dropped")
        assert apply(Call(tenant, system_actor("tests"), "API", NOW), [change])[0].moved
        today, tomorrow = NOW.date().isoformat(), (NOW.date() + dt.timedelta(days=1)).isoformat()
        for asked, found in (
            (f'changed:"{before}","{after}",{today}', [customer.id]),
            (f'changed:"{before}","",""', [customer.id]),
            (f'changed:"","{after}",""', [customer.id]),
            (f'changed:"","",{today}', [customer.id]),
            (f'changed:"{before}","{after}",{tomorrow}', []),
            (f'changed:"{after}","{before}",""', []),
            (f'not changed:"","","" and stage:"{after}"', None),
        ):
            query = ListQuery(where=read_where(asked, oracle.policy, tenant))
            got = select_customers(query, tenant=tenant, policy=oracle.policy, now=NOW, most=100)
            assert got == found if found is not None else customer.id not in got, asked


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("colour:red", "There is no field “colour”; the fields are “stage”, “category”"),
        ("stage:Nowhere", "stage: There is no stage “Nowhere”. Choose one of: “Trial”"),
        ("stage>=Trial", "“stage” cannot be compared with >=; write “stage:”."),
        ("days_in_stage>=soon", "days_in_stage: “soon” is not a number"),
        ("days_in_stage>=1.5", "days_in_stage: “1.5” must be a whole number. Give a number of days from 0 to 3650."),
        ("days_in_stage>=99999", "days_in_stage: “99999” must be from 0 to 3,650. Give a number"),
        ("days_in_stage:1,2", "“days_in_stage” takes one value."),
        ("renewal_on>=tomorrow", "renewal_on: “tomorrow” is not a date such as 2026-03-31."),
        ("updated_at>=2026-03-31T09:00:00", "updated_at: “2026-03-31T09:00:00” is not a timestamp such as"),
        ("updated_at>=yesterday", "updated_at: “yesterday” is not a date such as 2026-03-31."),
        ("arr>=1e999999", "arr: “1e999999” "),
        ('arr>=""', "arr: "),
        ("health>=101", "health: “101” must be from 0 to 100."),
        ("changed:Trial", "changed: "),
        ("changed:Trial,Nowhere,", "A value is missing after “changed:”."),
        ('changed:Trial,Nowhere,""', "changed: There is no stage “Nowhere”."),
        ("owner:a and and owner:b", "The filter cannot be read from “and owner:b” on."),
        ("(owner:a", "The filter ends too early"),
        ("at_risk:maybe", "at_risk: “maybe” is not one of the values. Choose one of: “true” and “false”."),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(db, crowd, oracle, text, sentence):
    with tenant_context(crowd.id), pytest.raises(InvalidWhere) as refused:
        read_where(text, oracle.policy, crowd)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "words", "spelled"),
    [
        ("stage:Trial,Lost", "stage is “Trial” or “Lost”", None),
        ('owner:""', "owner is not set", None),
        ('owner:"",ann', "owner is “ann” or not set", None),
        ("days_in_stage>=030", "time in stage is at least 30 days", "days_in_stage>=30"),
        ("days_in_stage:1", "time in stage is 1 day", None),
        ("arr>=12000.50", "ARR is at least 12,000.5", "arr>=12000.5"),
        ("renewal_within:30", "renewal is due within 30 days", None),
        ("renewing_within:30", "renewal is due within 30 days", "renewal_within:30"),
        (
            "updated_at>=2026-03-31t09:00:00+02:00",
            "last change is on or after 2026-03-31T07:00:00+00:00",
            "updated_at>=2026-03-31T07:00:00+00:00",
        ),
        ("changed:Trial,Lost,2026-03-31", "moved from “Trial” to “Lost” since 31 Mar 2026", None),
        (
            "renewal_on>=2026-12-01 and renewal_on<=2026-12-31",
            "renewal date is on or after 1 Dec 2026 and renewal date is on or before 31 Dec 2026",
            None,
        ),
        ("category:RISK,engaged", "category is “At risk” or “Engaged”", "category:risk,engaged"),
        ('category:"at risk"', "category is “At risk”", "category:risk"),
        ("stage:trial", "stage is “Trial”", "stage:Trial"),
        ("stuck:true and at_risk:FALSE", "stuck in stage and not at risk", "stuck:true and at_risk:false"),
        (
            "health<=40 and (owner:ann or not segment:SMB)",
            "health is at most 40 and (owner is “ann” or not (segment is “SMB”))",
            None,
        ),
    ],
)
def test_a_filter_is_said_in_words_and_spelled_in_one_way(db, crowd, oracle, text, words, spelled):
    with tenant_context(crowd.id):
        where = read_where(text, oracle.policy, crowd)
    assert say_where(where) == words
    assert write_expression(where) == (spelled or text)
