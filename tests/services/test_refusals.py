"""Refused attempts: summed up for the admin, and forgotten after ninety days."""

import dataclasses
import datetime as dt
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import RefusedAttempt
from audit.services.refusals import (
    Refusal,
    SourceCount,
    record_refusals,
    summarise_refusals,
)
from lifecycle.rules.envelopes import Event
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.recording import Recorded
from lifecycle.services.events.moves import move_by_rules
from lifecycle.services.transitions.outcomes import Call
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, CustomerFactory, utc_now

CONSUMER = system_actor("consume_events")


def refuse(tenant: TenantRef, times: int, **fields: Any) -> None:
    values: dict[str, Any] = {
        "attempted_at": utc_now(),
        "actor": "somebody",
        "actor_kind": "user",
        "source": "UI",
        "code": "transition_not_allowed",
        "detail": "No.",
        "from_stage": "Prospect",
        "to_stage": "Active",
        **fields,
    }
    with tenant_context(tenant.id):
        record_refusals([Refusal(tenant_id=tenant.id, **values) for _ in range(times)])


def test_the_summary_counts_what_each_rule_refused_and_by_which_source(
    tenant: TenantRef, other_tenant: TenantRef
) -> None:
    refuse(tenant, 2)
    refuse(tenant, 5, source="EventListener /billing", actor="system:consume_events", actor_kind="system")
    refuse(tenant, 1, code="permission_denied", from_stage="", to_stage="")
    refuse(tenant, 9, attempted_at=utc_now() - dt.timedelta(days=31))
    refuse(other_tenant, 4)
    with tenant_context(tenant.id), CaptureQueriesContext(connection) as queries:
        rules = summarise_refusals(tenant.id, utc_now() - dt.timedelta(days=30))
    assert len(queries) == 1
    assert [(rule.code, rule.from_stage, rule.to_stage, rule.attempts) for rule in rules] == [
        ("transition_not_allowed", "Prospect", "Active", 7),
        ("permission_denied", "", "", 1),
    ]
    assert rules[0].sources == (SourceCount("EventListener /billing", 5), SourceCount("UI", 2))


def test_of_an_actor_and_minute_sixty_attempts_are_kept_and_the_others_counted(
    tenant: TenantRef, django_assert_num_queries: Any
) -> None:
    now = utc_now()
    one = {"tenant_id": tenant.id, "attempted_at": now, "actor_kind": "user", "source": "API", "detail": ""}
    calls = [
        [Refusal(**one, actor="anna", code="permission_denied") for _ in range(1000)],
        [Refusal(**one, actor="anna", code="unknown_reason", to_stage="Active") for _ in range(40)],
        [Refusal(**one, actor="bert", code="permission_denied") for _ in range(3)],
    ]
    with tenant_context(tenant.id):
        assert record_refusals(calls[0][:30], in_turn=True) == 30
        with django_assert_num_queries(3):
            assert record_refusals(calls[0][30:], in_turn=True) == 30
        assert record_refusals(calls[1], in_turn=True) == 0
        assert record_refusals(calls[2], in_turn=True) == 3
        rows = list(RefusedAttempt.objects.filter(actor="anna").order_by("attempted_at", "id"))
        assert (len(rows), sum(row.more for row in rows)) == (60, 980)
        assert RefusedAttempt.objects.filter(actor="bert").aggregate(Sum("more")) == {"more__sum": 0}
        later = [dataclasses.replace(refusal, attempted_at=now + dt.timedelta(seconds=61)) for refusal in calls[1]]
        assert record_refusals(later, in_turn=True) == 40
        rules = summarise_refusals(tenant.id, now - dt.timedelta(days=1))
    assert sum(rule.attempts for rule in rules) == 1083


def test_bulk_calls_leave_sixty_rows_and_the_count_of_all(tenant: TenantRef, api_client: Any, page_client: Any) -> None:
    client = api_client("account_manager")
    customers = CustomerFactory.create_batch(100, tenant=tenant)
    items = [{"customer_id": str(customer.id), "stage": "No such stage"} for customer in customers]
    for _ in range(3):
        answer = client.post("/api/v1/lifecycle/transitions", {"items": items}, format="json")
        assert {result["status"] for result in answer.json()["results"]} == {400}
    with tenant_context(tenant.id):
        rows = list(RefusedAttempt.objects.all())
    assert (len(rows), sum(1 + row.more for row in rows)) == (60, 300)
    page = page_client("tenant_admin").get(reverse("admin:audit_refusedattempt_changelist"))
    assert "and 240 more" in page.content.decode()


def test_a_move_that_the_rules_refuse_to_an_event_is_counted_with_its_sender(tenant: TenantRef) -> None:
    closed = {
        **MINIMAL,
        "transitions": {"Prospect": ["Onboarded"]},
        "event_rules": [{"event": "contract.renewed", "to": "Active"}],
    }
    customer = CustomerFactory(tenant=tenant)
    event = Event(
        id="e-1",
        source="/billing/eu",
        type="contract.renewed",
        time=utc_now(),
        tenant=tenant.slug,
        external_id=customer.external_id,
        data={},
    )
    with tenant_context(tenant.id):
        publish_configuration(closed, tenant=tenant, actor=CONSUMER, now=utc_now())
        (move,) = move_by_rules(
            [(event, Recorded(customer_id=customer.id))],
            policy=live_policy(tenant.id),
            call=Call(tenant, CONSUMER, "EventListener", utc_now()),
        )
        assert move.refusal is not None
        attempt = RefusedAttempt.objects.get()
    assert (attempt.customer_id, attempt.from_stage, attempt.to_stage) == (customer.id, "Prospect", "Active")
    assert (attempt.source, attempt.code) == ("EventListener /billing", "transition_not_allowed")
    assert attempt.actor == "system:consume_events"
