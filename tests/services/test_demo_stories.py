"""The stories of the demo: always the same, within the rules of their tenant, and such as a manager believes."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from lifecycle.rules.event_types import SEGMENTS
from lifecycle.rules.sample_names import BUSINESSES, ROLES, name_company
from lifecycle.rules.transitions import Allowed, Change, Status, decide
from lifecycle.services.demo import scenarios
from lifecycle.services.demo.stories import tell_story, while_at_work
from lifecycle.services.demo.terms import TERMS
from lifecycle.services.demo.writings import TEXTS
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tests.rules.documents import check
from tests.services.demos import NOW, OWNERS


def test_a_story_is_always_the_same() -> None:
    reported = [tell_story(scenarios.ACME, 17, owners=OWNERS, now=NOW) for _ in range(2)]
    assert reported[0] == reported[1]
    assert reported[0] != tell_story(scenarios.ACME, 18, owners=OWNERS, now=NOW)


def test_a_hundred_thousand_companies_have_names_of_their_own() -> None:
    names = {name_company(number).name for number in range(100_000)}
    assert len(names) == 100_000
    assert max(map(len, names)) <= 60


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.slug)
def test_no_story_breaks_the_rules_of_its_tenant_or_of_time(scenario: scenarios.Scenario) -> None:
    policy = compile_policy(parse_configuration(scenario.document), version=1)
    no_one = uuid7()
    for number in range(600):
        story = tell_story(scenario, number, owners=OWNERS, now=NOW)
        stage, at = story.placed.stage, story.placed.at
        assert NOW - timedelta(days=731) <= at <= NOW
        for step in story.moves:
            change = Change(customer_id=no_one, stage=step.stage, reason_code=step.reason_code)
            decision = decide(policy, Status(customer_id=no_one, stage=stage, version=1), change, may_update=True)
            assert isinstance(decision, Allowed), (story.external_id, step, decision)
            assert at < step.at < NOW
            if step.entry_point == "UI":
                assert step.at.weekday() < 5 and 8 <= step.at.hour < 18
            stage, at = step.stage, step.at


def test_the_configurations_are_in_order_and_have_nothing_in_common() -> None:
    for scenario in scenarios.SCENARIOS:
        assert check(scenario.document) == []
    acme, globex = scenarios.ACME_DOCUMENT, scenarios.GLOBEX_DOCUMENT
    assert not set(acme["stages"]) & set(globex["stages"])
    for key in ("reason_codes", "max_days", "effects", "event_rules", "categories", "guidance"):
        assert acme[key] != globex[key]


def test_the_stories_look_like_a_business() -> None:
    stories = [tell_story(scenarios.ACME, number, owners=OWNERS, now=NOW) for number in range(2000)]
    last = Counter((story.moves or (story.placed,))[-1].stage for story in stories)
    assert set(last) == set(scenarios.ACME_DOCUMENT["stages"])
    assert 0.5 < last["Active"] / 2000 < 0.75
    assert 0.02 < last["At-Risk"] / 2000 < 0.08
    sources = Counter(step.entry_point for story in stories for step in story.moves)
    assert min(sources[source] for source in ("UI", "API", "EventListener")) > 500
    came = Counter(story.placed.at.month for story in stories if story.placed.entry_point == "EventListener")
    assert came[8] < came[10], "August is quiet, October is busy"


def billing_of(story: Any) -> dict[str, Any]:
    found = [fact.billing for fact in story.facts if fact.source == "/billing"]
    return found[0] if found else {}


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.slug)
def test_a_customer_success_manager_believes_the_figures(scenario: scenarios.Scenario) -> None:
    stories = [tell_story(scenario, number, owners=OWNERS, now=NOW) for number in range(2000)]
    categories = scenario.document["categories"]
    currencies: Counter[str] = Counter()
    past = 0
    for story in stories:
        billing = billing_of(story)
        if not billing:
            continue
        assert Decimal(billing["mrr"]) * 12 == Decimal(billing["arr"]) > 0
        currencies[billing["currency"]] += 1
        renewal = billing["renewal_on"] and date.fromisoformat(billing["renewal_on"])
        if renewal and renewal < NOW.date():
            past += 1
            assert categories[(story.moves or (story.placed,))[-1].stage] == "risk", story.external_id
            assert (NOW.date() - renewal).days <= 45
    assert past, "some renewals are overdue: that is their story"
    assert len(currencies) == 2
    assert min(currencies.values()) > 0.05 * sum(currencies.values())


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.slug)
def test_every_source_was_heard_of_lately(scenario: scenarios.Scenario) -> None:
    days = {"/crm": 2, "/billing": 3, "/support": 9}
    for number in range(500):
        heard: dict[str, datetime] = {}
        for fact in tell_story(scenario, number, owners=OWNERS, now=NOW).facts:
            heard[fact.source] = max(fact.occurred_at, heard.get(fact.source, fact.occurred_at))
        assert "/crm" in heard
        for source, at in heard.items():
            assert timedelta() <= NOW - at <= timedelta(days=days[source]), (number, source)


def test_people_have_the_names_and_phones_of_their_country() -> None:
    codes = {"GmbH": "+49 ", "AG": "+49 ", "Ltd": "+44 ", "SA": "+33 ", "BV": "+31 ", "Inc": "+1 ", "LLC": "+1 "}
    names = []
    for number in range(1000):
        story = tell_story(scenarios.ACME, number, owners=OWNERS, now=NOW)
        first = story.facts[0]
        ending = first.company["name"].rpartition(" ")[2]
        for contact in first.contacts or ():
            names.append(contact.name)
            assert contact.email is not None and contact.email.isascii()
            assert contact.phone is not None and contact.phone.startswith(codes.get(ending, "+1 "))
    assert sum(not name.isascii() for name in names) > 100
    segments = {
        tell_story(scenario, number, owners=OWNERS, now=NOW).facts[0].company["segment"]
        for scenario in scenarios.SCENARIOS
        for number in range(200)
    }
    assert segments == set(SEGMENTS)


def test_customers_that_are_to_be_won_have_no_contract_to_renew() -> None:
    seen = 0
    for number in range(2000):
        story = tell_story(scenarios.ACME, number, owners=OWNERS, now=NOW)
        billing = billing_of(story)
        if (story.moves or (story.placed,))[-1].stage in ("Prospect", "Churned") and billing:
            seen += 1
            assert billing["renewal_on"] is None
        signed = [(at, figures) for at, figures in story.contracts if "billing.arr" in figures]
        # A lost customer has nothing to renew from then on.
        ended = [(at, figures) for at, figures in story.contracts if "billing.arr" not in figures]
        is_over = bool(signed and billing and billing["renewal_on"] is None)
        lost = [step.at for step in story.moves if step.stage == "Churned"]
        assert ended == ([(lost[-1], {"billing.renewal_on": None})] if is_over else []), story.external_id
        assert not ended or signed[-1][0] < ended[0][0]
        for at, figures in signed:
            assert at < NOW and Decimal(figures["billing.mrr"]) * 12 == Decimal(figures["billing.arr"]) > 0
        dates = [figures["billing.renewal_on"] for _at, figures in signed]
        assert dates == sorted(dates)
    assert seen > 100


def test_people_write_while_they_are_at_work_where_that_fits_in() -> None:
    night, saturday = datetime(2026, 6, 10, 0, 30, tzinfo=UTC), datetime(2026, 6, 13, 12, tzinfo=UTC)
    early, late = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 20, tzinfo=UTC)
    assert while_at_work(night, after=early, before=late) == datetime(2026, 6, 10, 8, 12, 30, tzinfo=UTC)
    assert while_at_work(saturday, after=early, before=late) == datetime(2026, 6, 15, 13, tzinfo=UTC)
    assert while_at_work(saturday, after=early, before=datetime(2026, 6, 14, tzinfo=UTC)) == saturday


def test_names_with_every_kind_of_letter_are_among_the_first_thousand():
    names = " ".join(name_company(number).name for number in range(1_000))
    assert all(name in names for name in ("Müller", "São Paulo", "Straßer", "Łukasik"))


def test_people_of_each_demo_tenant_write_in_the_language_of_its_stages_and_reasons() -> None:
    english, german = TEXTS["en"], TEXTS["de"]
    for scenario, writings in ((scenarios.ACME, english), (scenarios.GLOBEX, german)):
        risk = [stage for stage, category in scenario.document["categories"].items() if category == "risk"]
        reasons = {code for stage in risk for code in scenario.document["reason_codes"][stage]}
        assert set(writings.by_reason) == reasons, scenario.slug
        assert TEXTS[scenario.language] is writings
    assert german.first_call == "{name} anrufen"
    assert not {*german.later, *german.routine, german.mention} & {*english.later, *english.routine, english.mention}


def test_the_german_tenant_s_crm_names_lines_of_business_and_roles_in_german() -> None:
    words = TERMS["de"]
    assert set(words) == {*BUSINESSES, *ROLES} and not TERMS["en"]
    for number in range(200):
        german, english = (
            tell_story(one, number, owners=OWNERS, now=NOW).facts[0] for one in (scenarios.GLOBEX, scenarios.ACME)
        )
        assert (german.company or {})["industry"] in words.values()
        assert (english.company or {})["industry"] in BUSINESSES
        assert {person.role for person in german.contacts or ()} <= set(words.values())
        assert {person.role for person in english.contacts or ()} <= set(ROLES)


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.slug)
def test_each_stage_of_a_demo_tenant_has_a_color_of_its_own(scenario: scenarios.Scenario) -> None:
    policy = compile_policy(parse_configuration(scenario.document), version=1)
    colors = [policy.color(stage) for stage in policy.stages]
    assert len(set(colors)) == len(colors)
