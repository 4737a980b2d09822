"""What was done counts for the save rate after its record was forgotten, and not after the person was erased."""

import pytest

from lifecycle.models import EffectRun, InsightState, RiskEpisode
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.effects.forgetting import forget_effects
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.keeping import keep_facts, rebuild_facts
from lifecycle.services.insight.reading import Period, Stages
from lifecycle.services.insight.saving import read_episodes
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, TenantFactory
from tests.services.test_insight import ACTOR, at, step, tell
from tests.web.test_saving import LATER, mail, say, write

RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}}
STORIES = {
    "goes on": [(0, "Active"), (20, "At-Risk")],
    "recovers": [(0, "Active"), (10, "At-Risk"), (40, "Active")],
    "hears nothing": [(0, "Active"), (10, "At-Risk"), (30, "Active")],
}


def saved(tenant):
    """Whether a message reached them in the first week, and whether they recovered, of each who was at risk."""
    with tenant_context(tenant.id):
        stages = Stages.of(live_policy(tenant.id), tenant)
        period = Period(at(-5).date(), at(200).date())
        found = read_episodes(period, stages, tenant=tenant, now=LATER)
    return sorted((one.done[2], one.recovered) for one in found for _ in range(one.count))


def forget(tenant, *, limit=100):
    with tenant_context(tenant.id):
        return forget_effects(tenant.id, before=LATER, limit=limit)


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_reached_a_customer_counts_after_its_record_was_forgotten_and_the_customer_moved_again(db, is_kept):
    tenant = TenantFactory(configuration=RISKY)
    made = tell(tenant, STORIES, {})
    with tenant_context(tenant.id):
        mail(tenant, made["goes on"], 22, "contact:1")
        mail(tenant, made["recovers"], 11, "renewal.campaign.requested", kind="event")
        mail(tenant, made["recovers"], 12, "contact:1")
        # None of these reached anyone at the customer, in time.
        mail(tenant, made["hears nothing"], 11, "user:1")
        mail(tenant, made["hears nothing"], 12, "contact:1", state="failed")
        mail(tenant, made["hears nothing"], 18, "contact:1")
    keep_facts(tenant)
    if is_kept:
        keep_episodes(tenant, clock=lambda: LATER)
    before = saved(tenant)
    assert before == [(False, True), (True, False), (True, True)]

    assert (forget(tenant, limit=2), forget(tenant), forget(tenant)) == (2, 4, 0)
    with tenant_context(tenant.id):
        assert not EffectRun.objects.filter(tenant_id=tenant.id).exists()
        kept = InsightState.objects.filter(tenant_id=tenant.id).values_list("customer_id", "reached")
        assert {customer_id: sorted(times) for customer_id, times in kept} == {
            made["goes on"].id: [at(22)],
            made["recovers"].id: [at(11), at(12)],
            made["hears nothing"].id: [at(18)],
        }
    assert saved(tenant) == before
    with tenant_context(tenant.id):
        step(tenant, made["recovers"], 70, "Churned")
    for _ in rebuild_facts(tenant):
        pass
    assert saved(tenant) == before
    keep_episodes(tenant, clock=lambda: LATER)
    assert saved(tenant) == before


def test_what_reached_a_customer_of_whom_nothing_was_made_yet_is_kept_all_the_same(db):
    tenant = TenantFactory(configuration=RISKY)
    made = tell(tenant, STORIES, {})
    with tenant_context(tenant.id):
        mail(tenant, made["recovers"], 12, "contact:1")
    assert forget(tenant) == 1
    assert keep_facts(tenant) == 3
    assert saved(tenant) == [(False, False), (False, True), (True, True)]


def test_of_a_customer_who_was_erased_no_episode_says_what_is_kept_of_them_no_more(db):
    """Whose stays stay as they were: nothing was reported of the revenue."""
    tenant = TenantFactory(configuration=RISKY)
    customer = tell(tenant, {"ann": STORIES["recovers"]}, {})["ann"]
    with tenant_context(tenant.id):
        write(tenant, customer, 12)
        say(tenant, customer, 5, {"support.open_issues": 9})
    keep_facts(tenant)
    keep_episodes(tenant, clock=lambda: LATER)

    def kept():
        with tenant_context(tenant.id):
            return list(RiskEpisode.objects.filter(tenant_id=tenant.id).values_list("severity", "week_noted", "noted"))

    assert kept() == [(1, True, True)]
    with tenant_context(tenant.id):
        erase_customer(customer.external_id, tenant=tenant, actor=ACTOR, reason="asked", now=LATER)
    keep_episodes(tenant, clock=lambda: LATER)
    assert kept() == [(0, False, False)]
    assert [*rebuild_facts(tenant, write=False)][-1].different == 0
