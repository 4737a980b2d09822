"""At-risk rules over the API: what they propose is listed, accepted or dismissed, and those of a draft are played."""

from uuid import uuid4

import pytest

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus, HealthPlay, RiskFiring, RulePlay
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.insight.health_plays import work_off_health_plays
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.risk.playing import work_off_plays
from lifecycle.services.risk.watching import watch_rules
from tenants.context import tenant_context
from tests.admin.drafts import new_draft
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services import acts
from tests.services.risk.conftest import reported
from tests.services.risk.rules import DOCUMENT
from tests.services.test_insight import ACTOR, START, at, tell

__all__ = ["reported"]

RULE = {
    "name": "Deep in debt",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "action": "propose",
    "to": "At-Risk",
    "reason_code": "Money",
}
PROPOSALS = "/api/v1/proposals"
BACKTEST = "/api/v1/configuration/backtest"
HEALTH = "/api/v1/configuration/health-backtest"


@pytest.fixture
def proposed(tenant):
    """Three customers, for two of whom the rule proposes a move: Eve's first."""
    made = [CustomerFactory(tenant=tenant, name=name, stage="Active") for name in ("Eve Ltd", "Flo Ltd", "Gus Ltd")]
    with tenant_context(tenant.id):
        acts.publish(tenant, {**MINIMAL, "risk_rules": [RULE]})
        for customer, overdue in zip(made, ("50", "40", "5"), strict=True):
            acts.report(tenant, customer, billing={"arr": "100", "balance_overdue": overdue})
    watch_rules(tenant)
    with tenant_context(tenant.id):
        return {one.customer_id: one for one in RiskFiring.objects.filter(tenant_id=tenant.id)}, made


def test_the_open_proposals_are_listed_page_by_page_and_by_customer(api_client, proposed):
    firings, (eve, flo, gus) = proposed
    client = api_client("viewer")
    first = client.get(f"{PROPOSALS}?limit=1&count=true").json()
    second = client.get(first["next"]).json()
    assert (first["total"], second["total"], second["next"]) == (2, 2, None)
    (one,), (other,) = first["results"], second["results"]
    assert [one["name"], other["name"]] == ["Eve Ltd", "Flo Ltd"]
    assert (one["id"], one["customer_id"]) == (str(firings[eve.id].id), str(eve.id))
    assert (one["rule"], one["stage"], one["to_stage"], one["reason_code"], one["version"]) == (
        *("Deep in debt", "Active", "At-Risk", "Money", 1),
    )
    assert [row["name"] for row in client.get(f"{PROPOSALS}?customer_id={flo.id}").json()["results"]] == ["Flo Ltd"]
    assert client.get(f"{PROPOSALS}?customer_id={gus.id}").json()["results"] == []
    assert client.get(f"{PROPOSALS}?owner=someone").json()["results"] == []
    assert client.get(f"{PROPOSALS}/{one['id']}").status_code == 403
    shown = api_client("account_manager").get(f"{PROPOSALS}/{one['id']}").json()
    assert (shown["state"], shown["from_stage"], shown["decided_at"]) == ("open", "Active", None)


@pytest.mark.parametrize("asked", ["customer_id=x", "owner=" + "x" * 151, "limit=0", "cursor=x", "state=open"])
def test_what_the_list_is_not_asked_for_is_refused(api_client, tenant, asked):
    answer = api_client("viewer").get(f"{PROPOSALS}?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_accepting_a_proposal_moves_the_customer_as_the_person_who_does_it(api_client, users, tenant, proposed):
    firings, (eve, flo, _gus) = proposed
    address = f"{PROPOSALS}/{firings[eve.id].id}"
    assert api_client("viewer").post(f"{address}/accept", {}).status_code == 403
    client = api_client("account_manager")
    key = {"HTTP_IDEMPOTENCY_KEY": "once"}
    answer = client.post(f"{address}/accept", {"note": "We called."}, **key)
    assert (answer.status_code, answer.json()["success"], answer.headers["ETag"]) == (200, True, '"2"')
    again = client.post(f"{address}/accept", {"note": "We called."}, **key)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (answer.json(), "true")
    with tenant_context(tenant.id):
        row = LifecycleHistory.objects.filter(customer_id=eve.id).latest("sequence")
        assert (row.sequence, row.to_stage, row.reason_code, row.source) == (2, "At-Risk", "Money", "API")
        assert row.changed_by == str(users.account_manager.id)
        assert CustomerLifecycleStatus.objects.get(customer_id=flo.id).stage == "Active"
    shown = client.get(address).json()
    assert (shown["state"], shown["decided_by"]) == ("accepted", str(users.account_manager.id))
    assert [one["name"] for one in client.get(PROPOSALS).json()["results"]] == ["Flo Ltd"]
    refused = client.post(f"{address}/accept", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    # The next look at the rules finds nothing to add.
    watch_rules(tenant)
    with tenant_context(tenant.id):
        assert sorted(RiskFiring.objects.values_list("state", flat=True)) == ["accepted", "open"]


def test_a_customer_that_someone_moved_in_between_is_not_moved_by_an_old_proposal(api_client, tenant, proposed):
    firings, (eve, *_others) = proposed
    with tenant_context(tenant.id):
        acts.move(tenant, eve, "Onboarded")
    answer = api_client("account_manager").post(f"{PROPOSALS}/{firings[eve.id].id}/accept", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=eve.id).stage == "Onboarded"


def test_another_reason_is_judged_by_the_configuration(api_client, tenant, proposed):
    firings, (eve, *_others) = proposed
    with tenant_context(tenant.id):
        acts.publish(tenant, {**MINIMAL, "reason_codes": {"At-Risk": ["Money"]}, "risk_rules": [RULE]})
    watch_rules(tenant)
    address = f"{PROPOSALS}/{firings[eve.id].id}/accept"
    refused = api_client("account_manager").post(address, {"reason_code": "The weather"})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reason")
    with tenant_context(tenant.id):
        assert RiskFiring.objects.get(id=firings[eve.id].id).state == "open"
        assert LifecycleHistory.objects.filter(customer_id=eve.id).count() == 1
    assert api_client("account_manager").post(address, {"reason_code": "Money"}).status_code == 200


def test_dismissing_a_proposal_takes_a_reason_and_is_in_the_log(api_client, users, tenant, proposed):
    firings, (eve, *_others) = proposed
    address = f"{PROPOSALS}/{firings[eve.id].id}"
    assert api_client("viewer").post(f"{address}/dismiss", {"reason": "No"}).status_code == 403
    client = api_client("account_manager")
    assert client.post(f"{address}/dismiss", {}).status_code == 400
    answer = client.post(f"{address}/dismiss", {"reason": "They pay"}).json()
    assert (answer["state"], answer["dismissal"], answer["decided_by"]) == (
        *("dismissed", "They pay", str(users.account_manager.id)),
    )
    assert client.post(f"{address}/dismiss", {"reason": "Again"}).status_code == 409
    assert client.post(f"{address}/accept", {}).status_code == 409
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=eve.id).stage == "Active"
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="dismiss_proposal")
        assert (entry.subject, entry.reason) == (str(eve.id), "")


def test_another_tenant_s_proposal_is_not_found(api_client, other_users, proposed):
    firings, (eve, *_others) = proposed
    outsider = api_client(other_users.account_manager)
    assert outsider.get(PROPOSALS).json()["results"] == []
    for named in (firings[eve.id].id, uuid4()):
        address = f"{PROPOSALS}/{named}"
        answers = [
            outsider.get(address),
            outsider.post(f"{address}/accept", {}),
            outsider.post(f"{address}/dismiss", {"reason": "Mine"}),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert {answer.json()["detail"] for answer in answers} == {"There is no such proposal."}


def test_the_rules_of_a_draft_are_played_and_their_results_answered(api_client, tenant, reported):
    client = api_client("tenant_admin")
    assert client.get(BACKTEST).status_code == client.post(BACKTEST, {}).status_code == 404
    draft = new_draft(tenant, DOCUMENT)
    assert client.get(BACKTEST).status_code == 404, "not played yet"
    begun = client.post(BACKTEST, {"known": "effective"})
    assert begun.status_code == 202
    assert (begun.json()["draft"], begun.json()["state"], begun.json()["rules"]) == (str(draft.id), "running", [])
    list(work_off_plays(tenant, now=utc_now()))
    done = client.get(f"{BACKTEST}?draft={draft.id}").json()
    assert (done["state"], done["customers_done"], done["customers"], done["churns"]) == ("done", 4, 4, 2)
    overdue = next(rule for rule in done["rules"] if rule["name"] == "Overdue")
    assert (overdue["days_before_median"], overdue["value_caught"]) == (36, {"EUR": "1000.00"})
    assert overdue["caught"] >= 1 and overdue["churns"] == 2
    with tenant_context(tenant.id):
        assert not RiskFiring.objects.exists() and RulePlay.objects.count() == 1
    assert api_client("account_manager").post(BACKTEST, {}).status_code == 403


@pytest.mark.parametrize(("document", "code"), [({"stages": ["A"]}, 400), ({"stages": []}, 400)])
def test_a_draft_without_rules_or_with_errors_plays_nothing(api_client, tenant, document, code):
    new_draft(tenant, document)
    assert api_client("tenant_admin").post(BACKTEST, {}).status_code == code
    with tenant_context(tenant.id):
        assert not RulePlay.objects.exists()


def test_another_tenant_s_draft_is_not_played(api_client, tenant, other_users):
    draft = new_draft(tenant, DOCUMENT)
    outsider = api_client(other_users.tenant_admin)
    assert outsider.post(BACKTEST, {"draft": str(draft.id)}).status_code == 404
    assert outsider.get(f"{BACKTEST}?draft={draft.id}").status_code == 404
    with tenant_context(tenant.id):
        assert not RulePlay.objects.exists()


def test_the_health_of_a_draft_is_played_beside_the_live_one_and_the_bands_of_both_are_answered(api_client, tenant):
    client = api_client("tenant_admin")
    assert client.get(HEALTH).status_code == client.post(HEALTH, {}).status_code == 404
    came = (utc_now() - START).days - 250
    made = tell(tenant, {"ann": [(came, "Active"), (came + 75, "Churned")], "bob": [(came, "Active")]}, {})
    with tenant_context(tenant.id):
        for name, issues in (("ann", 9), ("bob", 0)):
            fact = CustomerFacts(made[name].external_id, "/support", at(came), support={"open_issues": issues})
            record_customers([fact], tenant=tenant, actor=ACTOR, source="Import", now=utc_now(), create=False)
    keep_facts(tenant)
    anger = {"name": "Anger", "measure": "open_issues", "points": 100, "from": 0, "to": 6}
    draft = new_draft(tenant, {**MINIMAL, "categories": {"Churned": "lost"}, "health": {"parts": [anger]}})
    assert client.get(HEALTH).status_code == 404, "not played yet"
    begun = client.post(HEALTH, {})
    assert begun.status_code == 202
    assert (begun.json()["draft"], begun.json()["state"], begun.json()["customers"]) == (str(draft.id), "running", 2)
    list(work_off_health_plays(tenant, now=utc_now()))
    done = client.get(f"{HEALTH}?draft={draft.id}").json()
    assert (done["state"], done["customers_done"], done["is_of_present_draft"]) == ("done", 2, True)
    assert len(done["landmarks"]) == 12 and done["live_version"] == 1
    bands = {one["band"]: one for one in done["draft_bands"]}
    # Ann is counted on the first days of the two or three months before she is lost.
    poor = bands["poor"]
    assert poor["observations"] == poor["lost"] in (2, 3) and (poor["customers"], poor["share_of_lost"]) == (1, 1.0)
    assert (bands["good"]["lost"], bands["good"]["share"]) == (0, 0.0) and bands["good"]["customers"] == 1
    assert [one["band"] for one in done["live_bands"]] == ["good", "watch", "poor", "unknown"]
    assert api_client("account_manager").post(HEALTH, {}).status_code == 403


def test_the_health_of_a_draft_with_errors_or_of_another_tenant_is_not_played(api_client, tenant, other_users):
    draft = new_draft(tenant, {"stages": []})
    assert api_client("tenant_admin").post(HEALTH, {}).status_code == 400
    assert api_client(other_users.tenant_admin).post(HEALTH, {"draft": str(draft.id)}).status_code == 404
    with tenant_context(tenant.id):
        assert not HealthPlay.objects.exists()
