"""What an operator does about dead letters: by command and in the admin, through the consumer's own path."""

from contextlib import nullcontext
from io import StringIO
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from audit.models import AdministrationEntry
from lifecycle.management.commands import dead_letters as dead_letters_command
from lifecycle.management.progress import ProgressBar
from lifecycle.management.stopping import StopRequest
from lifecycle.models import NO_TENANT, DeadLetter
from lifecycle.rules.envelopes import receive
from lifecycle.services.compliance.retention import forget_dead_letters
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.events import dead_letter_actions
from lifecycle.services.events.dead_letter_actions import (
    DeadLetterRefused,
    discard_dead_letters,
    find_dead_letters,
    open_message,
    replay_dead_letters,
    rewrap_dead_letters,
)
from storage import cipher
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.services.accounts.people import create_tenant
from tests.admin.test_walk import choose
from tests.factories import TenantFactory, UserFactory
from tests.messaging.speaking import RULES, Speaker, as_message, at, outcomes

OPERATOR = system_actor("operator:olga")
NEEDS_REASON: dict[str, Any] = {
    "stages": ["A", "B"],
    "required_reason_codes": ["B"],
    "event_rules": [{"event": "contract.renewed", "to": "B"}],
}
CORRECTED: dict[str, Any] = {"stages": ["A", "B"], "event_rules": [{"event": "contract.renewed", "to": "B"}]}


@pytest.fixture
def refused(db: None) -> Speaker:
    """A tenant whose rule is wrong, and one event that has failed for it."""
    speaker = Speaker(TenantFactory(configuration=NEEDS_REASON))
    speaker.hear(speaker.created())
    assert outcomes(speaker.hear(speaker.renewed(minutes=1, id="r1"))) == ["dead:reason_required"]
    return speaker


def fix(speaker: Speaker) -> None:
    with tenant_context(speaker.tenant.id):
        publish_configuration(CORRECTED, tenant=speaker.tenant, actor=OPERATOR, now=at(2))


def replay(speaker: Speaker) -> list[str]:
    dead_letters = find_dead_letters(tenant=speaker.tenant.slug)
    return [
        f"{result.outcome}:{result.code}".rstrip(":")
        for result in replay_dead_letters(dead_letters, actor=OPERATOR, now=at(60))
    ]


def actions(tenant_id: Any) -> list[tuple[str, str, str]]:
    with tenant_context(tenant_id):
        return list(
            AdministrationEntry.objects.filter(action__endswith="dead_letter")
            .order_by("id")
            .values_list("action", "actor", "reason")
        )


def test_a_dead_letter_is_replayed_after_a_fix(refused: Speaker) -> None:
    fix(refused)
    assert replay(refused) == ["applied"]
    assert refused.stages() == ["A", "B"]
    row = refused.history()[-1]
    assert (row.changed_by, row.source, row.event_id) == ("system:consume_events", "EventListener", "r1")
    (dead_letter,) = refused.dead_letters()
    assert (dead_letter.state, dead_letter.resolved_by, dead_letter.reason) == (
        "replayed",
        "system:operator:olga",
        "applied",
    )
    assert dead_letter.value is None
    assert refused.inbox()["r1"] == "applied"
    assert actions(refused.tenant.id) == [("replay_dead_letter", "system:operator:olga", "applied")]


def test_a_dead_letter_that_dies_again_stays_open_with_the_new_reason(refused: Speaker) -> None:
    assert replay(refused) == ["dead:reason_required"]
    assert replay(refused) == ["dead:reason_required"]
    (dead_letter,) = refused.dead_letters()
    assert (dead_letter.state, dead_letter.attempts, dead_letter.code) == ("open", 3, "reason_required")
    assert len(refused.outbox("lifecycle.dead-letter")) == 1, "it was published when it failed, and only then"
    assert refused.inbox()["r1"] == "dead"
    fix(refused)
    assert replay(refused) == ["applied"]


def test_twice_is_still_once(refused: Speaker) -> None:
    fix(refused)
    dead_letters = list(find_dead_letters(tenant=refused.tenant.slug))
    first = list(replay_dead_letters(dead_letters, actor=OPERATOR, now=at(60)))
    second = list(replay_dead_letters(dead_letters, actor=OPERATOR, now=at(61)))
    assert [result.outcome for result in (*first, *second)] == ["applied", "resolved"]
    assert refused.stages() == ["A", "B"]


def test_many_operators_at_once_replay_a_dead_letter_once(refused: Speaker, in_threads: Any) -> None:
    fix(refused)
    dead_letters = list(find_dead_letters(tenant=refused.tenant.slug))
    results = in_threads(6, lambda _: next(replay_dead_letters(dead_letters, actor=OPERATOR, now=at(60))).outcome)
    assert sorted(results) == ["applied"] + ["resolved"] * 5
    assert refused.stages() == ["A", "B"]
    assert len(actions(refused.tenant.id)) == 1


def test_what_was_applied_under_the_same_id_in_the_meantime_resolves_the_dead_letter(acme: Speaker) -> None:
    acme.hear(acme.created())
    acme.hear(acme.renewed(id="e1", minutes=1, contract_id=5))
    acme.hear(acme.renewed(id="e1", minutes=1, contract_id="K1"))
    (dead_letter,) = acme.dead_letters()
    with tenant_context(acme.tenant.id):
        # As if the schema had learned to take it.
        good = acme.renewed(id="e1", minutes=1, contract_id="K2").message.value
        from audit.services.message_encryption import encrypt_message

        dead_letter.value = encrypt_message(good or b"", tenant_id=dead_letter.tenant_id, row_id=dead_letter.id)
        dead_letter.save()
    assert replay(acme) == ["duplicate"]
    assert acme.customer().billing.contract_id == "K1"
    assert acme.dead_letters()[0].state == "replayed"


def test_a_dead_letter_of_an_unknown_tenant_finds_its_tenant(acme: Speaker) -> None:
    slug = f"new-{acme.tenant.slug}"
    message = as_message(
        acme.document("customer.created", "c1", name="A") | {"tenantid": slug}, topic="customer.created"
    )
    acme.hear(receive(message))
    dead_letters = find_dead_letters(tenant=slug)
    assert [result.code for result in replay_dead_letters(dead_letters, actor=OPERATOR, now=at(1))] == [
        "unknown_tenant"
    ]
    newcomer = Speaker(create_tenant(slug=slug, name="New", actor=system_actor("tests"), now=at(0)))
    with tenant_context(newcomer.tenant.id):
        publish_configuration(RULES, tenant=newcomer.tenant, actor=OPERATOR, now=at(0))
    assert [result.outcome for result in replay_dead_letters(dead_letters.all(), actor=OPERATOR, now=at(2))] == [
        "applied"
    ]
    assert newcomer.customer().name == "A"
    with tenant_context(NO_TENANT):
        assert DeadLetter.objects.get(tenant_slug=slug).state == "replayed"


def test_a_replayed_event_may_wait_for_its_customer(acme: Speaker) -> None:
    from lifecycle.services.events.processing import CONSUMER, sweep_parked

    acme.hear(acme.renewed("late", minutes=1), now=at(0))
    sweep_parked(actor=CONSUMER, now=at(20), seconds=120)
    assert [dead_letter.code for dead_letter in acme.dead_letters()] == ["unknown_customer"]
    (dead_letter,) = acme.dead_letters()
    reported = run("replay", str(dead_letter.id))
    assert reported.startswith(f"{dead_letter.id} waits for its customer again") and reported.endswith(
        "1 replayed, 0 failed again\n"
    )
    assert acme.dead_letters()[0].state == "replayed"
    acme.hear(acme.created("late"))
    assert acme.stages("late") == ["Prospect", "Active"]


def test_a_discarded_dead_letter_keeps_its_facts_and_loses_its_bytes(refused: Speaker) -> None:
    dead_letters = find_dead_letters(tenant=refused.tenant.slug)
    for nothing in ("", "  ", "x" * 501):
        with pytest.raises(DeadLetterRefused, match="Enter a reason"):
            discard_dead_letters(dead_letters, reason=nothing, actor=OPERATOR, now=at(5))
    assert refused.dead_letters()[0].state == "open"
    assert discard_dead_letters(dead_letters, reason=" sent by mistake ", actor=OPERATOR, now=at(5)) == 1
    (dead_letter,) = refused.dead_letters()
    assert (dead_letter.state, dead_letter.reason, dead_letter.resolved_by) == (
        "discarded",
        "sent by mistake",
        "system:operator:olga",
    )
    assert (dead_letter.value, dead_letter.event_id, dead_letter.resolved_at) == (None, "r1", at(5))
    with pytest.raises(DeadLetterRefused, match="discarded already"):
        open_message(dead_letter)
    assert actions(refused.tenant.id) == [("discard_dead_letter", "system:operator:olga", "sent by mistake")]
    fix(refused)
    assert replay(refused) == []
    assert discard_dead_letters([dead_letter], reason="again", actor=OPERATOR, now=at(6)) == 0


def test_resolved_dead_letters_are_forgotten_after_their_time_and_open_ones_never(refused: Speaker) -> None:
    refused.hear(refused.renewed(minutes=2, id="r2"))
    first, _ = find_dead_letters(tenant=refused.tenant.slug)
    discard_dead_letters([first], reason="old", actor=OPERATOR, now=at(5))
    forget_dead_letters(before=at(5))
    assert len(refused.dead_letters()) == 2
    forget_dead_letters(before=at(6))
    assert [dead_letter.event_id for dead_letter in refused.dead_letters()] == ["r2"]


def test_dead_letters_follow_a_rotation_of_the_master_key(refused: Speaker, settings: Any) -> None:
    old = dict(settings.MASTER_KEYS)
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32, **old}
    assert rewrap_dead_letters() >= 1
    settings.MASTER_KEYS = {cipher.newest_master_key_id(): b"n" * 32}
    (dead_letter,) = refused.dead_letters()
    assert b'"r1"' in (open_message(dead_letter).value or b"")
    settings.MASTER_KEYS = {max(old) + 1: b"n" * 32, **old}
    assert rewrap_dead_letters() == 0
    settings.MASTER_KEYS = old
    # Whatever else was re-wrapped in this test run goes back to the key that the other tests know.
    settings.MASTER_KEYS = {**old, max(old) + 1: b"n" * 32}
    while rewrap_dead_letters():
        pass
    settings.MASTER_KEYS = old


# --- the command --------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("dead_letters", *arguments, stdout=output)
    return output.getvalue()


def test_a_discard_that_is_stopped_says_how_far_it_came(refused: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is discarded by itself: what is left is for the next run."""
    refused.hear(refused.renewed(minutes=2, id="r2"), refused.renewed(minutes=3, id="r3"))
    request = StopRequest()
    update = ProgressBar.update

    def stop_after_two(bar: ProgressBar, done: int) -> None:
        update(bar, done)
        if done == 2:
            request.set()

    monkeypatch.setattr(ProgressBar, "update", stop_after_two)
    monkeypatch.setattr(dead_letters_command, "stop_on_signals", lambda: nullcontext(request))
    which = ("discard", "--all", "--tenant", refused.tenant.slug, "--reason", "sent by mistake")
    output = StringIO()
    with pytest.raises(CommandError, match=r"^Stopped: some dead letters are still open\.$"):
        call_command("dead_letters", *which, stdout=output)
    assert output.getvalue() == "2 discarded\n"
    assert [one.state for one in refused.dead_letters()] == ["discarded", "discarded", "open"]
    # Asked to end as the last one is being discarded: that is all.
    monkeypatch.setattr(ProgressBar, "update", lambda _bar, _done: request.set())
    request = StopRequest()
    assert run(*which) == "1 discarded\n"


def test_the_command_lists_by_tenant_type_and_error(refused: Speaker) -> None:
    slug = refused.tenant.slug
    refused.hear(refused.updated("c\0", minutes=1))
    lines = run("list", "--tenant", slug).splitlines()
    assert len(lines) == 2
    assert "contract.renewed" in lines[0] and "reason_required" in lines[0]
    assert "invalid_data" in run("list", "--tenant", slug, "--type", "customer.updated")
    assert run("list", "--tenant", slug, "--error", "unknown_type") == ""
    assert run("list", "--tenant", slug, "--limit", "1").splitlines()[-1] == "... and 1 more"
    summary = run("list", "--tenant", slug, "--summary").split()
    assert summary.count("1") == 2


def test_the_command_shows_a_dead_letter_whole(refused: Speaker) -> None:
    (dead_letter,) = refused.dead_letters()
    shown = run("show", str(dead_letter.id))
    assert "code         reason_required" in shown
    assert "key          c1" in shown
    assert '"id":"r1"' in shown


def test_the_command_replays_one_and_tells_what_is_dead_again(refused: Speaker) -> None:
    (dead_letter,) = refused.dead_letters()
    with pytest.raises(CommandError, match="still open"):
        run("replay", str(dead_letter.id))
    fix(refused)
    assert run("replay", str(dead_letter.id), "--by", "olga") == "1 replayed, 0 failed again\n"
    assert actions(refused.tenant.id) == [("replay_dead_letter", "system:operator:olga", "applied")]
    with pytest.raises(CommandError, match="Not among the open dead letters"):
        run("replay", str(dead_letter.id))


def test_the_command_replays_all_of_a_tenant(refused: Speaker) -> None:
    for number in range(5):
        refused.hear(refused.created(f"n{number}"), refused.renewed(f"n{number}", minutes=1))
    fix(refused)
    assert run("replay", "--all", "--tenant", refused.tenant.slug) == "6 replayed, 0 failed again\n"
    assert refused.stage("n4") == "B"


def test_the_command_dates_each_by_when_it_is_replayed(refused: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many the last comes long after the first: it had been dated from before what was changed in between."""
    refused.hear(refused.created("c2"), refused.renewed("c2", minutes=1))
    fix(refused)
    seconds = count()
    monkeypatch.setattr(timezone, "now", lambda: at(60 + next(seconds) / 60))
    assert run("replay", "--all", "--tenant", refused.tenant.slug) == "2 replayed, 0 failed again\n"
    first, second = (refused.history(name)[-1] for name in ("c1", "c2"))
    assert (first.to_stage, second.to_stage) == ("B", "B")
    assert first.changed_at < second.changed_at
    assert len({dead_letter.resolved_at for dead_letter in refused.dead_letters()}) == 2


def test_the_command_wants_to_know_which(refused: Speaker) -> None:
    with pytest.raises(CommandError, match="Name dead letters by id, or use --all"):
        run("replay")
    with pytest.raises(CommandError):
        run("discard", "--all")
    assert run("discard", "--all", "--tenant", refused.tenant.slug, "--reason", "test") == "1 discarded\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["list", "--limit", "-1"], "argument --limit: -1 is not a whole number from 1"),
        (["list", "--limit", "9" * 30], "argument --limit: 9{30} is not a whole number from 1"),
        (["list", "--tenant", "a\x00"], "argument --tenant: .* contains the character NUL"),
        (["list", "--type", "a\udcff"], "argument --type: .* is not UTF-8"),
        (["list", "--error", "a\udcff"], "argument --error: .* is not UTF-8"),
        (["show", "a\udcff"], "argument id: invalid UUID value"),
        (["replay", "\x00"], "argument id: invalid UUID value"),
        (["replay", "--all", "--by", "x" * 135], "argument --by: .* has 135 characters; at most 134 are possible"),
        (["replay", "--all", "--by", " "], "argument --by: .* is blank"),
        (["replay", "--all", "--by", "a\udcff"], r"argument --by: .* contains the control character U\+DCFF"),
        (["discard", "--all", "--reason", "a\x00"], "argument --reason: .* contains the character NUL"),
        (["discard", "--all", "--reason", "a\udcff"], "argument --reason: .* is not UTF-8"),
    ],
)
def test_the_command_refuses_what_cannot_be_kept_or_found(refused: Speaker, arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        run(*arguments)
    assert refused.dead_letters()[0].state == "open"
    assert actions(refused.tenant.id) == []


def test_the_name_of_an_operator_may_be_as_long_as_the_log_has_room(refused: Speaker) -> None:
    fix(refused)
    run("replay", "--all", "--tenant", refused.tenant.slug, "--by", "x" * 134)
    assert actions(refused.tenant.id) == [("replay_dead_letter", f"system:operator:{'x' * 134}", "applied")]


# --- the admin ----------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(page_client: Any, refused: Speaker) -> Any:
    """The browser of a super admin who works for the tenant."""
    client = page_client("super_admin")
    choose(client, refused.tenant)
    return client


def act(client: Any, action: str, *dead_letters: DeadLetter, **data: str) -> str:
    answer = client.post(
        reverse("admin:lifecycle_deadletter_changelist"),
        {
            "action": action,
            "_selected_action": [str(dead_letter.id) for dead_letter in dead_letters],
            "change_reason": "Ticket 7",
            **data,
        },
        follow=True,
    )
    assert answer.status_code == 200
    body: str = answer.content.decode()
    return body


def test_staff_finds_dead_letters_by_error_and_reads_the_message(refused: Speaker, staff: Any) -> None:
    (dead_letter,) = refused.dead_letters()
    address = reverse("admin:lifecycle_deadletter_changelist")
    body = staff.get(address, {"tenant_slug": refused.tenant.slug, "code": "reason_required"}).content.decode()
    assert str(dead_letter.id) in body
    assert str(dead_letter.id) not in staff.get(address, {"tenant_slug": "other"}).content.decode()
    body = staff.get(reverse("admin:lifecycle_deadletter_change", args=[dead_letter.id])).content.decode()
    assert "&quot;id&quot;:&quot;r1&quot;" in body


def test_staff_replays_and_discards(refused: Speaker, staff: Any) -> None:
    refused.hear(refused.created("c2"), refused.renewed("c2", minutes=2, id="r2"))
    first, second = refused.dead_letters()
    assert "failed again: To move a customer to" in act(staff, "replay", first)
    fix(refused)
    assert "1 replayed." in act(staff, "replay", first)
    assert refused.stages() == ["A", "B"]
    assert "Enter a reason" in act(staff, "discard", second, reason=" ")
    assert refused.dead_letters()[1].state == "open"
    assert "1 discarded." in act(staff, "discard", second, reason="not ours")
    assert refused.dead_letters()[1].state == "discarded"
    with tenant_context(refused.tenant.id):
        actors = set(
            AdministrationEntry.objects.filter(action__endswith="dead_letter").values_list("actor_kind", flat=True)
        )
    assert actors == {"user"}


@pytest.mark.parametrize("action", ["replay", "replay_starting"])
def test_what_staff_replays_is_dated_by_when_each_is_replayed(
    refused: Speaker, staff: Any, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """As by command: the last of very many had been dated from before what people had changed in between."""
    refused.hear(refused.created("c2"), refused.renewed("c2", minutes=2, id="r2"))
    fix(refused)
    seconds = count()
    monkeypatch.setattr(dead_letter_actions, "timezone", SimpleNamespace(now=lambda: at(60 + next(seconds) / 60)))
    seen = {"seen_effects": "0"} if action == "replay_starting" else {}
    assert "2 replayed." in act(staff, action, *refused.dead_letters(), **seen)
    first, second = (refused.history(name)[-1] for name in ("c1", "c2"))
    assert (first.to_stage, second.to_stage) == ("B", "B")
    assert first.changed_at < second.changed_at
    assert len({dead_letter.resolved_at for dead_letter in refused.dead_letters()}) == 2


def test_staff_hears_of_a_failed_event_that_was_dealt_with_before(refused: Speaker, staff: Any) -> None:
    refused.hear(refused.created("c2"), refused.renewed("c2", minutes=2, id="r2"))
    first, second = refused.dead_letters()
    act(staff, "discard", first, reason="not ours")
    fix(refused)
    alone = act(staff, "replay", first)
    assert "1 had been replayed or discarded before. Nothing was done about it." in alone
    assert " replayed." not in alone.replace("had been replayed", "")
    both = act(staff, "replay", first, second)
    assert "1 had been replayed or discarded before. Nothing was done about it." in both
    assert "1 replayed." in both
    assert [dead_letter.state for dead_letter in refused.dead_letters()] == ["discarded", "replayed"]


def test_without_a_tenant_staff_sees_the_messages_of_none_and_decides_about_them(
    refused: Speaker, page_client: Any
) -> None:
    (of_tenant,) = refused.dead_letters()
    slug = f"misspelt-{refused.tenant.slug}"
    document = refused.document("customer.created", "c1", name="A") | {"tenantid": slug}
    refused.hear(receive(as_message(document, topic="customer.created")))
    (unknown,) = find_dead_letters(tenant=slug)
    client = page_client("super_admin")
    body = client.get(reverse("admin:lifecycle_deadletter_changelist"), {"q": refused.tenant.slug}).content.decode()
    assert (str(unknown.id) in body, str(of_tenant.id) in body) == (True, False)
    assert client.get(reverse("admin:lifecycle_deadletter_change", args=[of_tenant.id])).status_code == 302
    assert slug in client.get(reverse("admin:lifecycle_deadletter_change", args=[unknown.id])).content.decode()
    act(client, "discard", of_tenant, reason="not ours")
    assert refused.dead_letters()[0].state == "open"
    assert "1 discarded." in act(client, "discard", unknown, reason="not ours")


def test_a_tenant_admin_does_not_see_dead_letters(refused: Speaker, page_client: Any) -> None:
    admin = UserFactory(tenant=refused.tenant, role="tenant_admin")
    client = page_client(admin)
    assert client.get(reverse("admin:lifecycle_deadletter_changelist")).status_code == 403
    (dead_letter,) = refused.dead_letters()
    assert client.get(reverse("admin:lifecycle_deadletter_change", args=[dead_letter.id])).status_code == 403
    client.post(
        reverse("admin:lifecycle_deadletter_changelist"),
        {"action": "discard", "_selected_action": [str(dead_letter.id)], "reason": "x"},
    )
    assert refused.dead_letters()[0].state == "open"
