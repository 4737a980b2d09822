"""How a score came about: parts that sum exactly, figures of their time, and who reported what changed it."""

import datetime as dt

import pytest

from lifecycle.models import Customer
from lifecycle.rules.health import health, score_points
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.health_past import read_health_past
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.errors import InvalidConfiguration
from tenants.services.configuration import policies
from tests.factories import MINIMAL, utc_now

ACTOR = system_actor("tests")
FIGURES = [
    {"category": category, "days_over": late, "arr": 1000, "balance_overdue": balance, "open_issues": issues,
     "csat": csat, "days_to_renewal": renewal}
    for category in ("engaged", "risk", "lost")
    for late, balance, issues, csat, renewal in (
        (0, 0, 0, 4, 200), (1, 33, 1, 3.3, 89), (7, 99, 4, 2.9, 31), (90, 500, 9, 1, -4), (3, 77, 2, 3.7, 61)
    )
]  # fmt: skip


@pytest.mark.parametrize("figures", FIGURES)
def test_the_parts_sum_exactly_to_what_the_score_lacks(figures):
    judged = health(**figures)
    points = score_points(judged)
    assert sum(one.points for one in points) == 100 - judged.score
    assert all(one.points >= 0 for one in points)
    assert all(one.points == 0 for one, share in zip(points, judged.shares, strict=True) if share == 0)


def tell(tenant, at, source, **facts):
    fact = CustomerFacts("acme", source, at, **facts)
    with tenant_context(tenant.id):
        record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=at, create=True, backdated=True)


def test_a_score_says_what_changed_it_since_monday_and_who_reported_that(tenant):
    # A Thursday.
    now = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
    tell(tenant, now - dt.timedelta(days=30), "/crm", company={"name": "Acme"})
    tell(tenant, now - dt.timedelta(days=20), "/billing", billing={"arr": "1000.00", "balance_overdue": "0.00"})
    tell(tenant, now - dt.timedelta(days=20), "/support", support={"open_issues": 0, "csat": "4.00"})
    tell(tenant, now - dt.timedelta(days=2), "/billing", billing={"balance_overdue": "150.00"})
    tell(tenant, now - dt.timedelta(days=1), "/support", support={"open_issues": 3})
    with tenant_context(tenant.id):
        customer = Customer.objects.get(external_id="acme")
        past = read_health_past(customer.id, tenant=tenant, now=now)
    assert past.since.at == dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    assert (past.since.score, past.timestamps[-1].score) == (100, 76)
    assert [(one.part, one.points, one.source, one.at) for one in past.deltas] == [
        ("overdue_balance", -15, "/billing", now - dt.timedelta(days=2)),
        ("issues", -9, "/support", now - dt.timedelta(days=1)),
    ]
    assert past.timestamps[0].at > now - dt.timedelta(days=21), "there was no score before the first figure"
    assert {one.score for one in past.timestamps[:-3]} == {100}
    assert all(sum(one.points.values()) == 100 - one.score for one in past.timestamps)


def test_a_customer_without_figures_has_no_line(tenant):
    tell(tenant, utc_now(), "/crm", company={"name": "Acme"})
    with tenant_context(tenant.id):
        customer = Customer.objects.get(external_id="acme")
        past = read_health_past(customer.id, tenant=tenant, now=utc_now())
    assert (past.timestamps, past.since, list(past.deltas)) == ([], None, [])


def forget_how_to_read_the_first(monkeypatch):
    """A later release has stricter rules, by which the first version is no configuration."""
    compile_one = policies._compile

    def compile_now(tenant_id, version, document):
        if version == 1:
            raise InvalidConfiguration(())
        return compile_one(tenant_id, version, document)

    monkeypatch.setattr(policies, "_compile", compile_now)
    monkeypatch.setattr(policies, "known_policy", lambda _tenant_id, _version: None)


def test_days_under_rules_that_are_none_today_have_no_score(tenant, monkeypatch):
    """The whole line was an error page, for as long as they are shown."""
    began = utc_now()
    tell(tenant, began, "/crm", company={"name": "Acme"})
    tell(tenant, began, "/support", support={"open_issues": 3, "csat": "4.00"})
    changed_at, now = began + dt.timedelta(days=5), began + dt.timedelta(days=10)
    with tenant_context(tenant.id):
        publish_configuration({**MINIMAL, "max_days": {"Active": 3}}, tenant=tenant, actor=ACTOR, now=changed_at)
        forget_how_to_read_the_first(monkeypatch)
        customer = Customer.objects.get(external_id="acme")
        past = read_health_past(customer.id, tenant=tenant, now=now)
    assert past.timestamps and all(one.at >= changed_at for one in past.timestamps)
