"""Each figure of each view of Insight opens its list, and the list has as many rows, or as much revenue, as it says."""

import re
from decimal import Decimal
from random import Random
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.http import QueryDict

from lifecycle.models import Customer
from lifecycle.services.insight import owners
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import Stages, list_behind
from lifecycle.web.insight_page import VIEWS, Behind, Question, show
from lifecycle.web.insight_saving import say_way
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, TenantFactory
from tests.services.test_insight import at, step, tell
from tests.web.test_saving import LATER, mail, plan, say, write

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
STAGES = MINIMAL["stages"]
PEOPLE = 30
# Heads of columns that count no one: how sure a share is, by how much two differ, what a row comes to.
NO_FIGURES = {"95% interval", "Difference", "Change"}
WHOSE = ["", "&owner=ben", "&owner=zoë", "&segment=ENTERPRISE", "&owner=Zoë&segment=mid-market"]
PERIODS = [f"from={at(5).date()}&to={at(74).date()}", f"from={at(-40).date()}&to={at(30).date()}"]


@pytest.fixture(scope="module")
def generated(django_db_setup, django_db_blocker):
    """Thirty customers with a past of chance: moves there and back, revenue in two currencies, work, publications.
    Zoë has so many of them that she has sums of her own, and Ben has not.
    """
    random = Random(13)
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration=RISKY)
        customers = tell(tenant, {f"c{n}": _past(random) for n in range(PEOPLE)}, _reports(random))
        with tenant_context(tenant.id):
            for number, customer in enumerate(customers.values()):
                _do_something(random, tenant, customer)
                if number % 5 == 0:
                    step(tenant, customer, 80, "Onboarded", source="Configuration")
                    step(tenant, customer, 82, random.choice(["Active", "At-Risk"]))
            ids = [customer.id for customer in customers.values()]
            Customer.objects.filter(id__in=ids[::2]).update(owner="Zoë", owner_key="zoë")
            Customer.objects.filter(id__in=ids[3::2]).update(owner="Ben", owner_key="ben")
            Customer.objects.filter(id__in=ids[::3]).update(segment="Enterprise")
        with mock.patch.object(owners, "MANY", PEOPLE // 2):
            keep_facts(tenant)
        # Of some the episodes are kept, of the others they are looked up.
        keep_episodes(tenant, clock=lambda: at(60))
    return tenant


def _past(random):
    """Days and stages, each another one than before; at risk more often than not, and a clock goes back."""
    story, day, stage = [], random.uniform(0, 30), None
    for _ in range(random.randint(2, 8)):
        stage = random.choice([one for one in (*STAGES, "At-Risk", "Active") if one not in (stage, "Onboarded")])
        story.append((day, stage))
        day += random.choice([-0.5, 0, 3, 8, 8, 15])
    return story


def _reports(random):
    return {
        f"c{n}": [
            (day, random.choice([0, 40, 70, 110]), random.choice(["EUR", "EUR", "USD"]))
            for day in sorted(random.sample(range(1, 75), random.randint(1, 4)))
        ]
        for n in range(PEOPLE)
        if n % 4
    }


def _do_something(random, tenant, customer):
    for day in random.sample(range(75), 4):
        random.choice([write, plan, lambda *of: mail(*of, "contact:1")])(tenant, customer, day)
    say(tenant, customer, random.randint(0, 40), {"support.open_issues": random.choice([0, 5])})


class Lists:
    """What the lists behind figures have, as the page reads their addresses."""

    def __init__(self, tenant, stages):
        self.tenant, self.stages, self.read = tenant, stages, {}

    def rows(self, address):
        if address not in self.read:
            asked = QueryDict(urlsplit(address).query)
            question = Question.read(asked, LATER.date())
            behind = Behind.read(asked, question, self.stages, now=LATER)
            assert behind.sentence and "%(" not in behind.sentence and ": )" not in behind.sentence
            rows, count, page = [], None, 0
            while count is None or len(rows) < count:
                page += 1
                more, count = list_behind(behind.figure, question.period, tenant=self.tenant, page=page, **behind.asked)
                assert more or not count
                rows += more
            assert len(rows) == count
            self.read[address] = rows
        return self.read[address]


def money_of(rows, currency, column="arr"):
    return sum((row[column] for row in rows if column == "change" or row["currency"] == currency), Decimal())


def check_cell(table, row, number, lists):
    """Whether the cell is a figure; what it says is what its list has."""
    head, cell = table.heads[number], row[number]
    if cell.is_head or not cell.is_number or head in NO_FIGURES or not re.search(r"[1-9]", cell.text):
        return False
    assert cell.address, (table.name, row[0].text, head, cell.text)
    rows = lists.rows(cell.address)
    if table.name == "revenue-by-stage":
        found = [f"{money_of(rows, one[-3:]).normalize():f} {one[-3:]}" for one in cell.plain.split(", ")]
        assert ", ".join(found) == cell.plain, cell.address
    elif table.name == "revenue-gained-and-lost":
        assert money_of(rows, row[0].text, "change") == Decimal(cell.plain), (cell.address, rows)
        assert rows and all(one["change"] for one in rows)
    elif table.name == "ways-out" or (table.name == "time-in-stage" and number > 2):
        # An estimate of all stays.
        assert len(rows) > 0 and "way=%2A" in cell.address
    else:
        shown = re.search(r"\((?:\d+ of )?(\d+)\)$|^(\d+)$", cell.plain)
        assert len(rows) == int(shown[1] or shown[2]), (table.name, head, cell.plain, cell.address)
    return True


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("period", PERIODS)
def test_each_figure_of_each_view_opens_a_list_that_has_what_it_says(generated, db, period, whose):
    tenant, figures = generated, {}
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        lists = Lists(tenant, stages)
        for view in VIEWS:
            question = Question.read(QueryDict(f"{period}{whose}&show={view}"), LATER.date())
            assert not question.trouble
            for table in show(question, stages, tenant=tenant, now=LATER, may_open=True).tables:
                assert all(len(row) == len(table.heads) for row in table.rows), table.name
                cells = [(row, number) for row in table.rows for number in range(len(row))]
                figures[table.name] = sum(check_cell(table, row, number, lists) for row, number in cells)
    # The filters of the page are part of each address.
    assert all(set(parse_qsl(whose[1:])) <= set(parse_qsl(urlsplit(address).query)) for address in lists.read)
    assert all(figures.values()) or whose.count("=") == 2, figures
    assert len(lists.read) > 40 and len(figures) == 14


def test_where_no_stage_is_lost_those_who_recovered_are_listed_all_the_same(db):
    tenant = TenantFactory(configuration={**MINIMAL, "categories": {"At-Risk": "risk"}})
    tell(tenant, {"ann": [(0, "Active"), (10, "At-Risk"), (40, "Active")]}, {})
    keep_facts(tenant)
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        question = Question.read(QueryDict(f"{PERIODS[0]}&show=save"), LATER.date())
        (table,) = show(question, stages, tenant=tenant, now=LATER, may_open=True).tables
        lists = Lists(tenant, stages)
        of_all = table.rows[0]
        assert [cell.plain for cell in of_all[2:4]] == ["1", "100% (1)"]
        assert check_cell(table, of_all, 2, lists) and check_cell(table, of_all, 3, lists)


def test_those_who_are_compared_and_those_alike_are_listed_and_said(generated, db):
    tenant = generated
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        lists = Lists(tenant, stages)
        question = Question.read(QueryDict(f"{PERIODS[0]}&show=save"), LATER.date())
        (table,) = show(question, stages, tenant=tenant, now=LATER, may_open=True).tables
        addresses = {cell.address for row in table.rows for cell in row if cell.address}
        asked = [QueryDict(urlsplit(address).query) for address in addresses]
        said = {Behind.read(one, question, stages, now=LATER).sentence.partition(": ")[2] for one in asked}
        for row in table.rows:
            if row[5].address:
                done, comparable, alike = (
                    {(one["customer_id"], one["entered"]) for one in lists.rows(row[number].address)}
                    for number in (2, 5, 7)
                )
                assert comparable <= done and not alike & done and alike
    assert "A note was written (those with customers to compare)" in said
    assert "Nothing (those like the customers of: A note was written)" in said
    assert (
        say_way("task comparable recovered") == "A task was added, and they recovered (those with customers to compare)"
    )
    assert (
        say_way("task alike recovered") == "Nothing (those like the customers of: A task was added), and they recovered"
    )
    assert [say_way(way) for way in ("x", "note x", "nothing alike", "")] == [""] * 4
