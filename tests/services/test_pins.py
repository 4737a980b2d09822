"""Where each field comes from, and what people pin: sources lose, are shown, and take their place back."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AdministrationEntry
from lifecycle.models import Customer, FigureChange
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.compliance.retention import release_pins
from lifecycle.services.customers.pins import PinRefused, pin_field, unpin_field
from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from lifecycle.services.insight.as_of import EFFECTIVE, read_past
from tenants.actors import Actor, system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import utc_now
from tests.services.acts import publish

ACTOR = system_actor("tests")
ANN = Actor("user", "0190a000-0000-7000-8000-000000000001")
NOW = utc_now()


def tell(tenant, source="/crm", minutes=0, **facts):
    fact = CustomerFacts("acme", source, NOW + dt.timedelta(minutes=minutes), event_id="e", **facts)
    with tenant_context(tenant.id):
        (recorded,) = record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=True)
    return recorded


@pytest.fixture
def acme(tenant):
    tell(
        tenant,
        minutes=-60,
        company={"name": "Acme", "owner": "ann"},
        contacts=[ContactFacts("Zoë Beispiel", "zoe@acme.example")],
    )
    tell(tenant, "/billing", -50, billing={"currency": "EUR", "arr": "100.00"})
    with tenant_context(tenant.id):
        return Customer.objects.get(external_id="acme")


def look(tenant, customer, now=NOW):
    return read_profile(customer.id, tenant=tenant, now=now)


def pin(tenant, customer, path, now=NOW, **arguments):
    with tenant_context(tenant.id):
        pin_field(customer.id, path, tenant=tenant, actor=ANN, now=now, **{"reason": "The CRM is wrong.", **arguments})


def test_each_field_says_where_it_comes_from_and_when(tenant, acme):
    profile = look(tenant, acme)
    known = profile["provenance"]
    assert set(known) == {"name", "owner", "contacts", "billing.currency", "billing.arr"}
    assert (known["owner"]["source"], known["owner"]["occurred_at"]) == ("/crm", NOW - dt.timedelta(minutes=60))
    assert known["billing.arr"]["source"] == "/billing"
    assert known["owner"]["overruled"] == [] and known["owner"]["pinned_by"] is None
    assert profile["freshness"] == [
        {"source": "/crm", "heard_at": NOW - dt.timedelta(minutes=60)},
        {"source": "/billing", "heard_at": NOW - dt.timedelta(minutes=50)},
    ]


def test_a_file_that_overwrites_the_crm_shows_what_it_overwrote(tenant, acme):
    tell(tenant, "/import", -10, company={"owner": "bob"})
    recorded = tell(tenant, "/crm", -20, company={"owner": "kim"})
    assert (recorded.stale, recorded.changed) == (("owner",), False)
    profile = look(tenant, acme)
    assert profile["company"]["owner"] == "bob"
    assert profile["provenance"]["owner"]["overruled"] == [
        {"value": "kim", "source": "/crm", "occurred_at": NOW - dt.timedelta(minutes=20), "why": "age"}
    ]
    # The name still comes from where it came from.
    assert profile["provenance"]["name"]["source"] == "/crm"


def test_no_source_overwrites_a_pinned_owner_and_the_loser_is_shown(tenant, acme):
    pin(tenant, acme, "owner", value="eve")
    recorded = tell(tenant, "/crm", 5, company={"owner": "bob", "segment": "Enterprise"})
    assert (recorded.outranked, recorded.stale, recorded.changed) == (("owner",), (), True)
    profile = look(tenant, acme)
    assert (profile["company"]["owner"], profile["company"]["segment"]) == ("eve", "Enterprise")
    owner = profile["provenance"]["owner"]
    assert (owner["source"], owner["pinned_by"], owner["pin_reason"]) == ("/people", ANN.name, "The CRM is wrong.")
    assert owner["overruled"] == [
        {"value": "bob", "source": "/crm", "occurred_at": NOW + dt.timedelta(minutes=5), "why": "pinned"}
    ]
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(action="pin_field")
        # The reason is kept with the pin, where an erasure reaches it.
        assert (entry.subject, entry.reason) == (str(acme.id), "")
        assert entry.detail == {"field": "owner", "until": None}


def test_unpinned_a_field_takes_what_came_in_the_meantime(tenant, acme):
    pin(tenant, acme, "billing.arr")
    tell(tenant, "/billing", 5, billing={"arr": "250.00"})
    assert look(tenant, acme)["billing"]["arr"] == "100.00"
    with tenant_context(tenant.id):
        unpin_field(acme.id, "billing.arr", tenant=tenant, actor=ANN, now=NOW + dt.timedelta(minutes=6))
    profile = look(tenant, acme)
    assert profile["billing"]["arr"] == "250.00"
    assert profile["provenance"]["billing.arr"]["pinned_by"] is None
    with tenant_context(tenant.id), pytest.raises(PinRefused) as refused:
        unpin_field(acme.id, "billing.arr", tenant=tenant, actor=ANN, now=NOW)
    assert refused.value.code == "not_found"


@pytest.mark.parametrize("by", ["look", "message", "round"])
def test_an_expired_pin_gives_its_place_back_by_itself(tenant, acme, by):
    pin(tenant, acme, "billing.arr", value="900", until=NOW + dt.timedelta(days=1))
    pin(tenant, acme, "owner", value="eve")
    tell(tenant, "/billing", 5, billing={"arr": "250.00"})
    later = NOW + dt.timedelta(days=1)
    assert look(tenant, acme)["billing"]["arr"] == "900.00"
    if by == "message":
        fact = CustomerFacts("acme", "/billing", later, billing={"mrr": "20.00"})
        with tenant_context(tenant.id):
            record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=later, create=False)
    elif by == "round":
        assert release_pins(now=later) == 1
        assert release_pins(now=later) == 0
    profile = look(tenant, acme, later)
    assert profile["billing"]["arr"] == "250.00"
    assert profile["provenance"]["owner"]["pinned_by"] == ANN.name, "a pin without an end stays"
    if by == "look":
        # No one who looks writes: the row says it with the next round.
        assert release_pins(now=later) == 1
    with tenant_context(tenant.id):
        customer = Customer.objects.get(id=acme.id)
        assert (set(customer.pins), customer.pins_until) == ({"owner"}, None)


def test_a_profile_whose_pin_has_just_expired_is_read_while_the_database_takes_no_writes(tenant, acme):
    until = NOW + dt.timedelta(days=1)
    pin(tenant, acme, "billing.arr", value="900", until=until)
    pin(tenant, acme, "owner", value="eve", until=until + dt.timedelta(days=2))
    pin(tenant, acme, "segment", value="SMB", until=until)
    tell(tenant, "/billing", 5, billing={"arr": "250.00"})
    with tenant_context(tenant.id):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        profile = read_profile(acme.id, tenant=tenant, now=until)
    assert (profile["billing"]["arr"], profile["company"]["segment"]) == ("250.00", "SMB")
    arr = profile["provenance"]["billing.arr"]
    assert (arr["source"], arr["pinned_by"]) == ("/billing", None)
    assert profile["provenance"]["owner"]["pinned_by"] == ANN.name
    # What the row says afterwards is the same, so that the version someone has seen holds.
    assert release_pins(now=until) == 1
    after = look(tenant, acme, until)
    assert {**after, "updated_at": None, "pins_until": None} == {**profile, "updated_at": None, "pins_until": None}


@pytest.mark.parametrize(
    ("path", "arguments", "code"),
    [
        ("owner", {"reason": "  "}, "reason_required"),
        ("owner", {"reason": "x" * 501}, "invalid_request"),
        ("owner", {"until": NOW}, "invalid_request"),
        ("owner", {"value": "x" * 151}, "invalid_request"),
        ("name", {"value": ""}, "invalid_request"),
        ("name", {"value": "\u3164"}, "invalid_request"),
        ("billing.arr", {"value": "-3"}, "invalid_request"),
        ("billing.arr", {"value": "1.005"}, "invalid_request"),
        ("support.csat", {"value": 9}, "invalid_request"),
        ("contacts", {}, "invalid_request"),
        ("stage", {}, "invalid_request"),
        ("owner", {"expected_version": 7}, "version_conflict"),
    ],
)
def test_a_pin_that_cannot_be_says_why_and_changes_nothing(tenant, acme, path, arguments, code):
    with pytest.raises(PinRefused) as refused:
        pin(tenant, acme, path, **arguments)
    assert refused.value.code == code
    assert refused.value.sentence.endswith(".")
    with tenant_context(tenant.id):
        assert Customer.objects.get(id=acme.id).pins == {}
        assert not AdministrationEntry.objects.filter(action="pin_field").exists()


def test_what_is_shown_has_a_version_that_another_word_changes(tenant, acme):
    seen = look(tenant, acme)["provenance"]["owner"]["version"]
    tell(tenant, "/import", -70, company={"owner": "old"})
    with pytest.raises(PinRefused) as refused:
        pin(tenant, acme, "owner", expected_version=seen)
    assert refused.value.code == "version_conflict"
    pin(tenant, acme, "owner", expected_version=look(tenant, acme)["provenance"]["owner"]["version"])


def test_the_past_of_the_figures_is_kept_and_what_did_not_change_is_not(tenant, acme):
    tell(tenant, "/billing", -40, billing={"arr": "100.0", "currency": "EUR"})
    tell(tenant, "/billing", -30, billing={"arr": "120.00"})
    with tenant_context(tenant.id):
        past = list(FigureChange.objects.order_by("id").values_list("effective_at", "source", "figures"))
    assert past == [
        (NOW - dt.timedelta(minutes=60), "/crm", {"owner": "ann"}),
        (NOW - dt.timedelta(minutes=50), "/billing", {"billing.currency": "EUR", "billing.arr": "100.00"}),
        (NOW - dt.timedelta(minutes=30), "/billing", {"billing.arr": "120.00"}),
    ]


def test_a_batch_keeps_the_past_in_one_statement_whatever_its_size(tenant, acme):
    counts = []
    for size in (1, 40):
        facts = [
            CustomerFacts("acme", "/billing", NOW + dt.timedelta(seconds=size * 100 + number), billing={"arr": number})
            for number in range(size)
        ]
        with tenant_context(tenant.id), CaptureQueriesContext(connection) as statements:
            record_customers(facts, tenant=tenant, actor=ACTOR, source="Import", now=NOW, create=False)
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_erased_nothing_is_left_of_the_past_the_losers_and_the_reasons(tenant, acme):
    pin(tenant, acme, "owner", value="eve", reason="Zoë asked for it")
    pin(tenant, acme, "name", value="Acme AG", reason="Zoë says so")
    tell(tenant, "/import", 5, company={"name": "Beispiel & Söhne"})
    with tenant_context(tenant.id):
        exported = export_customer("acme", tenant=tenant, actor=ACTOR, now=NOW)
        assert exported["figures_past"][0]["figures"] == {"owner": "ann"}
        assert exported["company"]["pins"]["owner"]["reason"] == "Zoë asked for it"
        erase_customer("acme", tenant=tenant, actor=ACTOR, reason="asked", company=True, now=NOW)
        customer = Customer.objects.get(id=acme.id)
        assert not FigureChange.objects.exists()
        assert "name" not in customer.pins and customer.pins["owner"]["reason"] == ""
        logged = list(AdministrationEntry.objects.filter(subject=str(acme.id)).values("action", "reason", "detail"))
        assert [entry["action"] for entry in logged].count("pin_field") == 2
        kept = str([customer.overruled, customer.pins, logged])
    assert "Beispiel" not in kept and "Zoë" not in kept
    tell(tenant, "/crm", 10, company={"name": "Beispiel GmbH", "owner": "bob"})
    with tenant_context(tenant.id):
        customer = Customer.objects.get(id=acme.id)
    assert customer.name == "Erased customer" and "name" not in customer.overruled
    assert customer.owner == "eve", "that a field is pinned stays"


def test_a_source_that_goes_first_keeps_its_value_against_a_newer_report_of_another(tenant, acme):
    with tenant_context(tenant.id):
        document = live_policy(tenant.id).configuration.to_document()
        publish(tenant, {**document, "source_priority": {"billing.arr": ["/billing", "/import"]}})
    tell(tenant, "/billing", -40, billing={"arr": "200.00"})
    tell(tenant, "/import", -30, billing={"arr": "300.00"})
    profile = look(tenant, acme)
    known = profile["provenance"]["billing.arr"]
    assert (profile["billing"]["arr"], known["source"]) == ("200.00", "/billing")
    (lost,) = known["overruled"]
    assert (lost["value"], lost["source"], lost["why"]) == ("300.00", "/import", "priority")


def ends_with(tenant, customer, path="billing.arr"):
    """The value that the customer has, and the one that its past ends with."""
    with tenant_context(tenant.id):
        past = read_past(customer.id, (NOW + dt.timedelta(days=1)).date(), known=EFFECTIVE, tenant=tenant)
    return look(tenant, customer)["billing"][path.partition(".")[2]], past.figures[path][0]


def test_the_past_ends_with_the_source_that_goes_first_also_where_that_comes_late(tenant, acme):
    tell(tenant, "/import", -30, billing={"arr": "300.00"})
    assert ends_with(tenant, acme) == ("300.00", "300.00")
    with tenant_context(tenant.id):
        document = live_policy(tenant.id).configuration.to_document()
        publish(tenant, {**document, "source_priority": {"billing.arr": ["/billing", "/import"]}})
    for minutes, arr in ((-40, "200.00"), (-35, "210.00"), (-20, "220.00")):
        # Of the balance no one else has said anything: it is of its own time alone.
        tell(tenant, "/billing", minutes, billing={"arr": arr, "balance_overdue": arr})
        assert ends_with(tenant, acme) == ends_with(tenant, acme, "billing.balance_overdue") == (arr, arr)
    with tenant_context(tenant.id):
        rows = FigureChange.objects.order_by("effective_at", "id").values_list("effective_at", "figures")
        past = [((at - NOW) / dt.timedelta(minutes=1), figures) for at, figures in rows if "billing.arr" in figures]
    assert [round(minutes) for minutes, _figures in past] == [-50, -40, -35, -30, -30, -30, -20]
    assert [figures["billing.arr"] for _minutes, figures in past[3:]] == ["300.00", "200.00", "210.00", "220.00"]
    assert [set(figures) for _minutes, figures in past[4:6]] == [{"billing.arr"}] * 2


def test_what_was_so_before_a_pin_went_is_what_the_past_ends_with(tenant, acme):
    pin(tenant, acme, "billing.arr", value="150", now=NOW - dt.timedelta(minutes=20))
    tell(tenant, "/billing", -15, billing={"arr": "250.00"})
    with tenant_context(tenant.id):
        unpin_field(acme.id, "billing.arr", tenant=tenant, actor=ANN, now=NOW - dt.timedelta(minutes=5))
    assert ends_with(tenant, acme) == ("250.00", "250.00")
    tell(tenant, "/billing", -8, billing={"arr": "260.00"})
    assert ends_with(tenant, acme) == ("260.00", "260.00")


def test_a_message_that_finds_a_pin_expired_is_what_the_past_ends_with(tenant, acme):
    then = NOW - dt.timedelta(minutes=20)
    pin(tenant, acme, "billing.arr", value="150", now=then, until=NOW - dt.timedelta(minutes=10))
    lost = CustomerFacts("acme", "/billing", then + dt.timedelta(minutes=5), billing={"arr": "250.00"})
    with tenant_context(tenant.id):
        record_customers([lost], tenant=tenant, actor=ACTOR, source="Import", now=lost.occurred_at, create=False)
    # Its pin goes with this one, after the time that this one is about.
    tell(tenant, "/billing", -8, billing={"arr": "260.00"})
    assert ends_with(tenant, acme) == ("260.00", "260.00")
