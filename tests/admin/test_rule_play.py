"""An admin plays the at-risk rules of a draft before publishing them, and sees what they would have done."""

import pytest
from django.urls import reverse

from lifecycle.admin.configuration import health_pages, rule_play
from lifecycle.models import HealthPlay, RiskFiring, RulePlay
from lifecycle.services.risk.playing import work_off_plays
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tests.admin.drafts import new_draft
from tests.admin.test_walk import browser
from tests.factories import utc_now
from tests.services.risk.conftest import reported
from tests.services.risk.rules import DOCUMENT

__all__ = ["reported"]


def test_the_rules_of_a_draft_are_played_in_the_background_and_shown_as_table_and_picture(
    tenant, reported, admin_browser
):
    draft = new_draft(tenant, DOCUMENT)
    address = reverse("admin:configuration_rules", args=[draft.pk])
    assert "Test the rules" in admin_browser.get(address).content.decode()
    assert admin_browser.post(address, {"known": "effective"}).status_code == 302
    running = admin_browser.get(address).content.decode()
    assert "0 of 4 customers" in running and f'hx-get="{address}?part=play"' in running
    list(work_off_plays(tenant, now=utc_now()))
    shown = admin_browser.get(f"{address}?part=play").content.decode()
    assert "hx-get" not in shown and "2 churns, of 4 customers." in shown
    assert '<th scope="row">Overdue</th>' in shown and "36 (half: 36 to 36)" in shown and "€1,000" in shown
    assert "35 to 41 days before: 1 churn" in shown
    with tenant_context(tenant.id):
        assert not RiskFiring.objects.exists() and RulePlay.objects.get().done == 4


@pytest.mark.parametrize(
    ("document", "sentence"),
    [({"stages": []}, "The draft has errors"), ({"stages": ["A"]}, "The draft has no at-risk rules yet.")],
)
def test_a_draft_without_rules_or_with_errors_says_so_and_plays_nothing(tenant, admin_browser, document, sentence):
    draft = new_draft(tenant, document)
    address = reverse("admin:configuration_rules", args=[draft.pk])
    assert sentence in admin_browser.get(address).content.decode()
    admin_browser.post(address)
    with tenant_context(tenant.id):
        assert RulePlay.objects.count() == 0


@pytest.mark.parametrize(
    ("page", "module", "service"),
    [("rules", rule_play, "begin_play"), ("health", health_pages, "begin_health_play")],
)
def test_a_draft_that_someone_saves_with_an_error_in_that_moment_is_not_played(
    tenant, admin_browser, monkeypatch, page, module, service
):
    """Between the look at the draft and its lock: it met an error."""
    draft, begin = new_draft(tenant, DOCUMENT), getattr(module, service)

    def begin_late(found, **given):
        ConfigurationVersion.objects.filter(pk=draft.pk).update(document={"stages": []})
        return begin(found, **given)

    monkeypatch.setattr(module, service, begin_late)
    answer = admin_browser.post(reverse(f"admin:configuration_{page}", args=[draft.pk]))
    assert answer.status_code == 200
    assert "The draft has errors: correct them first, then look again." in answer.content.decode()
    with tenant_context(tenant.id):
        assert not RulePlay.objects.exists() and not HealthPlay.objects.exists()


def test_an_account_manager_plays_no_rules(tenant, users, reported):
    draft = new_draft(tenant, DOCUMENT)
    answer = browser(users.account_manager).post(reverse("admin:configuration_rules", args=[draft.pk]))
    assert answer.status_code in (302, 403)
    with tenant_context(tenant.id):
        assert not RulePlay.objects.exists()
