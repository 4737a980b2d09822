"""Replayed dead letters start effects only where that is asked for, with the number named first and compared."""

from typing import Any

import pytest
from django.core.management import CommandError
from django.urls import reverse

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import DeadLetter, EffectRun
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.events.dead_letter_actions import find_dead_letters, replay_dead_letters
from lifecycle.services.events.replay_agreement import Agreement, MoreWouldStart
from lifecycle.services.events.replay_previews import preview_replay
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.admin.test_walk import choose
from tests.factories import TenantFactory
from tests.messaging.speaking import Speaker, at
from tests.messaging.test_dead_letters import CORRECTED, NEEDS_REASON, OPERATOR, act, run

EFFECTS: list[dict[str, Any]] = [
    {"name": "Forecast", "kind": "forecast", "on": "enter", "stages": ["B"]},
    {"name": "Write", "kind": "email", "on": "enter", "stages": ["B"], "to": ["contacts"]},
    {"name": "Welcome", "kind": "forecast", "on": "enter", "stages": ["A"]},
]


@pytest.fixture
def refused(db: None) -> Speaker:
    """Two events have failed because the tenant's rule was wrong; it was corrected, and moves start two effects."""
    speaker = Speaker(TenantFactory(configuration=NEEDS_REASON))
    for name in ("c1", "c2"):
        speaker.hear(speaker.created(name), speaker.renewed(name, minutes=1))
    with tenant_context(speaker.tenant.id):
        publish_configuration({**CORRECTED, "effects": EFFECTS}, tenant=speaker.tenant, actor=OPERATOR, now=at(2))
    return speaker


def letters(speaker: Speaker) -> list[DeadLetter]:
    return list(find_dead_letters(tenant=speaker.tenant.slug))


def started(speaker: Speaker) -> list[str]:
    with tenant_context(speaker.tenant.id):
        return sorted(EffectRun.objects.filter(tenant_id=speaker.tenant.id).values_list("effect", flat=True))


def kept(speaker: Speaker) -> tuple[int, list[str], list[int]]:
    """History, states of the dead letters, and how often each was tried."""
    with tenant_context(speaker.tenant.id):
        rows = DeadLetter.objects.filter(tenant_id=speaker.tenant.id).order_by("id")
        tries = list(rows.values_list("attempts", flat=True))
        return LifecycleHistory.objects.count(), list(rows.values_list("state", flat=True)), tries


def set_budget(speaker: Speaker, budget: int) -> None:
    with tenant_context(speaker.tenant.id):
        Tenant.objects.filter(id=speaker.tenant.id).update(effects_budget=budget)


def test_a_replay_starts_nothing_unless_asked(refused: Speaker) -> None:
    assert [one.outcome for one in replay_dead_letters(letters(refused), actor=OPERATOR, now=at(60))] == ["applied"] * 2
    assert (refused.stage("c2"), started(refused)) == ("B", [])


def test_what_would_start_is_found_out_and_nothing_is_kept(refused: Speaker) -> None:
    refused.hear(refused.renewed("c9", contract_id=5), refused.renewed("c9", minutes=1))
    before = kept(refused)
    preview = preview_replay(letters(refused), actor=OPERATOR, now=at(60))
    assert preview.counts == {("Forecast", "forecast"): 2, ("Write", "email"): 2}
    assert (kept(refused), started(refused), refused.stage("c1")) == (before, [], "A")


def test_asked_to_it_starts_what_was_named_and_the_log_says_so(refused: Speaker) -> None:
    agreement = preview_replay(letters(refused), actor=OPERATOR, now=at(60)).agree(4)
    done = replay_dead_letters(letters(refused), actor=OPERATOR, now=at(60), starts_effects=True, agreement=agreement)
    assert [one.outcome for one in done] == ["applied"] * 2
    assert started(refused) == ["Forecast", "Forecast", "Write", "Write"]
    with tenant_context(refused.tenant.id):
        details = AdministrationEntry.objects.filter(action="replay_dead_letter").values_list("detail", flat=True)
        assert [detail["effects"] for detail in details] == [{"Forecast": 1, "Write": 1}] * 2


@pytest.mark.parametrize(("confirmed", "said"), [(3, "effects_unconfirmed"), (None, "effects_unasked")])
def test_another_number_and_one_above_the_budget_are_refused(
    refused: Speaker, confirmed: int | None, said: str
) -> None:
    set_budget(refused, 3)
    preview = preview_replay(letters(refused), actor=OPERATOR, now=at(60))
    assert preview.asks_for_number
    with pytest.raises(EffectsUnconfirmed) as refusal:
        preview.agree(confirmed)
    assert refusal.value.refused.message[0] == said


def test_it_stops_before_what_was_not_named_and_keeps_what_was_replayed(refused: Speaker) -> None:
    first, second = letters(refused)
    agreement = preview_replay([first], actor=OPERATOR, now=at(60)).agree(2)
    replaying = replay_dead_letters(
        [first, second], actor=OPERATOR, now=at(60), starts_effects=True, agreement=agreement
    )
    assert next(replaying).outcome == "applied"
    with pytest.raises(MoreWouldStart, match="More of “Forecast” would start than was named"):
        next(replaying)
    assert started(refused) == ["Forecast", "Write"]
    assert (refused.stage("c1"), refused.stage("c2")) == ("B", "A")
    assert kept(refused)[1:] == (["replayed", "open"], [1, 1])
    assert not list(replay_dead_letters([], actor=OPERATOR, now=at(61), agreement=Agreement(())))


def test_the_command_names_compares_and_starts(refused: Speaker) -> None:
    which = ("replay", "--all", "--tenant", refused.tenant.slug)
    assert run(*which, "--dry-run").splitlines() == [
        "nothing was replayed; with --start-effects 2 would start:",
        "       2  Forecast (forecast)",
        "       2  Write (email)",
    ]
    set_budget(refused, 3)
    before = kept(refused)
    for more in ((), ("--confirm-effects", "5")):
        with pytest.raises(CommandError, match="This would start 4 automations"):
            run(*which, "--start-effects", *more)
    assert (kept(refused), started(refused)) == (before, [])
    assert run(*which, "--start-effects", "--confirm-effects", "4") == "2 replayed, 0 failed again\n"
    assert len(started(refused)) == 4


def test_the_page_names_what_would_start_before_it_replays(refused: Speaker, page_client: Any) -> None:
    staff = page_client("super_admin")
    choose(staff, refused.tenant)
    before = kept(refused)
    page = act(staff, "replay_starting", *letters(refused))
    assert "Replayed, 2 failed events would start:" in page
    assert "<strong>Forecast</strong>" in page and "× 2" in page and "Type the number to confirm it" not in page
    assert "This would start 4 automations" in act(staff, "replay_starting", *letters(refused), seen_effects="2")
    set_budget(refused, 3)
    page = act(staff, "replay_starting", *letters(refused), seen_effects="4", confirm_effects="")
    assert "Type the number to confirm it" in page and "This would start 4 automations" in page
    assert (kept(refused), started(refused)) == (before, [])
    page = act(staff, "replay_starting", *letters(refused), seen_effects="4", confirm_effects="4")
    assert "2 replayed." in page
    assert len(started(refused)) == 4


def test_a_tenant_admin_cannot_replay(refused: Speaker, page_client: Any) -> None:
    sent = {
        "action": "replay_starting",
        "seen_effects": "4",
        "_selected_action": [str(one.id) for one in letters(refused)],
    }
    answer = page_client("tenant_admin").post(reverse("admin:lifecycle_deadletter_changelist"), sent)
    assert (answer.status_code, started(refused)) == (403, [])
