"""Erased means erased, exported means complete: whatever waits, failed or was answered about a customer."""

import datetime as dt
import json
import threading
from dataclasses import replace
from io import StringIO
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from audit.models import AdministrationEntry, OutboxMessage, RefusedAttempt
from audit.services.refusals import Refusal as Attempt
from audit.services.refusals import record_refusals
from lifecycle.models import NO_TENANT, Contact, Customer, DeadLetter, IdempotentRequest
from lifecycle.queries.listing import ListQuery, list_customers
from lifecycle.rules.envelopes import Message, receive
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import ErasureRefused, erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.events.dead_letter_actions import find_dead_letters, replay_dead_letters
from lifecycle.services.events.dead_letters import Refusal
from lifecycle.services.events.processing import CONSUMER, store_dead_letter, sweep_parked
from lifecycle.services.transitions.apply import Call, apply
from storage.cipher import customer_index
from tenants.actors import TenantRef, system_actor
from tenants.context import no_tenant_context, tenant_context
from tenants.services.accounts.people import suspend_tenant
from tenants.services.configuration.policies import live_policy
from tests.factories import TenantFactory, utc_now
from tests.messaging.speaking import RULES, Speaker, as_message, at, outcomes

ACTOR = system_actor("tests")
ZORA = {"name": "Zora Canary-Quetzal", "email": "zora.canary@quetzal.example", "phone": "+49 170 5550199"}


class Acme(Speaker):
    """A tenant whose customer ``c1`` has an id that no other test's messages have."""

    def __init__(self) -> None:
        super().__init__(TenantFactory(configuration=RULES))
        self.own = f"c-{uuid4().hex}"

    def document(self, event_type: str, external_id: str = "c1", **options: Any) -> dict[str, Any]:
        return super().document(event_type, self.own if external_id == "c1" else external_id, **options)

    def customer(self, external_id: str = "c1") -> Customer:
        return super().customer(self.own if external_id == "c1" else external_id)

    def stages(self, external_id: str = "c1") -> list[str]:
        return super().stages(self.own if external_id == "c1" else external_id)


@pytest.fixture
def acme(db: None) -> Acme:
    """A tenant with one customer, c1, and its contact."""
    speaker = Acme()
    speaker.hear(speaker.created(contacts=[ZORA]))
    return speaker


def erase(speaker: Acme, external_id: str = "c1", **options: Any) -> Any:
    with tenant_context(speaker.tenant.id):
        return erase_customer(
            speaker.own if external_id == "c1" else external_id,
            **{"tenant": speaker.tenant, "actor": ACTOR, "reason": "Asked", "now": utc_now(), **options},
        )


def export(speaker: Acme, external_id: str = "c1") -> Any:
    with tenant_context(speaker.tenant.id):
        own = speaker.own if external_id == "c1" else external_id
        exported = export_customer(own, tenant=speaker.tenant, actor=ACTOR, now=utc_now())
    return json.loads(orjson.dumps(exported, default=str))


def kill(speaker: Speaker, message: Message) -> DeadLetter:
    """The dead letter that becomes of a message."""
    (result,) = speaker.hear(receive(message))
    assert result.outcome == "dead", outcomes([result])
    with tenant_context(result.tenant_id):
        return DeadLetter.objects.get(topic=message.topic, partition=message.partition, offset=message.offset)


def find_rest(dead_letter: DeadLetter) -> tuple[Any, Any, Any, Any, int]:
    """State, bytes, key and headers of a dead letter now, and how many copies of it wait or waited to be sent."""
    with tenant_context(dead_letter.tenant_id):
        row = DeadLetter.objects.get(id=dead_letter.id)
        copies = OutboxMessage.objects.filter(dead_letter_id=dead_letter.id).count()
    return row.state, row.value, None if row.key is None else bytes(row.key), row.headers, copies


def dead_messages(speaker: Acme) -> dict[str, Message]:
    """Messages about c1 that cannot be applied, by what is wrong with them."""
    valid = speaker.document("customer.updated", contacts=[ZORA])
    broken = {**valid, "type": "nonsense"}
    slug, own = speaker.tenant.slug, speaker.own

    def raw(value: bytes, key: bytes | None = None) -> Message:
        return replace(as_message(value, topic="customer.updated"), key=key)

    return {
        "no key": raw(orjson.dumps(valid)),
        "another key": as_message(valid, topic="customer.updated", key=b"someone-else"),
        "a quoted key": as_message(broken, topic="customer.updated", key=f'"{own}"'.encode()),
        "a key in JSON": as_message(broken, topic="customer.updated", key=orjson.dumps({"id": own})),
        "an unknown type": as_message(broken, topic="customer.updated"),
        "a bare customer id": as_message(
            {**broken, "data": {"customer_id": str(speaker.customer().id), **ZORA}}, topic="x", key=b"k"
        ),
        "an unknown tenant": as_message({**valid, "tenantid": f"not-{slug}"}, topic="customer.updated"),
        "a quoted tenant": as_message({**valid, "tenantid": f'"{slug}"'}, topic="customer.updated"),
        "no tenant": as_message({**valid, "tenantid": None}, topic="customer.updated", key=b"k"),
        "no JSON, with a key": raw(b"Zora wants out", own.encode()),
        "no JSON, with an id": raw(f'{{"external_id": "{own}", "name": "Zora'.encode()),
        "no JSON, with the person": raw(f"{ZORA['email']} called".encode()),
        "the person in a header": as_message(
            broken, topic="customer.updated", headers=[("x-contact", ZORA["email"].encode())]
        ),
    }


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


def test_the_name_of_an_erased_company_stays_erased(acme: Acme) -> None:
    erase(acme, company=True)
    acme.hear(acme.updated(minutes=60, name="Quetzal Ltd", industry="Steel"))
    later = utc_now() + dt.timedelta(minutes=5)
    acme.hear(
        receive(
            as_message({**acme.document("customer.updated", name="Quetzal Ltd"), "time": later.isoformat()}, topic="t")
        )
    )
    assert (acme.customer().name, acme.customer().industry) == ("Erased customer", "Steel")


def search(speaker: Acme, text: str, **options: Any) -> list[str]:
    with tenant_context(speaker.tenant.id):
        policy = live_policy(speaker.tenant.id)
        page = list_customers(ListQuery(search=text, **options), tenant=speaker.tenant, policy=policy, now=utc_now())
    return [row["external_id"] for row in page.rows]


@pytest.mark.parametrize("company", [False, True])
@pytest.mark.parametrize("ordering", ["-updated_at", "name", "-urgency"])
def test_the_search_finds_no_one_who_is_erased(
    acme: Acme, company: bool, ordering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.hear(acme.created("c2", name="Acme Two", contacts=[{"name": "Ann", "email": "ann@two.example"}]))
    texts = ("Acme", "ac", acme.own, "Erased", ZORA["email"], ZORA["name"])
    assert search(acme, "acme", ordering=ordering) in ([acme.own, "c2"], ["c2", acme.own])
    erase(acme, company=company)
    for few in (10_000, 0):
        # With 0 the search compares row by row.
        monkeypatch.setattr("lifecycle.queries.listing.FEW", few)
        found = {text: search(acme, text, ordering=ordering) for text in texts}
        assert found == {text: [] for text in texts} | {"Acme": ["c2"], "ac": ["c2"]}
    with tenant_context(acme.tenant.id):
        for text in texts:
            matching = Customer.objects.matching(text, acme.tenant.id)
            assert [row.external_id for row in matching] == (["c2"] if text in ("Acme", "ac") else []), text
    assert search(acme, "ann@two.example") == ["c2"]


def test_what_was_typed_into_a_refused_attempt_is_taken_out_and_the_attempt_stays(acme: Acme) -> None:
    customer = acme.customer()
    for to_stage, code in ((f"{ZORA['name']} left", "invalid_stage"), ("At-Risk", "unknown_reason")):
        attempt = Attempt(
            tenant_id=acme.tenant.id,
            attempted_at=utc_now(),
            actor="u",
            actor_kind="user",
            source="API",
            code=code,
            detail=f"“{ZORA['name']}” is not a reason.",
            customer_id=customer.id,
            to_stage=to_stage,
        )
        with tenant_context(acme.tenant.id):
            record_refusals([attempt])
    erase(acme)
    with tenant_context(acme.tenant.id):
        rows = RefusedAttempt.objects.filter(customer_id=customer.id).order_by("id")
        assert list(rows.values_list("code", "to_stage", "detail")) == [
            ("invalid_stage", "", ""),
            ("unknown_reason", "At-Risk", ""),
        ]


def test_an_export_hands_out_dead_letters_waiting_events_and_answers(acme: Acme, api_client: Any) -> None:
    dead_letters = {kind: kill(acme, message) for kind, message in dead_messages(acme).items()}
    acme.hear(acme.created("c2"))
    kill(acme, as_message({**acme.document("customer.updated", "c2"), "type": "x"}, topic="t"))
    exported = export(acme)
    withheld = {"no JSON, with a key", "no JSON, with an id"}
    found = {one["id"] for one in exported["dead_letters"]}
    assert {kind for kind, dead_letter in dead_letters.items() if str(dead_letter.id) not in found} == withheld
    by_id = {one["id"]: one for one in exported["dead_letters"]}
    assert by_id[str(dead_letters["no JSON, with the person"].id)]["value"] == f"{ZORA['email']} called"
    assert by_id[str(dead_letters["the person in a header"].id)]["headers"] == [["x-contact", ZORA["email"]]]
    assert exported["withheld_messages"] == 2


def test_a_dead_letter_of_an_unknown_tenant_is_not_handed_out_to_anyone_who_has_a_customer_of_that_id(
    acme: Acme,
) -> None:
    other = Acme()
    other.own = acme.own
    other.hear(other.created(contacts=[{"name": "Somebody Else", "email": "else@other.example"}]))
    dead_letter = kill(acme, dead_messages(acme)["an unknown tenant"])
    exported = export(other)
    assert (exported["dead_letters"], exported["withheld_messages"]) == ([], 1)
    assert ZORA["email"] not in json.dumps(exported)
    assert str(dead_letter.id) in {one["id"] for one in export(acme)["dead_letters"]}


def test_an_export_of_somebody_erased_who_got_a_note_later_is_whole(acme: Acme) -> None:
    def note(text: str, stage: str) -> None:
        with tenant_context(acme.tenant.id):
            change = Change(customer_id=acme.customer().id, stage=stage, note=text)
            (outcome,) = apply(Call(acme.tenant, ACTOR, "API", utc_now()), [change])
            assert outcome.moved

    note("Zora was here", "Onboarded")
    erase(acme)
    note("A later note", "Active")
    exported = export(acme)
    assert [(row["note"], row["note_erased"]) for row in exported["history"]] == [
        (None, False),
        (None, True),
        ("A later note", False),
    ]


def test_an_export_without_its_master_key_is_refused_and_not_incomplete(acme: Acme, settings: Any) -> None:
    old = settings.MASTER_KEYS
    with override_settings(MASTER_KEYS={max(old) + 1: b"n" * 32}):
        with pytest.raises(ErasureRefused, match="Nothing was exported"):
            export(acme)
        with pytest.raises(CommandError, match="Nothing was exported: restore it"):
            call_command("export_customer", acme.own, "--tenant", acme.tenant.slug, stdout=StringIO())
    with tenant_context(acme.tenant.id):
        assert not AdministrationEntry.objects.filter(action="export_customer").exists()


def test_a_replay_and_an_erasure_at_once_leave_no_one_behind(acme: Acme, in_threads: Any) -> None:
    for number in range(4):
        kill(acme, as_message({**acme.document("customer.updated", contacts=[ZORA]), "type": "x"}, topic=f"t{number}"))

    def work(number: int) -> Any:
        if number == 0:
            return erase(acme).messages
        dead_letters = list(find_dead_letters(tenant=acme.tenant.slug))
        return [result.outcome for result in replay_dead_letters(dead_letters, actor=ACTOR, now=utc_now())]

    for result in in_threads(2, work):
        assert not isinstance(result, Exception), result
    with tenant_context(acme.tenant.id):
        assert not DeadLetter.objects.filter(value__isnull=False).exists()
        assert not Contact.objects.exists()


def test_the_rows_of_no_tenant_are_shown_from_inside_a_tenants_context(acme: Acme, other_tenant: TenantRef) -> None:
    kill(acme, dead_messages(acme)["an unknown tenant"])
    with tenant_context(acme.tenant.id):
        customers = Customer.objects.count()
        with no_tenant_context():
            assert Customer.objects.count() == 0
            assert DeadLetter.objects.filter(tenant_slug=f"not-{acme.tenant.slug}").count() == 1
        assert Customer.objects.count() == customers == 1
        assert DeadLetter.objects.filter(tenant_id=NO_TENANT).count() == 0
    assert not connections["default"].in_atomic_block


def test_an_answer_about_an_erased_customer_is_not_repeated_and_nothing_is_done_twice(
    acme: Acme, api_client: Any
) -> None:
    from tests.conftest import make_people

    client = api_client(make_people(acme.tenant).account_manager)
    customer = acme.customer()
    acme.hear(acme.created("c2"))
    other = acme.customer("c2")
    address = f"/api/v1/customers/{customer.id}/lifecycle"
    body = {"items": [{"customer_id": str(one.id), "stage": "Active"} for one in (customer, other)]}
    headers = {"Idempotency-Key": "one"}
    assert client.patch(address, {"stage": "Onboarded"}, headers=headers).status_code == 200
    assert client.post("/api/v1/lifecycle/transitions", body, headers={"Idempotency-Key": "two"}).status_code == 200
    exported = export(acme)
    assert [one["idempotency_key"] for one in exported["stored_answers"]] == ["one", "two"]
    assert exported["stored_answers"][0]["body"]["success"] is True
    assert [one["customer_id"] for one in exported["stored_answers"][1]["body"]["results"]] == [str(customer.id)]
    assert erase(acme).answers == 2
    assert export(acme)["stored_answers"] == []
    with tenant_context(acme.tenant.id):
        assert {row.body for row in IdempotentRequest.objects.all()} == {None}
    stages = acme.stages()
    again = client.patch(address, {"stage": "Onboarded"}, headers=headers)
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_mismatch")
    assert "use a new key" in again.json()["detail"]
    assert acme.stages() == stages
