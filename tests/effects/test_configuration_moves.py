"""The moves of a configuration's mapping start effects only where that is asked for, with the number named first."""

import json
import tracemalloc
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from audit.models import AdministrationEntry
from lifecycle.models import EffectRun
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.configuration.plans import Target
from lifecycle.services.configuration.publication import revert_publication
from lifecycle.services.configuration.started import find_leaving
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tests.admin.drafts import new_draft
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.services.publishing import ADMIN, move_all, publish, stages_of, written

EFFECTS: list[dict[str, Any]] = [
    {"name": "Forecast", "kind": "forecast", "on": "enter", "stages": ["Churned"]},
    {"name": "Write", "kind": "email", "on": "enter", "stages": ["Churned"], "to": ["contacts"]},
    {"name": "By hand", "kind": "forecast", "on": "enter", "stages": ["Churned"], "sources": ["UI", "API"]},
    {"name": "Elsewhere", "kind": "forecast", "on": "enter", "stages": ["Active"]},
]
BEFORE: dict[str, Any] = {"stages": ["Active", "At-Risk", "Churned"]}
AFTER: dict[str, Any] = {"stages": ["Active", "Churned"], "effects": EFFECTS}
MAPPING = {"At-Risk": "Churned"}
STARTED = ["Forecast", "Forecast", "Write", "Write"]


@pytest.fixture
def tenant(db: None) -> TenantRef:
    """Two customers are in the stage that goes away, one is in another."""
    tenant = TenantFactory(configuration=BEFORE)
    for stage in ("At-Risk", "At-Risk", "Active"):
        CustomerFactory(tenant=tenant, stage=stage)
    return tenant


def started(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return sorted(EffectRun.objects.filter(tenant_id=tenant.id).values_list("effect", flat=True))


def set_budget(tenant: TenantRef, budget: int) -> None:
    with tenant_context(tenant.id):
        Tenant.objects.filter(id=tenant.id).update(effects_budget=budget)


def test_a_mapping_starts_nothing_unless_asked(tenant: TenantRef) -> None:
    publish(tenant, AFTER, mapping=MAPPING)
    assert (stages_of(tenant), started(tenant)) == ({"Active": 1, "Churned": 2}, [])


@pytest.mark.parametrize("at_once", [0, 1000])
def test_asked_to_it_starts_what_it_would_by_hand_also_in_the_background(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(stage_migrations, "AT_ONCE", at_once)
    published = publish(tenant, AFTER, mapping=MAPPING, starts_effects=True, confirm_effects=4)
    move_all(tenant)
    assert started(tenant) == STARTED
    with tenant_context(tenant.id):
        runs = EffectRun.objects.filter(tenant_id=tenant.id)
        assert set(runs.values_list("request_id", flat=True)) == {published.version.request_id}
        # No customer has contacts.
        assert set(runs.values_list("effect", "state")) == {("Forecast", "due"), ("Write", "suppressed")}
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, detail__version=2)
    assert entry.detail["effects"] == {"Forecast": 2, "Write": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"starts_effects": True, "confirm_effects": 3}, "effects_unconfirmed"),
        ({"starts_effects": True, "confirm_effects": 0}, "effects_unconfirmed"),
        # It was not asked to, and so it would start none.
        ({"confirm_effects": 4}, "effects_unconfirmed"),
        ({"starts_effects": True}, "effects_unasked"),
    ],
)
def test_another_number_than_was_seen_and_one_above_the_budget_are_refused_and_nothing_is_written(
    tenant: TenantRef, options: dict[str, Any], said: str
) -> None:
    set_budget(tenant, 3)
    before = written(tenant)
    with pytest.raises(EffectsUnconfirmed) as refusal:
        publish(tenant, AFTER, mapping=MAPPING, **options)
    assert refusal.value.refused.message[0] == said
    assert (written(tenant), started(tenant)) == (before, [])


def test_taking_a_publication_back_starts_nothing(tenant: TenantRef) -> None:
    publish(tenant, {**AFTER, "effects": []}, mapping=MAPPING)
    publish(tenant, {**BEFORE, "effects": [{**EFFECTS[0], "stages": ["At-Risk", "Churned"]}]})
    CustomerFactory(tenant=tenant, stage="At-Risk")
    publish(tenant, {**AFTER, "effects": EFFECTS[:1]}, mapping=MAPPING)
    with tenant_context(tenant.id):
        revert_publication(tenant=tenant, actor=ADMIN, now=utc_now(), comment="Back")
    move_all(tenant)
    # It has moved someone back into a stage that starts effects.
    assert stages_of(tenant)["At-Risk"] == 1
    assert started(tenant) == []


def test_the_api_counts_compares_and_starts(api_client: Callable[[str], APIClient], tenant: TenantRef) -> None:
    client = api_client("tenant_admin")
    body = {"configuration": AFTER, "mapping": MAPPING, "start_effects": True}
    preview = client.post("/api/v1/configuration/preview", body, format="json").json()
    assert preview["effects"] == [
        {"name": "Forecast", "kind": "forecast", "count": 2, "recipients": 2, "suppressed": 0},
        {"name": "Write", "kind": "email", "count": 2, "recipients": 0, "suppressed": 2},
    ]
    assert preview["effects_total"] == 4
    before = written(tenant)

    def put(language: str = "en", **more: Any) -> Any:
        headers = {"HTTP_IF_MATCH": '"1"', "HTTP_ACCEPT_LANGUAGE": language}
        return client.put("/api/v1/configuration", {**body, **more}, format="json", **headers)

    refused = put(confirm_effects=3)
    assert (refused.status_code, refused.json()["code"]) == (409, "effects_unconfirmed")
    assert "Nothing was saved: review what would start" in refused.json()["detail"]
    assert [(one["name"], one["count"]) for one in refused.json()["effects"]] == [("Forecast", 2), ("Write", 2)]
    assert "Es wurde nichts gespeichert" in put("de", confirm_effects=3).json()["detail"]
    assert (written(tenant), started(tenant)) == (before, [])
    for invalid in ("yes", 7, None):
        assert put(start_effects=invalid).status_code == 400, invalid
    assert put(confirm_effects=4).status_code == 200
    assert started(tenant) == STARTED


def test_the_page_names_what_can_start_and_compares_it(tenant: TenantRef, page_client: Callable[[str], Client]) -> None:
    client = page_client("tenant_admin")
    draft = new_draft(tenant, AFTER, mapping=MAPPING)
    address = reverse("admin:configuration_publish", args=[draft.pk])
    page = client.get(address).content.decode()
    assert "What moving the customers can start" in page
    assert "Start these 4 automations" in page and "Type the number to confirm it" not in page
    sent = {"comment": "Simpler", "expected_version": "1", "expected_revision": str(draft.revision)}
    asked = {**sent, "start_effects": "on", "seen_effects": "4"}
    before = written(tenant)
    # Someone else comes into the stage before the page is sent.
    late = CustomerFactory(tenant=tenant, stage="At-Risk")
    answer = client.post(address, asked)
    assert "This would start 6 automations" in answer.content.decode()
    assert "Start these 6 automations" in answer.content.decode()
    with tenant_context(tenant.id):
        assert Tenant.objects.get(id=tenant.id).configuration_version == 1
        apply(Call(tenant, ADMIN, "API", utc_now()), [Change(late.id, "Active")])
    assert started(tenant) == []
    set_budget(tenant, 3)
    assert "Type the number to confirm it" in client.get(address).content.decode()
    for typed in ("", "three", "5"):
        answer = client.post(address, {**asked, "confirm_effects": typed})
        assert "This would start 4 automations" in answer.content.decode(), typed
    assert (written(tenant)[:3], started(tenant)) == (before[:3], [])
    published = client.post(address, {**asked, "confirm_effects": " 4 "}, follow=True)
    assert "2 customers have moved." in published.content.decode()
    assert started(tenant) == STARTED


def test_on_the_page_nothing_starts_unless_asked(tenant: TenantRef, page_client: Callable[[str], Client]) -> None:
    draft = new_draft(tenant, AFTER, mapping=MAPPING)
    sent = {
        "comment": "Simpler", "expected_version": "1", "expected_revision": str(draft.revision), "seen_effects": "4"
    }  # fmt: skip
    page_client("tenant_admin").post(reverse("admin:configuration_publish", args=[draft.pk]), sent)
    assert (stages_of(tenant), started(tenant)) == ({"Active": 1, "Churned": 2}, [])


def test_the_command_names_them_in_a_dry_run_and_starts_them_when_asked(tenant: TenantRef, tmp_path: Path) -> None:
    document, mapping = tmp_path / "a.json", tmp_path / "mapping.json"
    document.write_text(json.dumps(AFTER))
    mapping.write_text(json.dumps(MAPPING))

    def load(*options: str) -> str:
        output = StringIO()
        arguments = (str(document), "--tenant", tenant.slug, "--mapping", str(mapping), *options)
        call_command("load_configuration", *arguments, stdout=output, stderr=output)
        return output.getvalue()

    assert load("--dry-run").splitlines()[-2:] == [
        "the moves can start 2 Forecast (forecast)",
        "the moves can start 2 Write (email)",
    ]
    set_budget(tenant, 3)
    for options in (["--start-effects"], ["--start-effects", "--confirm-effects", "5"]):
        with pytest.raises(CommandError, match="This would start 4 automations"):
            load(*options)
    assert started(tenant) == []
    assert "version 2 is live" in load("--start-effects", "--confirm-effects", "4")
    assert started(tenant) == STARTED


def test_what_fifty_thousand_moves_start_is_counted_and_not_listed() -> None:
    """A list of what each customer starts had a million entries."""
    policy = compile_policy(parse_configuration(AFTER), version=2)
    leaving = find_leaving(policy, {"At-Risk": Target("Churned", None)}, {"At-Risk": 50_000, "Active": 7}, {})
    tracemalloc.start()
    try:
        counts = leaving.count_effects()
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {effect.name: count for effect, count in counts.items()} == {"Forecast": 50_000, "Write": 50_000}
    assert peak < 20_000
