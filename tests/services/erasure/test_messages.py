"""Messages about somebody who is erased: dead ones, waiting ones, and those from before anyone filed them."""

import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from audit.models import AdministrationEntry, OutboxMessage
from audit.services import refusals
from lifecycle.models import NO_TENANT, DeadLetter
from lifecycle.rules.envelopes import receive
from lifecycle.services.compliance.erasure import ErasureRefused
from lifecycle.services.events.dead_letters import Refusal
from lifecycle.services.events.processing import CONSUMER, store_dead_letter, sweep_parked
from storage.cipher import customer_index
from tenants.context import tenant_context
from tenants.services.accounts.people import suspend_tenant
from tests.factories import TenantFactory, utc_now
from tests.messaging.speaking import RULES, Speaker, as_message, at
from tests.services.erasure.erasing import ACTOR, ZORA, Acme, dead_messages, erase, export, kill


def find_rest(dead_letter: DeadLetter) -> tuple[Any, Any, Any, Any, int]:
    """State, bytes, key and headers of a dead letter now, and how many copies of it wait or waited to be sent."""
    with tenant_context(dead_letter.tenant_id):
        row = DeadLetter.objects.get(id=dead_letter.id)
        copies = OutboxMessage.objects.filter(dead_letter_id=dead_letter.id).count()
    return row.state, row.value, None if row.key is None else bytes(row.key), row.headers, copies


KINDS = [
    "no key", "another key", "a quoted key", "a key in JSON", "an unknown type", "a bare customer id",
    "an unknown tenant", "a quoted tenant", "no tenant", "no JSON, with a key", "no JSON, with an id",
    "no JSON, with the person", "the person in a header",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_letter_about_the_customer_is_erased_with_its_copy(acme: Acme, kind: str) -> None:
    dead_letter = kill(acme, dead_messages(acme)[kind])
    assert find_rest(dead_letter)[0::4] == ("open", 1)
    erased = erase(acme)
    assert erased.messages == 1
    state, value, key, headers, copies = find_rest(dead_letter)
    assert (state, value, headers, copies) == ("discarded", None, [], 0)
    assert key in (None, acme.own.encode())


def test_every_kind_of_message_is_tried(acme: Acme) -> None:
    assert list(dead_messages(acme)) == KINDS


def test_dead_letters_about_others_stay(acme: Acme, db: None) -> None:
    other = Acme()
    other.own = acme.own
    other.hear(other.created(contacts=[ZORA]))
    suspended = Speaker(TenantFactory(configuration=RULES))
    suspend_tenant(tenant=suspended.tenant, actor=ACTOR, now=utc_now())
    kept = [
        kill(acme, as_message({**acme.document("customer.updated", "c2"), "type": "x"}, topic="t")),
        kill(acme, as_message({**acme.document("customer.updated", "c2", issue_id=acme.own), "type": "x"}, topic="t")),
        kill(acme, as_message({**acme.document("customer.updated", acme.own.upper()), "type": "x"}, topic="t")),
        kill(other, as_message({**other.document("customer.updated"), "type": "x"}, topic="t")),
        # Its tenant is known, and is another one, though no one works for it now.
        kill(acme, as_message(suspended.document("customer.updated", acme.own), topic="customer.updated")),
    ]
    assert erase(acme).messages == 0
    assert [find_rest(dead_letter)[0::4] for dead_letter in kept] == [("open", 1)] * 5


def test_a_suspended_tenants_customer_is_erased_from_what_came_in_the_meantime(acme: Acme) -> None:
    suspend_tenant(tenant=acme.tenant, actor=ACTOR, now=utc_now())
    message = as_message(acme.document("customer.updated", contacts=[ZORA]), topic="customer.updated")
    (result,) = acme.hear(receive(message), tenants={})
    assert result.tenant_id == NO_TENANT
    assert erase(acme).messages == 1


def test_a_dead_letter_that_was_replayed_or_discarded_leaves_no_copy_behind(acme: Acme) -> None:
    dead_letter = kill(acme, dead_messages(acme)["an unknown type"])
    call_command("dead_letters", "discard", str(dead_letter.id), "--reason", "test", stdout=StringIO())
    assert find_rest(dead_letter)[4] == 1, "it is still to be sent"
    erase(acme)
    assert find_rest(dead_letter) == ("discarded", None, acme.own.encode(), [], 0)


def test_a_dead_letter_that_comes_after_the_erasure_is_not_kept(acme: Acme) -> None:
    erase(acme)
    for kind, message in dead_messages(acme).items():
        if kind in ("an unknown tenant", "no tenant") or kind.startswith("no JSON"):
            # No one can tell whose customer it is: it is kept until it is erased again.
            assert find_rest(kill(acme, message))[0] == "open", kind
            continue
        dead_letter = kill(acme, message)
        assert find_rest(dead_letter) == ("discarded", None, None, [], 1), kind
        with tenant_context(dead_letter.tenant_id):
            (copy,) = OutboxMessage.objects.filter(dead_letter_id=dead_letter.id)
            row = DeadLetter.objects.get(id=dead_letter.id)
        assert (copy.key, copy.payload) == (None, None)
        names = [name for name, _ in copy.headers or []]
        assert "dead-letter-value-omitted" in names and "x-contact" not in names
        assert (row.reason, row.source, row.event_id) == ("The customer was erased.", "", "")
    # All but the one that says nothing but a name: whose it was is erased as well.
    assert erase(acme).messages == 4


def test_a_dead_letter_written_while_somebody_erases_is_erased_or_not_kept(acme: Acme, in_threads: Any) -> None:
    message = dead_messages(acme)["an unknown type"]
    begun, written = threading.Event(), threading.Event()

    def store_slowly() -> None:
        from django.db import transaction

        with transaction.atomic(), tenant_context(acme.tenant.id):
            refusal = Refusal("internal_error", "x")
            store_dead_letter(receive(message), refusal, tenant=acme.tenant, attempts=1, now=utc_now())
            begun.set()
            written.wait(1.5)

    def work(number: int) -> None:
        if number == 0:
            store_slowly()
        else:
            assert begun.wait(60)
            erase(acme)

    assert in_threads(2, work) == [None, None]
    (dead_letter,) = acme.dead_letters()
    assert find_rest(dead_letter)[:2] == ("discarded", None)


def test_messages_that_wait_are_deleted(acme: Acme) -> None:
    acme.hear(acme.renewed("c9", minutes=1))
    assert len(acme.parked()) == 1
    erased = erase(acme, "c9")
    assert (erased.customer_id, erased.messages) == (None, 1)
    assert acme.parked() == []


def test_somebody_known_only_from_messages_is_erased_and_exported(acme: Acme) -> None:
    acme.hear(acme.say("customer.updated", "c9", contacts=[ZORA]), now=at(0))
    assert [one["external_id"] for one in export(acme, "c9")["parked_events"]] == ["c9"]
    sweep_parked(actor=CONSUMER, now=at(20), seconds=120)
    (dead_letter,) = acme.dead_letters()
    exported = export(acme, "c9")
    assert exported["company"] is None and exported["administration"] == []
    assert ZORA["email"] in exported["dead_letters"][0]["value"]
    assert erase(acme, "c9").messages == 1
    assert find_rest(dead_letter)[:2] == ("discarded", None)
    with tenant_context(acme.tenant.id):
        subjects = set(
            AdministrationEntry.objects.filter(action__endswith="_customer").values_list("subject", flat=True)
        )
    assert subjects == {customer_index(acme.tenant.id, "c9").hex()}
    with pytest.raises(ErasureRefused, match="has no customer “c8”"):
        erase(acme, "c8")


def test_what_was_refused_about_no_customer_is_not_handed_out_for_somebody_who_is_none(acme: Acme) -> None:
    """Every such attempt of the tenant's people had been in it."""
    acme.hear(acme.say("customer.updated", "c9", contacts=[ZORA]), now=at(0))
    refused = refusals.Refusal(acme.tenant.id, utc_now(), "someone", "user", "API", "permission_denied", "View-only.")
    with tenant_context(acme.tenant.id):
        refusals.record_refusals([refused])
    exported = export(acme, "c9")
    assert (len(exported["parked_events"]), exported["refused_attempts"]) == (1, [])


def test_dead_letters_from_before_they_were_filed_are_found(acme: Acme) -> None:
    dead_letter = kill(acme, dead_messages(acme)["another key"])
    with tenant_context(acme.tenant.id):
        DeadLetter.objects.filter(id=dead_letter.id).update(subjects=None)
    assert erase(acme).messages == 1


def test_a_dead_letter_that_is_too_large_to_be_filed_is_opened(acme: Acme) -> None:
    large = {**acme.document("customer.updated", contacts=[ZORA], notes=["x" * 100] * 1000), "type": "nonsense"}
    dead_letter = kill(acme, as_message(large, topic="customer.updated", key=b"k"))
    with tenant_context(acme.tenant.id):
        assert DeadLetter.objects.get(id=dead_letter.id).subjects is None
    assert [one["id"] for one in export(acme)["dead_letters"]] == [str(dead_letter.id)]
    assert erase(acme).messages == 1


def test_dead_letters_that_cannot_be_looked_into_are_counted_and_said(acme: Acme, settings: Any) -> None:
    dead_letter = kill(acme, as_message(f"{ZORA['name']} called".encode(), topic="t"))
    old = settings.MASTER_KEYS
    with override_settings(MASTER_KEYS={max(old) + 1: b"n" * 32}):
        assert erase(acme).unreadable >= 1
    with tenant_context(dead_letter.tenant_id):
        DeadLetter.objects.filter(id=dead_letter.id).update(state="discarded", value=None)
