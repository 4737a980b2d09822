"""Stages that went away keep their meaning: who was lost, or at risk, was so also after a merger of stages."""

import datetime as dt

from lifecycle.models import CustomerLifecycleStatus
from lifecycle.rules.insight.flows import gained_and_lost
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.insight.as_of_totals import read_past_totals
from lifecycle.services.insight.at_risk import read_at_risk
from lifecycle.services.insight.forecasts import read_meaning
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import Period, Stages, read_cohorts, read_flows, read_reasons
from lifecycle.services.insight.saving import read_episodes
from lifecycle.services.risk.watching import watch_rules
from tenants.context import tenant_context
from tenants.rules.configuration.categories import LOST, RISK
from tenants.services.configuration.former_stages import read_former_stages
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now
from tests.services.acts import ACTOR, report
from tests.services.test_insight import at, tell

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
MERGED = {
    "stages": ["Prospect", "Onboarded", "Active", "Rescue", "Gone"],
    "categories": {"Rescue": "risk", "Gone": "lost"},
}
MAPPING = {"At-Risk": "Rescue", "Churned": "Gone"}
LATER = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PERIOD = Period(dt.date(2026, 3, 1), dt.date(2026, 5, 31))


def publish(tenant, document, **options):
    with tenant_context(tenant.id):
        publish_configuration(document, tenant=tenant, actor=ACTOR, now=utc_now(), **options)
    for _ in stage_migrations.move_customers(tenant, now=utc_now()):
        pass
    keep_facts(tenant)


def _to(stage):
    return {"to": stage, "reason_code": "Merged"}


def figures(tenant):
    """What Insight says of the spring of 2026 that depends on what stages mean."""
    today = dt.date(2026, 6, 30)
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        lost, risk = stages.of_category(LOST), stages.of_category(RISK)
        return {
            "revenue": gained_and_lost(read_flows(PERIOD, tenant=tenant), lost),
            "cohorts": read_cohorts(PERIOD, lost, tenant=tenant, today=today),
            "reasons": sorted(
                (one.reason_code, one.to_stage in risk, one.count) for one in read_reasons(PERIOD, risk, tenant=tenant)
            ),
            "episodes": [one.counts["all"] for one in read_at_risk(PERIOD, stages, tenant=tenant, now=LATER)],
            "saved": [
                (one.reason, one.recovered, one.count)
                for one in read_episodes(PERIOD, stages, tenant=tenant, now=LATER)
            ],
        }


def test_figures_of_past_days_are_the_same_after_stages_were_merged_into_others(db):
    tenant = TenantFactory(configuration=RISKY)
    tell(tenant)
    keep_facts(tenant)
    before = figures(tenant)
    assert before["revenue"]["EUR"]["gone"] == -70
    assert before["cohorts"][0].still[-1] == (dt.date(2026, 6, 30), 2)
    assert before["episodes"] == [2, 2] and len(before["saved"]) == 2

    publish(tenant, MERGED, mapping=MAPPING)
    assert figures(tenant) == before
    with tenant_context(tenant.id):
        meaning = read_meaning(tenant)
    assert (meaning.lost, meaning.risk) == ({"0:Gone", "0:Churned"}, {"0:Rescue", "0:At-Risk"})
    # It comes again, with another meaning: what it means today counts.
    again = {**RISKY, "categories": {"At-Risk": "risk", "Churned": "renewal"}}
    publish(tenant, again, mapping={"Rescue": _to("At-Risk"), "Gone": _to("Churned")})
    with tenant_context(tenant.id):
        assert read_meaning(tenant).lost == {"0:Gone"}


def test_a_stage_that_gave_its_name_to_another_one_as_it_went_away_is_not_taken_for_it(db):
    document = {"stages": ["A", "B", "C"], "categories": {"A": "engaged", "B": "lost", "C": "risk"}}
    tenant = TenantFactory(configuration=document)
    for stage in "ABC":
        CustomerFactory(tenant=tenant, stage=stage)
    publish(
        tenant,
        {"stages": ["B", "C"], "categories": {"B": "engaged", "C": "risk"}},
        renamed={"A": "B"},
        mapping={"B": "C"},
    )
    # Two that swap their names stay.
    publish(tenant, {"stages": ["C", "B"], "categories": {"C": "engaged", "B": "risk"}}, renamed={"B": "C", "C": "B"})
    with tenant_context(tenant.id):
        policy = live_policy(tenant.id)
        assert read_former_stages(tenant, live=policy.version) == ((1, "B", "lost"),)
        stages = Stages.of(policy, tenant)
        assert stages.of_category(LOST) == ("0:B",)
        assert (stages.of_category("engaged"), stages.of_category(RISK)) == (("0:A",), ("0:C",))


def test_a_customer_in_a_lost_stage_that_is_being_emptied_is_no_customer_at_risk(db, monkeypatch):
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    tenant = TenantFactory(configuration=RISKY)
    gone = CustomerFactory(tenant=tenant, stage="Churned", reason_code="Price")
    rule = {"name": "Issues", "when": [{"field": "support.open_issues", "op": "ge", "value": 5}], "action": "move",
            "to": "Rescue", "reason_code": "Many issues"}  # fmt: skip
    with tenant_context(tenant.id):
        publish_configuration(
            {**MERGED, "risk_rules": [rule]}, tenant=tenant, actor=ACTOR, now=utc_now(), mapping=MAPPING
        )
        report(tenant, gone, support={"open_issues": 9})
    watch_rules(tenant)
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=gone.id).stage == "Churned"


def test_days_before_the_first_configuration_are_judged_by_it_whatever_was_published_since(db):
    tenant = TenantFactory(configuration=RISKY)
    tell(tenant)
    keep_facts(tenant)

    def at_risk():
        with tenant_context(tenant.id):
            stages = Stages.of(live_policy(tenant.id), tenant)
            totals = read_past_totals(at(52).date(), stages=stages, tenant=tenant)
        return {one["stage"]: one["customers"] for one in totals["stages"]}, totals

    before = at_risk()
    assert before[0]["At-Risk"] == 2
    publish(tenant, MERGED, mapping=MAPPING)
    assert at_risk() == before
