"""A publication is taken back, with the customers that it moved."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.management.commands.move_customers import Command
from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.publication import revert_publication
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Stage
from tenants.services.configuration.versions import (
    NoSuchVersion,
)
from tests.factories import MINIMAL, CustomerFactory, utc_now
from tests.services.publishing import ADMIN, SHORTER, move_all, publish, stages_of

WITHOUT_RISK: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded", "Active", "Churned"],
    "required_reason_codes": ["Churned"],
    "transitions": {"Prospect": ["Onboarded"], "Onboarded": ["Active"], "Active": ["Churned"]},
}


def replace_stage(old: str, new: str) -> dict[str, Any]:
    """MINIMAL with another stage in the place of one, which asks for no reason."""
    document = json.loads(json.dumps(MINIMAL).replace(f'"{old}"', f'"{new}"'))
    document["required_reason_codes"] = [stage for stage in document.get("required_reason_codes", []) if stage != new]
    return document


def test_taking_back_returns_those_who_have_not_moved_since(tenant: TenantRef) -> None:
    stayed, moved_on = (CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late") for _ in range(2))
    always_there = CustomerFactory(tenant=tenant, stage="Active")
    publish(tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": "Active"})
    move_all(tenant)
    with tenant_context(tenant.id):
        apply(
            Call(tenant, ADMIN, "UI", utc_now()), [Change(customer_id=moved_on.id, stage="Churned", reason_code="Gone")]
        )

    with tenant_context(tenant.id):
        back = revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="That was a mistake")
    move_all(tenant)

    assert back.version.number == 3
    with tenant_context(tenant.id):
        where = dict(CustomerLifecycleStatus.objects.values_list("customer_id", "stage"))
        assert where == {stayed.id: "At-Risk", moved_on.id: "Churned", always_there.id: "Active"}
        assert set(Stage.objects.values_list("name", flat=True)) == set(MINIMAL["stages"])


def test_a_stage_that_only_the_undone_version_had_needs_no_second_mapping(tenant: TenantRef) -> None:
    customer = CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    document = {**MINIMAL, "stages": ["Prospect", "Onboarded", "Active", "Danger", "Churned"]}
    document["required_reason_codes"] = ["Churned"]
    publish(tenant, document, mapping={"At-Risk": "Danger"})
    move_all(tenant)
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
    move_all(tenant)
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "At-Risk"
        assert not Stage.objects.filter(name="Danger").exists()


def test_taking_back_needs_no_transition_that_leads_back(tenant: TenantRef) -> None:
    """No one can go from Churned to At-Risk by the rules, but those who were only mapped there come back."""
    publish(tenant, {**MINIMAL, "transitions": {"Active": ["At-Risk"], "At-Risk": ["Churned"], "Churned": []}})
    risky = [CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late") for _ in range(3)]
    lost = CustomerFactory(tenant=tenant, stage="Churned", reason_code="Price")
    publish(tenant, WITHOUT_RISK, mapping={"At-Risk": {"to": "Churned", "reason_code": "Stage removed"}})
    move_all(tenant)
    assert stages_of(tenant) == {"Churned": 4}

    with tenant_context(tenant.id):
        back = revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="That was a mistake")
    assert sum(move.total for move in back.moves) == 3
    move_all(tenant)

    assert stages_of(tenant) == {"At-Risk": 3, "Churned": 1}
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=lost.id).version == 1
        last = LifecycleHistory.objects.get(customer_id=risky[0].id, sequence=3)
        assert (last.from_stage, last.to_stage, last.source) == ("Churned", "At-Risk", "Configuration")
        assert last.request_id == back.version.request_id
        assert AdministrationEntry.objects.latest("id").action == "revert_publication"


def test_taking_back_counts_each_customer_once(tenant: TenantRef) -> None:
    """Those who return and those who go by the mapping stand in the same stage, which goes away."""
    for _ in range(3):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    publish(tenant, replace_stage("At-Risk", "Rescue"), mapping={"At-Risk": "Rescue"})
    move_all(tenant)
    own = CustomerFactory(tenant=tenant, stage="Rescue")

    with tenant_context(tenant.id):
        back = revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
    assert sum(move.total for move in back.moves) == 4
    move_all(tenant)

    assert stages_of(tenant) == {"At-Risk": 4}
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=own.id).version == 2


def test_a_publication_sends_those_who_still_wait_where_its_own_mapping_says(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former publication had brought one of four to its goal; taken back, the former goal holds again."""
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    monkeypatch.setattr(stage_migrations, "BATCH", 1)
    for _ in range(4):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    publish(tenant, WITHOUT_RISK, mapping={"At-Risk": "Onboarded"})
    next(move_customers(tenant, now=utc_now()))
    assert stages_of(tenant) == {"At-Risk": 3, "Onboarded": 1}

    publish(tenant, WITHOUT_RISK, mapping={"At-Risk": "Active"})
    move_all(tenant)
    assert stages_of(tenant) == {"Active": 3, "Onboarded": 1}

    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
    move_all(tenant)
    assert stages_of(tenant) == {"Onboarded": 4}


def test_what_is_published_while_the_customers_of_a_former_one_are_moved_is_taken_back_whole(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large tenant that takes long: who was moved for the later one was not moved before it was published."""
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    moved_first = CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    active = CustomerFactory(tenant=tenant, stage="Active")
    publish(tenant, WITHOUT_RISK, mapping={"At-Risk": "Onboarded"})
    clock = [utc_now() - dt.timedelta(minutes=10)]
    monkeypatch.setattr(timezone, "now", lambda: clock[0])

    def publish_in_between(mover: Command, move: StageMigration) -> None:
        if move.tenant_id == tenant.id and len(clock) == 1:
            clock.append(clock[0])
            clock[0] = utc_now()
            transitions = {"Prospect": ["Onboarded"], "Onboarded": ["Churned"]}
            document = {**WITHOUT_RISK, "stages": ["Prospect", "Onboarded", "Churned"], "transitions": transitions}
            publish(tenant, document, mapping={"Active": "Onboarded"})

    monkeypatch.setattr(Command, "_note", publish_in_between)
    call_command("move_customers", "--once", stdout=StringIO())
    assert stages_of(tenant) == {"Onboarded": 2}

    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
    move_all(tenant)
    with tenant_context(tenant.id):
        where = dict(CustomerLifecycleStatus.objects.values_list("customer_id", "stage"))
    assert where == {moved_first.id: "Onboarded", active.id: "Active"}


@pytest.mark.parametrize("when", ["half-way", "at once"])
def test_a_publication_that_still_moves_customers_is_taken_back(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Those who were not moved yet stay where they are: their stage is there again."""
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    monkeypatch.setattr(stage_migrations, "BATCH", 1)
    for _ in range(3):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    publish(tenant, WITHOUT_RISK, mapping={"At-Risk": "Onboarded"})
    if when == "half-way":
        next(move_customers(tenant, now=utc_now()))
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="back")
    move_all(tenant)
    assert stages_of(tenant) == {"At-Risk": 3}
    with tenant_context(tenant.id):
        assert not StageMigration.objects.filter(finished_at__isnull=True).exists()


def test_there_is_nothing_to_revert_before_the_second_version(tenant: TenantRef) -> None:
    with tenant_context(tenant.id), pytest.raises(NoSuchVersion):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="x")
