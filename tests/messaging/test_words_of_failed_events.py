"""Why an event failed is said in our own words, in the reader's language, with the field and what to do."""

from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation

from lifecycle.models import DeadLetter
from lifecycle.rules.envelopes import Event, Invalid, receive
from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.sentences import say, say_kept
from lifecycle.sentences.events import EVENTS
from tenants.context import tenant_context
from tests.admin.test_walk import choose
from tests.factories import TenantFactory
from tests.messaging.speaking import Speaker, as_message

AGAIN = "Have its sender correct it, and send the event again."


@pytest.fixture
def speaker(db: None) -> Speaker:
    return Speaker(TenantFactory())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            {"external_id": "c1"},
            "The event lacks “Contract” (data.contract_id). Have its sender add that, and send the event again.",
        ),
        ({"external_id": "c1", "contract_id": 5}, f"“Contract” (data.contract_id) must be text. {AGAIN}"),
        (
            {"contract_id": ""},
            "The event lacks “Customer's ID in your systems” (data.external_id). Have its sender add that, and send the"
            " event again.",
        ),
        (
            {"external_id": "c1", "contract_id": "K", "starts_on": "2026-02-01", "ends_on": "2026-01-01"},
            f"“Contract ends” (data.ends_on) must not be before “Contract begins” (data.starts_on). {AGAIN}",
        ),
    ],
)
def test_a_field_that_is_missing_or_wrong_is_named_with_what_to_do(
    speaker: Speaker, data: dict[str, Any], sentence: str
) -> None:
    (result,) = speaker.hear(
        receive(as_message({**speaker.document("contract.renewed"), "data": data}, topic="contract.renewed", key=b"c1"))
    )
    assert result.refusal is not None
    assert (result.refusal.code, result.refusal.sentence) == ("invalid_data", sentence)


def test_an_envelope_that_lacks_something_names_it(speaker: Speaker) -> None:
    document = {key: value for key, value in speaker.document("contract.renewed").items() if key != "id"}
    (result,) = speaker.hear(receive(as_message(document, topic="contract.renewed")))
    assert result.refusal is not None
    assert result.refusal.sentence == "The event lacks id. Have its sender add that, and send the event again."


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_no_word_of_the_schema_library_reaches_a_person(speaker: Speaker, name: str) -> None:
    """Each value in turn is one that no field takes: whatever is refused is said by one of our own sentences."""
    good = speaker.document(name, "c1")["data"] | {"external_id": "c1"}
    for key in (*good, "external_id", EVENT_TYPES[name].id_field or "name"):
        for value in (None, 7, True, [], {}, "", "x" * 10_000, float("1e300")):
            found = receive(
                as_message({**speaker.document(name), "data": {**good, key: value}}, topic=name, key=b"c1")
            ).event
            if isinstance(found, Invalid):
                assert found.reason.name in EVENTS
                said = say(found.reason)
                assert "%(" not in said and "properties" not in said and "must be string" not in said
            else:
                assert isinstance(found, Event)


def test_a_failed_event_is_explained_in_the_language_of_who_looks_at_it(speaker: Speaker, page_client: Any) -> None:
    lacking = {**speaker.document("contract.renewed"), "data": {"external_id": "c1"}}
    speaker.hear(receive(as_message(lacking, topic="contract.renewed")))
    (letter,) = speaker.dead_letters()
    assert letter.message == ["event_fields_missing", {"fields": ["data.contract_id"]}, "invalid_data"]
    client = page_client("super_admin")
    choose(client, speaker.tenant)
    listed = reverse("admin:lifecycle_deadletter_changelist")
    english, german = (
        "The event lacks “Contract” (data.contract_id). Have its sender add that, and send the event again.",
        "Dem Ereignis fehlt „Vertrag“ (data.contract_id). Lassen Sie es den Absender ergänzen und das Ereignis noch"
        " einmal senden.",
    )
    assert english in client.get(listed).content.decode()
    client.cookies["django_language"] = "de"
    for page in (listed, reverse("admin:lifecycle_deadletter_change", args=[letter.pk])):
        assert german in client.get(page).content.decode()


def test_what_an_earlier_release_kept_or_a_later_one_says_is_shown_as_it_was_written(speaker: Speaker) -> None:
    code, was = "invalid_data", "As it was."
    odd = {"field": 1, "types": ["string"]}, {"field": "a", "error": []}
    for name, params in [("no_such_sentence", {}), ("event_type", {}), ("event_type", odd[0]), ("event_value", odd[1])]:
        assert say_kept([name, params, code], code, was) == was
    for kept in (None, "?", [1, 2], ["event_no_value", {}]):
        assert say_kept(kept, code, was) == was
    # A process of an earlier release has tried it again: it writes no message.
    assert say_kept(["event_no_lifecycle", {}, "no_configuration"], code, was) == was
    with translation.override("de"):
        error = ["must be three letters such as EUR", {}]
        wrong = ["event_value", {"field": "data.contract_id", "error": error}, code]
        assert say_kept(wrong, code, "").startswith("„Vertrag“ (data.contract_id) muss aus drei Buchstaben")
    with tenant_context(speaker.tenant.id):
        assert not DeadLetter.objects.exists()
