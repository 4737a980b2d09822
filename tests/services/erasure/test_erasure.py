"""Erased means erased, exported means complete: whatever waits, failed or was answered about a customer."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from audit.models import AdministrationEntry, RefusedAttempt
from audit.services.refusals import Refusal as Attempt
from audit.services.refusals import record_refusals
from lifecycle.models import NO_TENANT, Contact, Customer, DeadLetter, IdempotentRequest
from lifecycle.queries.listing import ListQuery, list_customers
from lifecycle.rules.envelopes import receive
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import ErasureRefused
from lifecycle.services.events.dead_letter_actions import find_dead_letters, replay_dead_letters
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef
from tenants.context import no_tenant_context, tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import utc_now
from tests.messaging.speaking import as_message
from tests.services.erasure.erasing import ACTOR, ZORA, Acme, dead_messages, erase, export, kill


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
