"""The list of customers: every order, every filter, every page, compared with plain Python over all rows."""

import datetime as dt
import itertools
from dataclasses import dataclass

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.queries import listing
from lifecycle.queries.listing import ORDERINGS, InvalidCursor, ListQuery, list_customers
from lifecycle.rules.health import days_in_stage, health, overdue
from lifecycle.rules.urgency import urgency
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import SAAS, TenantFactory, utc_now
from tests.services.oracle import NOW, OWNERS, Oracle, make_customers


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    """A tenant with all kinds of customers."""
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration={**SAAS, "currency": "EUR", "rates": {"USD": 0.91}})
        make_customers(tenant)
        return tenant


@pytest.fixture(scope="module")
def oracle(crowd, django_db_blocker):
    with django_db_blocker.unblock():
        return Oracle(crowd)


@dataclass(frozen=True)
class Question:
    """A question as the oracle reads it."""

    stages: tuple[str, ...] = ()
    category: str | None = None
    at_risk: bool = False
    stuck: bool = False
    owner: str | None = None
    industry: str | None = None
    renewal_within: int | None = None
    search: str | None = None
    ordering: str = "-updated_at"
    cursor: str | None = None
    limit: int = 50

    def to_query(self):
        asked = {"stage": self.stages or None, "stuck": self.stuck or None, "at_risk": self.at_risk or None}
        asked |= {name: getattr(self, name) for name in ("category", "owner", "industry", "renewal_within")}
        chosen = {name: value for name, value in asked.items() if value is not None}
        return ListQuery(chosen, self.search, self.ordering, self.cursor, self.limit)


def ask(tenant, oracle, **asked):
    with tenant_context(tenant.id):
        return list_customers(Question(**asked).to_query(), tenant=tenant, policy=oracle.policy, now=NOW)


def read_all(tenant, oracle, **asked):
    """Every page, forward to the end and back again: the ids in order."""
    pages = [ask(tenant, oracle, **asked)]
    while pages[-1].next_cursor:
        pages.append(ask(tenant, oracle, **asked, cursor=pages[-1].next_cursor))
        assert pages[-1].rows, "a page was promised that does not exist"
    forward = [[row["customer_id"] for row in page.rows] for page in pages]
    assert pages[0].previous_cursor is None
    back, page = [forward[-1]], pages[-1]
    while page.previous_cursor:
        page = ask(tenant, oracle, **asked, cursor=page.previous_cursor)
        back.insert(0, [row["customer_id"] for row in page.rows])
    assert list(itertools.chain(*back)) == list(itertools.chain(*forward))
    return list(itertools.chain(*forward))


FILTERS = [
    {},
    {"at_risk": True},
    {"category": "engaged"},
    {"stages": ("Trial", "Lost")},
    {"stages": ("Trial",), "at_risk": True},
    {"stuck": True},
    {"owner": OWNERS[0]},
    {"owner": "no one"},
    {"industry": "Shipping"},
    {"industry": "shipping", "stuck": True},
    {"industry": "ÖKOLANDBAU", "owner": OWNERS[0]},
    {"industry": "shi"},
    {"owner": OWNERS[0], "at_risk": True},
    {"renewal_within": 5},
    {"renewal_within": 80, "stages": ("Live",)},
    {"search": "acme"},
    {"search": "Ac"},
    {"search": "crm-00"},
    {"search": "zorg_1"},
    {"search": "%"},
    {"search": "äpf", "owner": OWNERS[1]},
    {"search": "acme", "stuck": True},
    {"search": "PERSON17@X.example"},
    {"search": "person17@x"},
    {"search": "nothing like it"},
]


SHOWN_FROM_THE_START = {"match", "updated_at", "name", "arr", "renewal_on", "health", "urgency"}


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize("patience", ["generous", "impatient"])
def test_every_order_with_every_filter_is_read_whole_page_by_page(db, crowd, oracle, monkeypatch, ordering, patience):
    if patience == "impatient":
        # The ways that only large tenants would take: searches that find too much, walks that give up.
        monkeypatch.setattr(listing, "FEW", 3)
        monkeypatch.setattr(listing, "FEW_FIGURES", 3)
        monkeypatch.setattr(listing, "STEPS", 1)
        monkeypatch.setattr(listing, "FEWEST_STEPS", 1)
    # Of the orders that are computed alike, a few questions say enough.
    questions = FILTERS if ordering.lstrip("-") in SHOWN_FROM_THE_START else FILTERS[::6]
    for asked in questions:
        # With as many steps as a page of 200 has no walk gives up among 75 customers.
        for limit in (31, 200) if patience == "generous" or asked in FILTERS[::6] else (31,):
            query = Question(ordering=ordering, limit=limit, **asked)
            got = read_all(crowd, oracle, ordering=ordering, limit=limit, **asked)
            assert got == oracle.ids(query), (asked, limit)


def test_the_poorest_are_looked_for_where_stages_take_most_as_long_as_they_fill_the_page(db, crowd, oracle):
    scores = {customer.id: oracle.health(customer).score for customer in oracle.rows}
    # The usual formula takes 85 points of those whose stage takes none.
    poorest = [id_ for id_ in oracle.ids(Question(ordering="health")) if scores[id_] is not None and scores[id_] < 15]
    assert len(poorest) > 3, "else nothing is shown here"

    def look(limit, **asked):
        with tenant_context(crowd.id), CaptureQueriesContext(connection) as statements:
            found = list_customers(
                Question(ordering="health", limit=limit, **asked).to_query(),
                tenant=crowd,
                policy=oracle.policy,
                now=NOW,
            )
        return found, len(statements)

    filling, once = look(len(poorest) - 1)
    assert [row["customer_id"] for row in filling.rows] == poorest[:-1]
    beyond, twice = look(len(poorest))
    assert [row["customer_id"] for row in beyond.rows] == poorest
    assert twice == once + 1
    # The last of them, and those who come after it.
    last, again = look(3, cursor=filling.next_cursor)
    assert last.rows[0]["customer_id"] == poorest[-1]
    assert again == twice
    # Where no stage takes more than others everyone is looked at, once.
    assert look(3, stages=("Live",))[1] == look(3, stages=("Lost",))[1] == once


def test_a_row_shows_the_customer_its_figures_and_what_follows_from_them(db, crowd, oracle):
    for row in ask(crowd, oracle, limit=200).rows:
        customer = next(customer for customer in oracle.rows if customer.id == row["customer_id"])
        arr = oracle.figure(customer, "arr")
        assert (row["name"], row["external_id"], row["owner"]) == (customer.name, customer.external_id, customer.owner)
        assert (row["stage"], row["version"]) == (customer.status.stage, 1)
        assert row["arr"] == (None if arr is None else str(arr))
        assert row["urgency"] == oracle.urgency(customer) / 100
        assert row["health"]["score"] == oracle.health(customer).score
        assert row["category"] == oracle.policy.category(customer.status.stage)


def test_a_customer_that_moves_up_is_neither_shown_twice_nor_hides_another(db):
    from lifecycle.rules.transitions import Change
    from lifecycle.services.transitions.apply import Call, apply

    tenant = TenantFactory(configuration=SAAS)
    make_customers(tenant, count=30)
    oracle = Oracle(tenant)
    first = ask(tenant, oracle, limit=10)
    with tenant_context(tenant.id):
        last = oracle.ids(Question())[-1]
        stage = next(customer.status.stage for customer in oracle.rows if customer.id == last)
        target = oracle.policy.allowed_from(stage)[0]
        (moved,) = apply(
            Call(tenant, system_actor("tests"), "API", utc_now()),
            [Change(customer_id=last, stage=target, reason_code="Usage Dropped")],
        )
        assert moved.moved
    seen = [row["customer_id"] for row in first.rows]
    cursor = first.next_cursor
    while cursor:
        page = ask(tenant, oracle, limit=10, cursor=cursor)
        seen += [row["customer_id"] for row in page.rows]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen)) == 29
    assert last not in seen


def test_a_cursor_belongs_to_its_question_and_its_tenant(db, crowd, oracle, other_tenant):
    cursor = ask(crowd, oracle, limit=10, ordering="name").next_cursor
    assert ask(crowd, oracle, limit=50, ordering="name", cursor=cursor).rows
    for asked in ({"ordering": "-name"}, {"ordering": "name", "owner": "x"}, {"ordering": "name", "stuck": True}):
        with pytest.raises(InvalidCursor):
            ask(crowd, oracle, cursor=cursor, **asked)
    with pytest.raises(InvalidCursor), tenant_context(other_tenant.id):
        query = ListQuery(ordering="name", cursor=cursor)
        list_customers(query, tenant=other_tenant, policy=oracle.policy, now=NOW)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + "A", lambda c: c[1:], lambda _: "x", lambda _: "é"])
def test_an_altered_cursor_is_refused(db, crowd, oracle, change):
    cursor = ask(crowd, oracle, limit=10).next_cursor
    with pytest.raises(InvalidCursor):
        ask(crowd, oracle, cursor=change(cursor))


def test_the_cursor_of_an_order_by_time_keeps_the_time_of_the_first_page(db, crowd, oracle):
    first = ask(crowd, oracle, ordering="-urgency", limit=20)
    with tenant_context(crowd.id):
        much_later = NOW + dt.timedelta(days=40)
        query = ListQuery(ordering="-urgency", limit=20, cursor=first.next_cursor)
        second = list_customers(query, tenant=crowd, policy=oracle.policy, now=much_later)
    assert [row["customer_id"] for row in first.rows + second.rows] == oracle.ids(Question(ordering="-urgency"))[:40]


def test_no_row_of_another_tenant_is_ever_listed(db, crowd, oracle, other_tenant, other_customer):
    with tenant_context(other_tenant.id):
        policy = live_policy(other_tenant.id)
        for ordering in ORDERINGS:
            for search in (None, "acme", other_customer.name[:4]):
                query = ListQuery(ordering=ordering, search=search, limit=200)
                rows = list_customers(query, tenant=other_tenant, policy=policy, now=NOW).rows
                assert {row["customer_id"] for row in rows} <= {other_customer.id}


def test_without_a_context_nothing_is_listed(db, crowd, oracle):
    for ordering in ORDERINGS:
        assert list_customers(ListQuery(ordering=ordering), tenant=crowd, policy=oracle.policy, now=NOW).rows == []


@pytest.mark.parametrize(
    ("asked", "most"),
    [({}, 1), ({"at_risk": True}, 1), ({"owner": OWNERS[0]}, 1), ({"search": "acme"}, 1), ({"stuck": True}, 1)],
)
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_the_number_of_statements_depends_on_neither_the_size_of_a_page_nor_its_place(
    db, crowd, oracle, ordering, asked, most
):
    counts, cursor = [], None
    for limit in (1, 5, 60):
        with tenant_context(crowd.id), CaptureQueriesContext(connection) as statements:
            query = Question(ordering=ordering, limit=limit, cursor=cursor, **asked).to_query()
            page = list_customers(query, tenant=crowd, policy=oracle.policy, now=NOW)
        counts.append(len(statements))
        cursor = page.next_cursor
    # Those of poor health are looked for among the stages that take most first.
    assert set(counts) <= {most, most + (ordering == "health" and not asked)}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_the_urgency_of_sql_is_the_urgency_of_the_rules(db, data):
    """One statement over made-up figures: the formula stands twice and must say the same for any of them."""
    from lifecycle.queries.health import HEALTH, compile_health
    from lifecycle.queries.urgency import URGENCY
    from tenants.rules.configuration.health_formula import USUAL_HEALTH

    money = st.none() | st.decimals(min_value=-(10**6), max_value=10**10, places=2)
    arr, balance = data.draw(money), data.draw(money)
    csat = data.draw(st.none() | st.decimals(min_value=0, max_value=9, places=2))
    issues = data.draw(st.none() | st.integers(0, 10**6))
    days = data.draw(st.none() | st.integers(-3000, 3000))
    stay = data.draw(st.integers(-5, 5000))
    expected = data.draw(st.none() | st.integers(1, 400))
    category, penalty = data.draw(st.sampled_from([("engaged", 0), ("risk", 35), ("lost", 65)]))
    currency, rate = data.draw(st.sampled_from([("EUR", 1.0), ("USD", 0.91), ("JPY", 0.0062), ("XTS", None)]))
    entered = NOW - dt.timedelta(days=stay, seconds=data.draw(st.integers(0, 86399)))
    over = overdue(expected, days_in_stage(entered, NOW))
    judged = health(
        category=category,
        days_over=over,
        arr=arr,
        balance_overdue=balance,
        open_issues=issues,
        csat=csat,
        days_to_renewal=days,
    )
    usual = compile_health(USUAL_HEALTH)
    sql = usual.fill(f"""
        SELECT {URGENCY}, {HEALTH}
          FROM (SELECT %(entered)s::timestamptz AS stage_entered_at) s,
               (SELECT %(arr)s::numeric AS arr, %(currency)s::text AS currency, %(balance)s::numeric AS balance_overdue,
                       %(renewal)s::date AS renewal_on) b,
               (SELECT %(csat)s::numeric AS csat, %(issues)s::int AS open_issues) u,
               (SELECT %(expected)s::int AS max_days, %(penalty)s::int AS penalty,
                       %(category)s::text = 'lost' AS is_lost) w
    """)
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "entered": entered,
                "arr": arr,
                "currency": currency,
                "own_currency": "EUR",
                "currencies": ["", "EUR", "USD", "JPY"],
                "rates": [1.0, 1.0, 0.91, 0.0062],
                "balance": balance,
                "csat": csat,
                "issues": issues,
                "expected": expected,
                "penalty": penalty,
                "category": category,
                **usual.parameters,
                "now": NOW,
                "today": NOW.date(),
                "renewal": None if days is None else NOW.date() + dt.timedelta(days=days),
            },
        )
        found = cursor.fetchone()
    expected_urgency = urgency(penalty=judged.penalty, category=category, arr=arr, rate=rate, days_to_renewal=days)
    assert found == (expected_urgency, judged.score)
