"""What an at-risk rule proposes is seen, accepted in the dialog, or dismissed with a reason."""

import re

import pytest
from django.urls import reverse

from lifecycle.models import CustomerLifecycleStatus, RiskFiring
from lifecycle.services.risk.watching import watch_rules
from tenants.context import tenant_context
from tests.factories import MINIMAL, CustomerFactory
from tests.services import acts

RULE = {
    "name": "Deep in debt",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "action": "propose",
    "to": "At-Risk",
    "reason_code": "Money",
}


@pytest.fixture
def proposed(tenant):
    customer = CustomerFactory(tenant=tenant, name="Eve Ltd", stage="Active")
    with tenant_context(tenant.id):
        acts.publish(tenant, {**MINIMAL, "risk_rules": [RULE]})
        acts.report(tenant, customer, billing={"arr": "100", "balance_overdue": "50"})
    watch_rules(tenant)
    with tenant_context(tenant.id):
        return RiskFiring.objects.get(tenant_id=tenant.id)


def test_a_proposal_is_on_the_home_page_and_the_customers_page_with_what_can_be_done(page_client, proposed):
    manager, viewer = page_client("account_manager"), page_client("viewer")
    move = f"{reverse('move-customer', args=[proposed.customer_id])}?stage=At-Risk&amp;reason=Money"
    for address in ("/", reverse("customer-page", args=[proposed.customer_id])):
        shown = manager.get(address).content.decode()
        assert "“Deep in debt” has held since" in shown and move in shown
        seen = viewer.get(address).content.decode()
        assert "“Deep in debt” has held since" in seen and "Dismiss" not in seen
    # The home page has no place for a dialog: there it is a page of its own.
    assert "dialog-slot" not in manager.get("/").content.decode()
    dialog = manager.get(move.replace("&amp;", "&")).content.decode()
    assert 'value="At-Risk" checked' in dialog and 'value="Money"' in dialog


def test_a_proposal_is_dismissed_with_a_reason_and_the_customer_stays(page_client, tenant, proposed):
    manager = page_client("account_manager")
    address = reverse("dismiss-proposal", args=[proposed.customer_id, proposed.id])
    assert "Deep in debt" in manager.get(address).content.decode()
    refused = manager.post(address, {"reason": " "})
    assert refused.status_code == 400 and "Enter a reason" in refused.content.decode()
    assert page_client("viewer").post(address, {"reason": "No"}).status_code == 403
    with tenant_context(tenant.id):
        assert RiskFiring.objects.get().state == "open"
    assert manager.post(address, {"reason": "They pay"}).status_code == 302
    with tenant_context(tenant.id):
        assert (RiskFiring.objects.get().state, RiskFiring.objects.get().dismissal) == ("dismissed", "They pay")
        assert CustomerLifecycleStatus.objects.get(customer_id=proposed.customer_id).stage == "Active"
    assert "has held since" not in manager.get("/").content.decode()
    assert manager.post(address, {"reason": "Again"}).status_code == 409
    assert manager.get(address).status_code == 404


def test_a_dismissal_that_is_sent_twice_is_done_and_not_refused(page_client, tenant, proposed):
    manager = page_client("account_manager")
    address = reverse("dismiss-proposal", args=[proposed.customer_id, proposed.id])
    given = dict(re.findall(r'name="(submission)" value="([0-9a-f-]+)"', manager.get(address).content.decode()))
    assert manager.post(address, {"reason": " "} | given).status_code == 400
    answers = [manager.post(address, {"reason": "They pay"} | given) for _ in range(2)]
    where = reverse("customer-page", args=[proposed.customer_id])
    assert [(one.status_code, one.get("Location")) for one in answers] == [(302, where)] * 2
    with tenant_context(tenant.id):
        assert RiskFiring.objects.get().dismissal == "They pay"
    # What someone else has dismissed is refused all the same.
    assert page_client("tenant_admin").post(address, {"reason": "They pay"} | given).status_code == 409


def test_another_tenants_proposal_is_not_found(page_client, other_users, proposed):
    outsider = page_client(other_users.account_manager)
    address = reverse("dismiss-proposal", args=[proposed.customer_id, proposed.id])
    assert outsider.get(address).status_code == outsider.post(address, {"reason": "Mine"}).status_code == 404
