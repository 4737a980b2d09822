"""What could not be read of an event is left as it is known, and is not absent."""

from typing import Any

import pytest

from tenants.context import tenant_context
from tests.factories import TenantFactory
from tests.messaging.speaking import RULES, Speaker, outcomes

ASKS: dict[str, Any] = {
    **RULES,
    "event_rules": [
        {
            "event": "contract.renewed",
            "to": "Active",
            "when": [{"field": "ends_on", "op": "exists", "value": False}],
        },
        {
            "event": "customer.updated",
            "to": "Active",
            "when": [{"field": "contacts", "op": "exists", "value": False}],
        },
    ],
}


@pytest.fixture
def acme(db: None) -> Speaker:
    speaker = Speaker(TenantFactory(configuration=ASKS))
    people = [{"name": "Ann", "email": "ann@x.example"}, {"name": "Ben"}]
    speaker.hear(speaker.created(contacts=people))
    assert number_of_people(speaker) == 2
    return speaker


def number_of_people(speaker: Speaker) -> int:
    with tenant_context(speaker.tenant.id):
        return speaker.customer().contacts.count()


@pytest.mark.parametrize("people", [["ann@x.example"], [None, {"name": "Ann"}], [{}]])
def test_people_stay_when_a_list_of_them_cannot_be_read(acme: Speaker, people: list[Any]) -> None:
    assert outcomes(acme.hear(acme.updated(minutes=1, owner="eva", contacts=people))) == ["applied"]
    assert (number_of_people(acme), acme.customer().owner, acme.stages()) == (2, "eva", ["Prospect"])
    acme.hear(acme.updated(minutes=2, contacts=[]))
    assert number_of_people(acme) == 0


def test_a_rule_that_asks_whether_something_is_there_moves_no_one_when_it_could_not_be_read(acme: Speaker) -> None:
    assert outcomes(acme.hear(acme.renewed(minutes=1, ends_on="31.12.2026", arr=5))) == ["applied"]
    assert acme.stages() == ["Prospect"]
    assert outcomes(acme.hear(acme.renewed(minutes=2, arr=6))) == ["applied+moved"]
    assert acme.stages() == ["Prospect", "Active"]
