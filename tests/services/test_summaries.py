"""What customers look like, read through the cache: exact after every write, free of statements on a hit."""

import datetime as dt
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from audit.services.keys import destroy_key
from lifecycle.models import Contact, Customer, CustomerLifecycleStatus
from lifecycle.queries.listing import ListQuery, list_customers
from lifecycle.rules.expressions import Condition
from lifecycle.rules.transitions import Change
from lifecycle.services.cache import cache_keys, copies
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers import summaries
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.history import read_history
from storage.redis import get_client
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, CustomerFactory, utc_now

ACTOR = system_actor("tests")


@pytest.fixture
def acme(tenant):
    """A customer of whom every module has reported something."""
    tell(
        tenant,
        company={"name": "Acme", "industry": "Steel", "segment": "Enterprise", "owner": "ann@t.example"},
        contacts=[ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 1", role="CTO")],
        billing={
            "currency": "EUR",
            "arr": "12000.00",
            "mrr": "1000.00",
            "balance_overdue": "300.00",
            "renewal_on": str(utc_now().date() + dt.timedelta(days=45)),
        },
        support={"open_issues": 2, "csat": "3.50"},
    )
    with tenant_context(tenant.id):
        return Customer.objects.get(external_id="acme")


def tell(tenant, **facts):
    fact = CustomerFacts(external_id="acme", source="/crm", occurred_at=utc_now(), event_id="e1", **facts)
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=True)


def move(tenant, customer, stage, reason=None, note=None):
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, ACTOR, "API", utc_now()),
            [Change(customer_id=customer.id, stage=stage, reason_code=reason, note=note)],
        )
    assert outcome.moved, outcome
    return outcome.record


def read(tenant, customer):
    return summaries.read_summary(customer.id, tenant=tenant, now=utc_now())


def profile(tenant, customer):
    return summaries.read_profile(customer.id, tenant=tenant, now=utc_now(), with_contact_details=True)


def stored(tenant, customer, part):
    return get_client().get(cache_keys.part_key(tenant.id, customer.id, part))


def test_a_summary_says_where_how_long_and_how_well(tenant, acme):
    summary = read(tenant, acme)
    assert (summary["stage"], summary["category"], summary["days_in_stage"]) == ("Prospect", "acquisition", 0)
    assert (summary["name"], summary["owner"], summary["version"]) == ("Acme", "ann@t.example", 1)
    assert summary["billing"] == {
        "currency": "EUR",
        "arr": "12000.00",
        "mrr": "1000.00",
        "balance_overdue": "300.00",
    }
    assert summary["renewal"]["days_to_renewal"] == 45
    assert (summary["support"]["open_issues"], summary["support"]["csat"]) == (2, "3.50")
    # 2.5 of 25 for arrears of 2.5%, 5 of 20 for a CSAT of 3.5, 6 for two issues, 5 of 10 for half of the 90 days:
    # 18.5 points less, rounded against the customer.
    assert summary["health"]["score"] == 81
    assert summary["health"]["confidence"] == 100


def test_a_hit_shows_the_same_as_the_miss_before_it_and_costs_no_statement(tenant, acme):
    now = utc_now()
    for reading in (summaries.read_summary, summaries.read_profile):
        missed = reading(acme.id, tenant=tenant, now=now)
        with CaptureQueriesContext(connection) as statements:
            hit = reading(acme.id, tenant=tenant, now=now)
        assert hit == missed
        assert len(statements) == 0
    missed = summaries.read_tenant_summary(tenant=tenant)
    with CaptureQueriesContext(connection) as statements:
        assert summaries.read_tenant_summary(tenant=tenant) == missed
    assert len(statements) == 0


def test_a_transition_shows_at_once(tenant, acme):
    read(tenant, acme), profile(tenant, acme), summaries.read_tenant_summary(tenant=tenant)
    record = move(tenant, acme, "At-Risk", "Low Engagement")
    with CaptureQueriesContext(connection) as statements:
        summary, whole = read(tenant, acme), profile(tenant, acme)
    assert len(statements) == 0, "the write has refreshed the cache, and not only emptied it"
    assert (summary["stage"], summary["version"], summary["reason_code"]) == ("At-Risk", 2, "Low Engagement")
    assert whole["lifecycle"]["stage"] == "At-Risk"
    assert whole["lifecycle"]["updated_at"] == record.updated_at
    by_stage = {row["stage"]: row["customers"] for row in summaries.read_tenant_summary(tenant=tenant)["stages"]}
    assert by_stage == {"Prospect": 0, "Onboarded": 0, "Active": 0, "At-Risk": 1, "Churned": 0}


def test_new_figures_show_at_once(tenant, acme):
    read(tenant, acme), profile(tenant, acme), summaries.read_tenant_summary(tenant=tenant)
    tell(tenant, billing={"arr": "50000.00"}, support={"csat": "5.00"}, company={"name": "Acme SE"})
    assert read(tenant, acme)["billing"]["arr"] == "50000.00"
    assert read(tenant, acme)["support"]["csat"] == "5.00"
    assert read(tenant, acme)["name"] == "Acme SE"
    assert profile(tenant, acme)["company"]["name"] == "Acme SE"
    assert summaries.read_tenant_summary(tenant=tenant)["total"]["money"] == [{"currency": "EUR", "arr": "50000.00"}]


def test_a_published_configuration_shows_at_once(tenant, acme):
    assert read(tenant, acme)["category"] == "acquisition"
    profile(tenant, acme), summaries.read_tenant_summary(tenant=tenant)
    changed = {**MINIMAL, "categories": {"Prospect": "renewal"}, "max_days": {"Prospect": 3}}
    with tenant_context(tenant.id):
        publish_configuration(changed, tenant=tenant, actor=ACTOR, now=utc_now())
    assert (read(tenant, acme)["category"], read(tenant, acme)["expected_days"]) == ("renewal", 3)
    assert profile(tenant, acme)["lifecycle"]["category"] == "renewal"
    assert summaries.read_tenant_summary(tenant=tenant)["stages"][0]["category"] == "renewal"


def test_days_are_counted_when_they_are_read_and_not_when_they_were_kept(tenant, acme):
    read(tenant, acme)
    later = utc_now() + dt.timedelta(days=10)
    summary = summaries.read_summary(acme.id, tenant=tenant, now=later)
    assert (summary["days_in_stage"], summary["renewal"]["days_to_renewal"]) == (10, 35)


def id_of(customer):
    """The id of the one contact of a customer."""
    with tenant_context(customer.tenant_id):
        return str(Contact.objects.get(customer_id=customer.id).id)


def test_a_profile_has_everything_in_clear_for_who_may_see_it(tenant, acme):
    whole = profile(tenant, acme)
    assert whole["id"] == str(acme.id)
    assert whole["external_id"] == "acme"
    assert {name: whole["company"][name] for name in ("name", "industry", "segment", "owner")} == {
        "name": "Acme",
        "industry": "Steel",
        "segment": "Enterprise",
        "owner": "ann@t.example",
    }
    assert whole["contacts"] == [
        {"id": id_of(acme), "name": "Zoë Beispiel", "email": "zoe@acme.example", "phone": "+49 30 1", "role": "CTO"}
    ]
    assert whole["billing"]["provenance"]["source"] == "/crm"
    assert whole["lifecycle"]["stage"] == "Prospect"


def test_contact_details_are_masked_for_anyone_who_does_not_ask_for_them_in_clear(tenant, acme):
    for _ in ("a miss", "a hit"):
        masked = summaries.read_profile(acme.id, tenant=tenant, now=utc_now())
        assert masked["contacts"] == [
            {"id": id_of(acme), "name": "Zoë Beispiel", "email": "z•••@acme.example", "phone": "••• 01", "role": "CTO"}
        ]
        assert "zoe@" not in str(masked)
    assert profile(tenant, acme)["contacts"][0]["email"] == "zoe@acme.example"


def test_nothing_personal_lies_in_redis_in_clear(tenant, acme):
    profile(tenant, acme), profile(tenant, acme)
    raw = stored(tenant, acme, copies.PROFILE)
    assert raw is not None
    for text in ("Zoë", "Beispiel", "zoe@acme", "+49 30", "Acme"):
        assert text.encode() not in raw


def test_a_cached_profile_opens_for_its_own_customer_only(tenant, acme):
    other = CustomerFactory(tenant=tenant, name="Other")
    profile(tenant, acme), profile(tenant, other)
    sealed = stored(tenant, acme, copies.PROFILE).split(b"|", 2)[2]
    mine = b"|".join([*stored(tenant, other, copies.PROFILE).split(b"|", 2)[:2], sealed])
    get_client().set(cache_keys.part_key(tenant.id, other.id, copies.PROFILE), mine)
    assert profile(tenant, other)["company"]["name"] == "Other"
    # The useless value was replaced.
    profile(tenant, other)
    with CaptureQueriesContext(connection) as statements:
        assert profile(tenant, other)["company"]["name"] == "Other"
    assert len(statements) == 0


def test_after_a_rotation_of_the_master_key_profiles_are_read_again(tenant, acme, settings):
    profile(tenant, acme)
    settings.MASTER_KEYS = {77: b"k" * 32, **settings.MASTER_KEYS}
    assert profile(tenant, acme)["company"]["name"] == "Acme"
    with CaptureQueriesContext(connection) as statements:
        assert profile(tenant, acme)["company"]["name"] == "Acme"
    assert len(statements) == 0, "it was kept again"


def test_what_was_erased_is_null(tenant, acme):
    with tenant_context(tenant.id):
        destroy_key(tenant.id, acme.id)
        Customer.objects.filter(id=acme.id).update(version=F("version") + 1)
        copies.forget_profiles(tenant.id, [acme.id])
    nothing = {"name": None, "email": None, "phone": None}
    assert profile(tenant, acme)["contacts"] == [{"id": id_of(acme), **nothing, "role": "CTO"}]


@pytest.mark.parametrize("reading", [summaries.read_summary, summaries.read_profile])
def test_another_tenants_customer_is_not_there_even_when_it_is_cached(tenant, other_tenant, acme, reading):
    now = utc_now()
    assert reading(acme.id, tenant=tenant, now=now) is not None
    assert reading(acme.id, tenant=other_tenant, now=now) is None
    assert reading(uuid4(), tenant=tenant, now=now) is None


def test_where_a_customer_stands_costs_one_statement_beside_the_context(tenant, acme):
    summaries.read_lifecycle(acme.id, tenant=tenant, may_update=True)
    with tenant_context(tenant.id), CaptureQueriesContext(connection) as statements:
        lifecycle = summaries.read_lifecycle(acme.id, tenant=tenant, may_update=True)
    assert len(statements) == 1
    assert (lifecycle["stage"], lifecycle["version"], lifecycle["configuration_version"]) == ("Prospect", 1, 1)


def test_the_tenant_at_a_glance_never_adds_up_different_currencies(tenant):
    def figures(number, currency, arr, stage):
        return CustomerFacts(
            external_id=f"c{number}",
            source="/crm",
            occurred_at=utc_now(),
            stage=stage,
            reason_code="why",
            billing={} if currency is None else {"currency": currency, "arr": arr},
        )

    facts = [
        figures(1, "EUR", "10.50", "Active"),
        figures(2, "EUR", "20.00", "Active"),
        figures(3, "USD", "5.00", "Active"),
        figures(4, "EUR", None, "At-Risk"),
        figures(5, None, None, "At-Risk"),
    ]
    with tenant_context(tenant.id):
        record_customers(facts, tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=True)
    summary = summaries.read_tenant_summary(tenant=tenant)
    assert [stage["stage"] for stage in summary["stages"]] == MINIMAL["stages"]
    active, at_risk = summary["stages"][2], summary["stages"][3]
    assert (active["customers"], active["category"], active["color"]) == (3, "engaged", "#1b7f4b")
    assert active["money"] == [{"currency": "EUR", "arr": "30.50"}, {"currency": "USD", "arr": "5.00"}]
    assert (at_risk["customers"], at_risk["money"]) == (2, [])
    assert summary["at_risk"] == {"customers": 2, "over_expected": 0, "money": []}
    assert summary["total"]["customers"] == 5


def test_the_tenant_at_a_glance_counts_who_stays_too_long(other_tenant):
    """By whole days, as the list finds them, and as it is said of each of them."""
    customers = [CustomerFactory(tenant=other_tenant, stage="Trial") for _ in range(3)]
    with tenant_context(other_tenant.id):
        for customer, days in zip(customers, (14, 15, 200), strict=True):
            entered = utc_now() - dt.timedelta(days=days, minutes=1)
            CustomerLifecycleStatus.objects.filter(customer_id=customer.id).update(stage_entered_at=entered)
        about = {"tenant": other_tenant, "policy": live_policy(other_tenant.id), "now": utc_now()}
        for query in (ListQuery({"stuck": True}), ListQuery(where=Condition("stuck", ":", ("true",)))):
            assert sorted(row["days_over"] for row in list_customers(query, **about).rows) == [1, 186]
    trial = summaries.read_tenant_summary(tenant=other_tenant)["stages"][0]
    assert (trial["stage"], trial["customers"], trial["over_expected"], trial["expected_days"]) == ("Trial", 3, 2, 14)


def test_a_history_shows_every_change_and_its_note_newest_first(tenant, acme):
    move(tenant, acme, "Active", note="Signed today")
    move(tenant, acme, "At-Risk", "Low Engagement")
    with tenant_context(tenant.id):
        page = read_history(acme.id, tenant=tenant)
    assert [(row["sequence"], row["from_stage"], row["to_stage"]) for row in page.rows] == [
        (3, "Active", "At-Risk"),
        (2, "Prospect", "Active"),
        (1, None, "Prospect"),
    ]
    assert [(row["note"], row["note_erased"]) for row in page.rows] == [
        (None, False),
        ("Signed today", False),
        (None, False),
    ]
    assert page.rows[0]["previous_hash"] == page.rows[1]["hash"]
    assert page.rows[2]["previous_hash"] is None
    assert page.next_before is None


def test_after_an_erasure_the_history_says_that_there_was_a_note(tenant, acme):
    move(tenant, acme, "Active", note="Ann is unwell")
    with tenant_context(tenant.id):
        destroy_key(tenant.id, acme.id)
    move(tenant, acme, "Prospect", note="Later")
    with tenant_context(tenant.id):
        rows = read_history(acme.id, tenant=tenant).rows
    assert [(row["note"], row["note_erased"]) for row in rows] == [("Later", False), (None, True), (None, False)]


def test_a_history_is_read_page_by_page_at_a_constant_number_of_statements(tenant, acme):
    for stage in ("Active", "Onboarded", "Prospect", "Active", "Onboarded"):
        move(tenant, acme, stage, note="n")
    counts, before, seen = [], None, []
    for limit in (1, 2, 50):
        with tenant_context(tenant.id), CaptureQueriesContext(connection) as statements:
            page = read_history(acme.id, tenant=tenant, before=before, limit=limit)
        counts.append(len(statements))
        before = page.next_before
        seen += [row["sequence"] for row in page.rows]
    assert counts == [3, 3, 3]
    assert seen == [6, 5, 4, 3, 2, 1]


def test_a_renamed_stage_keeps_its_old_name_in_the_history_and_shows_the_present_one(tenant, acme):
    move(tenant, acme, "Active")
    renamed = {**MINIMAL, "stages": ["Prospect", "Onboarded", "Thriving", "At-Risk", "Churned"]}
    with tenant_context(tenant.id):
        publish_configuration(renamed, tenant=tenant, actor=ACTOR, now=utc_now(), renamed={"Active": "Thriving"})
        row = read_history(acme.id, tenant=tenant).rows[0]
    assert (row["to_stage"], row["to_stage_now"]) == ("Active", "Thriving")
    assert read(tenant, acme)["stage"] == "Thriving"


def test_no_one_elses_history_is_there(tenant, other_tenant, acme):
    with tenant_context(other_tenant.id):
        assert read_history(acme.id, tenant=other_tenant) is None
    with tenant_context(tenant.id):
        assert read_history(uuid4(), tenant=tenant) is None
