"""Admins see which rules refuse how much, and to whom."""

from typing import Any

from django.urls import reverse

from tenants.actors import TenantRef
from tests.admin.test_walk import browser
from tests.services.test_refusals import refuse

SUMMARY = "admin:refusals_summary"


def test_the_summary_says_which_rule_refused_how_many_attempts_by_which_sources(
    tenant: TenantRef, other_tenant: TenantRef, users: Any
) -> None:
    refuse(tenant, 2)
    refuse(tenant, 5, source="EventListener /billing", actor="system:consume_events", actor_kind="system")
    refuse(tenant, 1, source="API", code="reason_required", to_stage="Churned")
    refuse(other_tenant, 1, to_stage="Elsewhere")
    answer = browser(users.tenant_admin).get(reverse(SUMMARY))
    lines = [(rule.count.attempts, rule.sentence, rule.sources) for rule in answer.context["rules"]]
    assert lines == [
        (7, "From “Prospect” to “Active” is not allowed.", "5 by events of billing, 2 in the app"),
        (1, "A move to “Churned” needs a reason, and none was given.", "1 via the API"),
    ]
    assert "Elsewhere" not in answer.content.decode()


def test_all_that_is_kept_of_a_blocked_move_is_said_in_the_reader_s_language(tenant: TenantRef, users: Any) -> None:
    for code in ("effects_unconfirmed", "invalid_request", "not_found"):
        refuse(tenant, 1, code=code)
    german = {"headers": {"accept-language": "de"}}
    client = browser(users.tenant_admin)
    answer = client.get(reverse(SUMMARY), **german)
    assert {rule.sentence for rule in answer.context["rules"]} == {
        "Der Übergang hätte andere Automatisierungen gestartet, als bestätigt waren.",
        "Die Anfrage ist fehlerhaft aufgebaut.",
        "Diesen Kunden gibt es nicht: Prüfen Sie die ID.",
    }
    listed = client.get(reverse("admin:audit_refusedattempt_changelist"), **german).content.decode()
    assert "Automatisierungen nicht bestätigt" in listed and "Effects unconfirmed" not in listed
    assert "Invalid request" not in listed and "Not found" not in listed


def test_a_period_that_is_none_is_a_month(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    assert client.get(reverse(SUMMARY), {"days": "7"}).context["days"] == 7
    assert client.get(reverse(SUMMARY), {"days": "x"}).context["days"] == 30


def test_the_list_of_attempts_leads_to_the_summary(tenant: TenantRef, users: Any) -> None:
    refuse(tenant, 1)
    answer = browser(users.tenant_admin).get(reverse("admin:audit_refusedattempt_changelist"))
    assert reverse(SUMMARY) in answer.content.decode()
