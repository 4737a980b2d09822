"""The administration says in words what the tables keep as codes, in lists and in filters, in each language."""

import datetime as dt
import re
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils.translation import override

from audit.models import RefusedAttempt
from lifecycle.models import NO_TENANT, DeadLetter, EffectRun
from lifecycle.sentences.codes import EFFECT_KINDS, EFFECT_STATES, REFUSALS, SOURCES, name_code, name_entry_point
from lifecycle.services.effects.digests import KIND as DIGEST
from lifecycle.services.effects.kinds import ESCALATION
from lifecycle.services.effects.reasons import explain_reason
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.effect_kinds import KINDS
from tests.factories import utc_now

CODES = {"email", "sending", "unknown", "suppressed", "cancelled", "EventListener", "transition_not_allowed"}


def run_every_kind(tenant: TenantRef) -> None:
    """An automation of each state, each of another kind."""
    now = utc_now()
    kinds = [*KINDS, ESCALATION, DIGEST]
    with tenant_context(tenant.id):
        for number, state in enumerate(EffectRun.STATES):
            EffectRun.objects.create(
                tenant_id=tenant.id,
                history_id=uuid4(),
                customer_id=uuid4(),
                request_id=uuid4(),
                configuration_version=1,
                effect=f"Automation {number}",
                kind=kinds[number % len(kinds)],
                lane_id=uuid4(),
                state=state,
                due_at=now,
                created_at=now,
            )


def refuse_moves(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        for number, source in enumerate(("UI", "EventListener /billing")):
            RefusedAttempt.objects.create(
                tenant_id=tenant.id,
                customer_id=uuid4(),
                attempted_at=utc_now() - dt.timedelta(minutes=number),
                actor="system:consume_events",
                actor_kind="system",
                code="transition_not_allowed",
                source=source,
                from_stage="A",
                to_stage="B",
            )


def cells_and_filters(body: str) -> set[str]:
    """What is read in the list and chosen in its filters, piece by piece."""
    shown = re.sub(r"<(script|style).*?</\1>", "", body, flags=re.DOTALL)
    return {piece.strip() for piece in re.findall(r">([^<>]+)<", shown)}


def test_every_code_of_an_automation_has_a_word() -> None:
    assert set(EFFECT_STATES) == set(EffectRun.STATES)
    assert set(EFFECT_KINDS) == {*KINDS, ESCALATION, DIGEST}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", {"Possibly sent", "In progress", "Not sent", "Canceled", "E-mail", "Churn forecast", "Daily digest"}),
        ("de", {"Vielleicht gesendet", "In Arbeit", "Nicht gesendet", "Abgebrochen", "E-Mail", "Abwanderungsprognose"}),
    ],
)
def test_an_admin_reads_what_automations_are_and_how_far(
    page_client: Any, tenant: TenantRef, language: str, words: set[str]
) -> None:
    run_every_kind(tenant)
    client = page_client("tenant_admin")
    address = reverse("admin:lifecycle_effectrun_changelist")
    body = client.get(address, headers={"accept-language": language}).content.decode()
    shown = cells_and_filters(body)
    assert words <= shown
    assert not shown & CODES
    # Chosen by its word, asked for by its code: so links of before lead where they led.
    assert "state=unknown" in body
    rows = client.get(address, {"state": "unknown"}).context["cl"].result_list
    assert [row.effect for row in rows] == ["Automation 5"]


def test_an_admin_reads_why_moves_were_blocked_and_how_they_came(page_client: Any, tenant: TenantRef) -> None:
    refuse_moves(tenant)
    body = page_client("tenant_admin").get(reverse("admin:audit_refusedattempt_changelist")).content.decode()
    shown = cells_and_filters(body)
    assert {"Not an allowed next stage", "In the app", "Event (billing)"} <= shown
    assert not any(code in piece for piece in shown for code in CODES)


def test_an_admin_reads_in_one_column_why_and_when_an_automation_runs(page_client: Any, tenant: TenantRef) -> None:
    run_every_kind(tenant)
    with tenant_context(tenant.id):
        EffectRun.objects.filter(tenant_id=tenant.id, state="due").update(
            attempts=3, due_at=dt.datetime(2027, 1, 2, 9, 30, tzinfo=dt.UTC)
        )
        EffectRun.objects.filter(tenant_id=tenant.id, state="suppressed").update(reason="paused")
    body = page_client("tenant_admin").get(reverse("admin:lifecycle_effectrun_changelist")).content.decode()
    assert "Due<br>due 2 Jan 2027, 09:30<br>3 attempts" in body
    assert f"Not sent<br>{explain_reason('paused')}" in body
    assert "paused" not in cells_and_filters(body)


def test_internal_staff_read_why_messages_could_not_be_applied(page_client: Any) -> None:
    letters = (
        ("invalid_data", "/crm", "open"),
        ("internal_error", "/billing/eu-1", "discarded"),
        ("odd_code", "", "open"),
    )
    with tenant_context(NO_TENANT):
        for number, (code, source, state) in enumerate(letters):
            DeadLetter.objects.create(
                tenant_id=NO_TENANT,
                type="customer.updated",
                source=source,
                topic="some.topic",
                partition=0,
                offset=number,
                code=code,
                sentence="It could not be read.",
                failed_at=utc_now(),
                state=state,
            )
    client = page_client("super_admin")
    address = reverse("admin:lifecycle_deadletter_changelist")
    shown = cells_and_filters(client.get(address).content.decode())
    assert {"Invalid data", "Error on our side", "Odd code", "CRM", "Billing (eu-1)", "some.topic"} <= shown
    assert {"Open", "Discarded"} <= shown
    assert not shown & {"invalid_data", "internal_error", "open", "discarded"}
    chosen = client.get(address, {"code": "invalid_data"}).context["cl"].result_list
    assert [letter.code for letter in chosen] == ["invalid_data"]
    german = cells_and_filters(client.get(address, headers={"accept-language": "de"}).content.decode())
    assert {"Ungültige Daten", "Fehler auf unserer Seite", "Verworfen"} <= german


def test_what_a_later_release_wrote_is_shown_without_underscores() -> None:
    assert name_code(EFFECT_STATES, "parked_for_good") == "parked for good"
    assert name_entry_point("Robot") == "Robot"
    with override("de"):
        assert {name_entry_point(code) for code in SOURCES} >= {"In der App", "Ereignis"}
        assert all(name_code(REFUSALS, code) != code for code in REFUSALS)
