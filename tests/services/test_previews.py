"""Trying a configuration: what it would do to the customers as they stand and to what really happened."""

import datetime as dt
from typing import Any
from uuid import uuid4

from django.db import connection
from django.test.utils import CaptureQueriesContext

from lifecycle.rules.transitions import Change
from lifecycle.services.configuration.previews import preview_configuration
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.undo import begin_undo, work_off_undos
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import read_configuration
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services.publishing import SHORTER, move_all, publish, written


def preview(tenant: TenantRef, document: Any, **options: Any) -> Any:
    with tenant_context(tenant.id):
        return preview_configuration(*read_configuration(document), tenant=tenant, now=utc_now(), **options)


def move(tenant: TenantRef, customer: Any, stage: str, reason: str | None = None, source: str = "API") -> None:
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, system_actor("tests"), source, utc_now()),
            [Change(customer_id=customer.id, stage=stage, reason_code=reason)],
        )
    assert outcome.moved


def test_a_preview_counts_the_customers_whose_stage_goes_away(tenant: TenantRef) -> None:
    for _ in range(2):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    CustomerFactory(tenant=tenant)
    before = written(tenant)

    tried = preview(tenant, SHORTER, renamed={"Prospect": "Lead"})
    assert tried.valid
    assert [(row.stage, row.customers) for row in tried.stages_going_away] == [("At-Risk", 2)]
    assert tried.mapping_needed == ("At-Risk",)
    assert preview(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": "Active"}).mapping_needed == ()
    assert tried.customers == 3
    assert written(tenant) == before


def test_a_preview_names_the_stages_that_become_dead_ends(tenant: TenantRef) -> None:
    CustomerFactory(tenant=tenant, stage="Active")
    tried = preview(tenant, {**MINIMAL, "transitions": {"Prospect": ["Active"]}})
    assert [(row.stage, row.customers) for row in tried.new_dead_ends] == [("Active", 1)]


def test_a_preview_counts_who_would_be_over_the_expected_days(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        # Seven days and some hours are seven days: the second one would be over tomorrow.
        for ago in (dt.timedelta(days=8), dt.timedelta(days=7, hours=23)):
            customer = CustomerFactory(tenant=tenant)
            customer.status.stage_entered_at = utc_now() - ago
            customer.status.save(update_fields=["stage_entered_at"])
    tried = preview(tenant, {**MINIMAL, "max_days": {"Prospect": 7}})
    assert [(row.stage, row.now, row.then) for row in tried.overdue] == [("Prospect", 0, 1)]


def test_a_new_stage_with_the_former_name_of_another_has_none_of_its_customers(tenant: TenantRef) -> None:
    with tenant_context(tenant.id):
        customer = CustomerFactory(tenant=tenant)
        customer.status.stage_entered_at = utc_now() - dt.timedelta(days=8)
        customer.status.save(update_fields=["stage_entered_at"])
    document = {**MINIMAL, "stages": ["Lead", *MINIMAL["stages"]], "max_days": {"Prospect": 7, "Lead": 90}}
    assert preview(tenant, document, renamed={"Prospect": "Lead"}).overdue == ()
    document["max_days"] = {"Prospect": 90, "Lead": 7}
    tried = preview(tenant, document, renamed={"Prospect": "Lead"})
    assert [(row.stage, row.now, row.then) for row in tried.overdue] == [("Prospect", 0, 1)]


def test_a_preview_judges_what_really_happened(tenant: TenantRef) -> None:
    one, two = CustomerFactory(tenant=tenant), CustomerFactory(tenant=tenant)
    for customer in (one, two):
        move(tenant, customer, "Active")
    move(tenant, one, "At-Risk", "Late", source="EventListener")
    document = {
        **MINIMAL,
        "transitions": {"Prospect": ["Onboarded"], "Active": ["At-Risk"]},
        "reason_codes": {"At-Risk": ["Low Engagement"]},
    }
    tried = preview(tenant, document)
    assert (tried.moves_judged, tried.moves_refused) == (3, 3)
    assert [(m.from_stage, m.to_stage, m.code, m.source, m.count) for m in tried.refused_moves] == [
        ("Prospect", "Active", "transition_not_allowed", "API", 2),
        ("Active", "At-Risk", "unknown_reason", "EventListener", 1),
    ]
    assert set(tried.refused_moves[0].examples) == {one.id, two.id}


def test_a_preview_asks_no_transition_of_undos_and_of_moves_by_a_configuration(tenant: TenantRef) -> None:
    """As they are made: no transition leads back, or out of a stage that is taken away, and none has to."""
    customer, other = CustomerFactory(tenant=tenant), CustomerFactory(tenant=tenant, stage="Onboarded")
    actor, request_id = system_actor("tests"), uuid4()
    with tenant_context(tenant.id):
        apply(Call(tenant, actor, "API", utc_now(), request_id), [Change(customer.id, "Active")])
        begin_undo(request_id, tenant=tenant, actor=actor, now=utc_now())
    for _ in work_off_undos(tenant, now=utc_now()):
        pass
    stages = [stage for stage in MINIMAL["stages"] if stage != "Onboarded"]
    publish(tenant, {**MINIMAL, "stages": stages}, mapping={"Onboarded": "Prospect"})
    move_all(tenant)
    with tenant_context(tenant.id):
        other.status.refresh_from_db()
        assert other.status.stage == "Prospect"
    tried = preview(tenant, {**MINIMAL, "transitions": {"Prospect": ["Active"]}})
    assert (tried.moves_judged, tried.moves_refused) == (3, 0)
    move(tenant, customer, "Active")
    move(tenant, customer, "Prospect")
    tried = preview(tenant, {**MINIMAL, "transitions": {"Prospect": ["Active"]}})
    assert [(m.from_stage, m.to_stage, m.source) for m in tried.refused_moves] == [("Active", "Prospect", "API")]


def test_an_invalid_document_is_answered_with_every_error(tenant: TenantRef) -> None:
    tried = preview(tenant, {"stages": ["A", "a"], "initial": "B"})
    assert not tried.valid
    assert {finding.path for finding in tried.findings} >= {"/stages/1", "/initial"}


def test_a_preview_costs_the_same_for_one_customer_and_for_fifty(tenant: TenantRef) -> None:
    def count() -> int:
        with tenant_context(tenant.id), CaptureQueriesContext(connection) as queries:
            preview_configuration(*read_configuration(SHORTER), tenant=tenant, now=utc_now())
        return len(queries)

    CustomerFactory(tenant=tenant)
    alone = count()
    for _ in range(49):
        CustomerFactory(tenant=tenant)
    assert count() == alone


def test_another_tenants_customers_are_not_counted(tenant: TenantRef, other_customer: Any) -> None:
    assert preview(tenant, MINIMAL).customers == 0
